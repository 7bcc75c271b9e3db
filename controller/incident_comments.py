"""What people say to an incident: the use cases behind the command line and the API. Prints nothing."""

from datetime import datetime

from controller.incidents.incident import Incident
from controller.incidents.store import LONGEST_NOTE, CommentStore
from controller.routing.operator_requests import RefusedError, checked_author
from monitor.config.settings import Settings
from monitor.storage.database import open_operator
from probes.redaction import one_line


def add_note(settings: Settings, incident_id: int, text: str, *, author: str, at: datetime) -> Incident:
    """Add a line to the story of an incident, open or not.

    Raises RefusedError when nothing was done (no such incident, an empty or too long text), and DatabaseError.
    """
    if len(text) > LONGEST_NOTE:
        raise RefusedError(f"the note has {len(text):,} characters; at most {LONGEST_NOTE:,} can be shown to people")
    if not one_line(text, LONGEST_NOTE):
        raise RefusedError("the note is empty: say what people should know")
    comments = CommentStore(open_operator(settings.database))
    return comments.note(incident_id, text, author=checked_author(author), at=at)


def acknowledge(settings: Settings, incident_id: int, *, author: str, at: datetime) -> Incident:
    """Record who looks after an open incident; raises RefusedError, also for a resolved one, and DatabaseError."""
    comments = CommentStore(open_operator(settings.database))
    return comments.acknowledge(incident_id, author=checked_author(author), at=at)
