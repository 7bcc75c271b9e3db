"""Asks a running service, through its database, to read its configuration anew, and waits for the answer."""

import time
from typing import Final

from controller.routing.operator_requests import RefusalKind, RefusedError, checked_author
from monitor.config.settings import Settings
from monitor.liveness import Liveness, service_status
from monitor.reload_events import ANSWERS, ASKED
from monitor.storage.database import open_operator, shared_now
from monitor.storage.store import Store
from monitor.storage.tables import EventRow

#: The longest time until a busy service has read a large configuration.
WAIT_S: Final = 15.0
_POLL_S: Final = 0.1


def request_reload(settings: Settings, author: str, *, wait_s: float = WAIT_S) -> EventRow:
    """The answer of the service of these settings, which are those of the file now: one of `ANSWERS`.

    Raises RefusedError where none runs, or none answers in time, and DatabaseError.
    """
    store = Store(open_operator(settings.database))
    author = checked_author(author)
    if service_status(store.last_beat(), shared_now(settings.database)).liveness is not Liveness.RUNNING:
        raise RefusedError("no service runs: it reads the file when it starts", RefusalKind.NOTHING_TO_DO)
    before, _ = store.events_after(0)
    store.add_event(shared_now(settings.database), ASKED, author, f"asked to read {settings.path} anew")
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        for event in store.events_after(before)[1]:
            # One that was read before the file became what it is now is no answer.
            if event.kind in ANSWERS and event.subject == settings.revision:
                return event
        time.sleep(_POLL_S)
    text = f"the service has not answered within {wait_s:g} s: look at `hotspare status` and its log"
    raise RefusedError(text, RefusalKind.NOTHING_TO_DO)
