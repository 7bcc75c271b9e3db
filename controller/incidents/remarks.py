"""What people say about incidents: notes and acknowledgements, also from a process beside the service."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, select

from controller.incidents.incident import EntryKind, Incident, TimelineEntry
from controller.incidents.store import incident_of, rewrite
from controller.incidents.timeline_rules import MAX_REMARKS, joined, numbered, remarks
from monitor.storage.database import durable
from monitor.storage.tables import INCIDENTS
from probes.redaction import one_line

LONGEST_NOTE: Final = 1_000
_LONGEST_AUTHOR: Final = 80


class CommentRefusedError(Exception):
    """What was said cannot be kept; the message is a sentence that says why."""


class CommentStore:
    """Adds to incidents what people say, on an engine of `open_writer` or `open_operator`.

    Each is one transaction that survives a power cut and moves the incident's revision, so that people who were told of
    it are told this too. The service, which rewrites incidents from its memory, keeps what was added here. Raises
    RemarkRefusedError, and `monitor.storage.database.DatabaseError` when it did not happen.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def note(self, incident_id: int, text: str, *, author: str, at: datetime) -> Incident:
        """Add a line to the timeline, of an open incident or a resolved one; the text becomes one line."""
        return self._add(incident_id, EntryKind.NOTE, one_line(text, LONGEST_NOTE), author, at)

    def acknowledge(self, incident_id: int, *, author: str, at: datetime) -> Incident:
        """Say who looks after an open incident; nothing changes when that person does already."""
        return self._add(incident_id, EntryKind.ACKNOWLEDGED, "", author, at)

    def _add(self, incident_id: int, kind: EntryKind, text: str, author: str, at: datetime) -> Incident:
        who = one_line(author, _LONGEST_AUTHOR)
        with self._engine.begin() as connection:
            found = _found(connection, incident_id)
            if kind is EntryKind.ACKNOWLEDGED:
                if found.resolved_at:
                    raise CommentRefusedError(f"incident {incident_id} is resolved: nobody has to look after it")
                if found.acknowledged_by == who:
                    return found
                over = f", who takes over from {found.acknowledged_by}" if found.acknowledged_by else ""
                text = f"Acknowledged by {who}{over}"
            if len(remarks(found.timeline)) >= MAX_REMARKS:
                full = f"incident {incident_id} holds {MAX_REMARKS} lines by people, and no more fit"
                raise CommentRefusedError(f"{full}: write the rest elsewhere")
            line = TimelineEntry(at=at, text=text, kind=kind, author=who)
            changed = replace(
                found,
                timeline=numbered(joined(found.timeline, [line])),
                revision=found.revision + 1,
                acknowledged_by=who if kind is EntryKind.ACKNOWLEDGED else found.acknowledged_by,
            )
            rewrite(connection, changed)
        return changed


def _found(connection: Connection, incident_id: int) -> Incident:
    row = connection.execute(select(INCIDENTS).where(INCIDENTS.c.id == incident_id)).mappings().first()
    if row is None:
        raise CommentRefusedError(f"there is no incident {incident_id}")
    return incident_of(row)
