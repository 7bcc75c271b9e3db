"""Sends what a machine has probed to the leader by way of the database, and keeps it on disk while that is away."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from controller.fleet.report_buffer import ReportBuffer
from controller.service.background import WorkerThread
from monitor.storage.database import DatabaseError
from monitor.storage.probe_report import MOST_OBSERVATIONS, ProbeReport, ReportedEvent, encode
from probes.observation import Observation

log = logging.getLogger(__name__)

_EVERY_S: Final = 0.5
#: A region with nothing to report is alive, and says so.
_SIGN_S: Final = 5.0
_AGAIN_S: Final = 1.0
#: So long at a time.
_ROUND_S: Final = 2.0
#: Reports in one statement while those that waited are sent.
_AT_ONCE: Final = 4


class ReportSender:
    """`add` what was probed; `run` sends it every `every_s`, in order. What waited on disk goes first."""

    def __init__(
        self,
        send: Callable[[Sequence[str]], None],
        buffer: ReportBuffer,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        every_s: float = _EVERY_S,
    ) -> None:
        """`send` is that of a `ReportOutbox`; it and the buffer are used on one thread of their own."""
        self._send = send
        self._buffer = buffer
        self._monotonic = monotonic
        self._every_s = every_s
        self._thread = WorkerThread("reports")
        self._waiting: list[Observation] = []
        self._events: list[ReportedEvent] = []
        self._blind_since: datetime | None = None
        self._sent_s = float("-inf")
        self._failed_s: float | None = None
        self.gives_signs = False
        """Whether this machine reports also when there is nothing to report: it is the one that probes."""

    def add(self, observations: Sequence[Observation], blind_since: datetime | None) -> None:
        """Report these, and since when the network of this machine is lost."""
        self._waiting += observations
        self._blind_since = blind_since

    def tell(self, event: ReportedEvent) -> None:
        """Report this."""
        self._events.append(event)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then once more, with what is left."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await stop.wait()
            await self.report()
        self._thread.shutdown()

    async def report(self) -> None:
        """Send what there is, or keep it."""
        new, self._waiting = tuple(self._waiting), []
        parts = (new[begin : begin + MOST_OBSERVATIONS] for begin in range(0, len(new), MOST_OBSERVATIONS))
        reports = [ProbeReport(observations=part, blind_since=self._blind_since) for part in parts]
        if self._events:
            events, self._events = tuple(self._events), []
            reports = [ProbeReport(events=events, blind_since=self._blind_since), *reports]
        await self._thread.run(self._report, [encode(each) for each in reports])

    def _report(self, new: Sequence[str]) -> None:
        if self._buffer.is_empty and (self._failed_s is None or not new):
            due = self.gives_signs and self._monotonic() - self._sent_s >= _SIGN_S
            if (new or due) and not self._try(new):
                self._keep(new)
            return
        self._keep(new)
        if self._failed_s is not None and self._monotonic() - self._failed_s < _AGAIN_S:
            return
        until_s = self._monotonic() + _ROUND_S
        while self._monotonic() < until_s and (waiting := self._buffer.oldest()):
            for begin in range(0, len(waiting), _AT_ONCE):
                if not self._try(waiting[begin : begin + _AT_ONCE]):
                    return
            self._buffer.forget()

    def _keep(self, reports: Sequence[str]) -> None:
        for report in reports:
            self._buffer.append(report)

    def _try(self, reports: Sequence[str]) -> bool:
        try:
            self._send(reports)
        except DatabaseError as error:
            if self._failed_s is None:
                log.warning("reports_kept: %s; probes are kept on disk until it is back", error)
            self._failed_s = self._monotonic()
            return False
        if self._failed_s is not None:
            log.warning("reports_sent_again: the database takes them again")
        self._sent_s, self._failed_s = self._monotonic(), None
        return True
