"""The time that all machines on one database share: the database's, carried on by this machine's monotonic clock."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from monitor.clock import utc_now
from monitor.storage.lease_store import DatabaseTime

log = logging.getLogger(__name__)

#: What is less may be the network's, or clocks that follow each other.
_WORTH_S: Final = 1.0


class SharedClock:
    """`clock()` is the time; this machine's own wall clock may be an hour off, or set, and nothing follows it.

    It starts with this machine's time. One question for all threads: it reads two numbers that are set at once.
    """

    def __init__(
        self, *, wall: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._anchor = wall(), monotonic()
        self._told = False
        self.off_s = 0.0
        """By how much this machine's wall clock was ahead of the database's when it was last looked at."""

    def __call__(self) -> datetime:
        """The present instant."""
        at, monotonic_s = self._anchor
        return at + timedelta(seconds=self._monotonic() - monotonic_s)

    def learn(self, measured: DatabaseTime) -> None:
        """Go by what the database's clock said, where that is further off than a second and than it may be wrong by."""
        since = timedelta(seconds=self._monotonic() - measured.monotonic_s)
        now = measured.at + since
        allowed_s = _WORTH_S + measured.within_s
        if abs((now - self()).total_seconds()) > allowed_s:
            self._anchor = measured.at, measured.monotonic_s
        self.off_s = (self._wall() - now).total_seconds()
        differs = abs(self.off_s) > allowed_s
        if differs and not self._told:
            log.warning(
                "clock_differs seconds=%+.0f: the wall clock of this machine is not the database's, by which it goes",
                self.off_s,
            )
        self._told = differs
