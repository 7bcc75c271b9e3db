"""Runs blocking calls beside the event loop, and stores what the parts of the service report without their waiting."""

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, ParamSpec, TypeVar

from controller.incidents.tracker import BLIND_FOR
from monitor.connectivity.messages import ConnectivityNote
from monitor.connectivity.state import ConnectivityObservation
from monitor.status_pages.reading import VendorStateChange
from monitor.storage.database import DatabaseError
from monitor.storage.store import Store

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
HOST: Final = socket.gethostname()
"""The subject of events about the service itself."""


class WorkerThread:
    """One thread that runs calls in the order in which they were handed in."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.shutdown = self._executor.shutdown

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))

    def submit(self, lost: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the call without waiting for it; `lost` names the log event when the database refuses it."""

        def call() -> None:
            try:
                function(*args, **kwargs)
            except DatabaseError as error:
                log.error("%s: %s", lost, error)

        self._executor.submit(call)


@dataclass(kw_only=True)
class BackgroundRecorder:
    """Stores events and measurements on the database's thread. What cannot be stored is logged, and lost."""

    store: Store
    database: WorkerThread
    clock: Callable[[], datetime]

    def event(self, kind: str, subject: str, text: str, *, notify: bool = False) -> None:
        """Log an event and store it; with `notify`, people are told in Slack as well."""
        log.warning("%s subject=%s: %s", kind, subject, text)
        lost = f"event_lost kind={kind}"
        self.database.submit(lost, self.store.add_event, self.clock(), kind, subject, text, notify=notify)

    def connectivity_note(self, note: ConnectivityNote) -> None:
        """Report what became of our own network. A long loss has an incident, so that the note is not told as well."""
        self.event(note.kind, "network", note.text, notify=note.notify and note.lasted_s < BLIND_FOR.total_seconds())

    def connectivity(self, observation: ConnectivityObservation) -> None:
        """Store what the neutral endpoints answered, before the cycle that judges by it."""
        self.database.submit("connectivity_lost", self.store.record_connectivity, observation)

    def throttling(self, pace: str) -> None:
        """Store how the budget slows down probing, as the budget tracker's JSON."""
        self.database.submit("pace_lost", self.store.save_throttling, pace, self.clock())

    async def vendor_report(self, report: VendorStateChange) -> bool:
        """Store what a status page says now; False, and a line in the log, when that failed."""
        try:
            await self.database.run(self.store.record_vendor_report, report)
        except DatabaseError as error:
            log.error("vendor_report_lost page=%s: %s", report.url, error)
            return False
        return True
