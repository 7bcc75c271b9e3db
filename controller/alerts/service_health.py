"""Whether the service does what it is there for, as far as it knows: it decides, publishes, probes, stores."""

import time
from collections.abc import Callable
from typing import Final

from monitor.formatting import format_elapsed

#: A cycle runs at least twice a second; one that has not succeeded for so long is stuck.
STUCK_S: Final = 30.0
_MISSED_PROBES: Final = 3


class ServiceHealth:
    """What the service did last; from one event loop. Instants are monotonic seconds."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._cycled_s = self._probed_s = monotonic()
        self._stored_s = self._cycled_s
        self._unpublished: str | None = None

    def cycled(self, publish_error: str | None, *, behind: bool = False) -> None:
        """A control cycle succeeded; the routing file is published unless there is an error.

        `behind`: something waits for a database that cannot be written.
        """
        self._cycled_s = self._monotonic()
        self._unpublished = publish_error
        if not behind:
            self._stored_s = self._cycled_s

    def probed(self) -> None:
        """A probe was due, and was made or left out for a good reason."""
        self._probed_s = self._monotonic()

    def stuck(self) -> str | None:
        """That nothing is decided or published, in a few words; None while it is."""
        elapsed_s = self._monotonic() - self._cycled_s
        return f"no control cycle has succeeded for {format_elapsed(elapsed_s)}" if elapsed_s > STUCK_S else None

    def trouble(self, probe_every_s: float) -> str | None:
        """Why the service is not well, in a few words; None while it is. Some probe is due every so often."""
        now_s = self._monotonic()
        if stuck := self.stuck():
            return stuck
        if now_s - self._probed_s > STUCK_S + _MISSED_PROBES * probe_every_s:
            return f"no probe was made for {format_elapsed(now_s - self._probed_s)}"
        if self._cycled_s - self._stored_s > STUCK_S:
            return f"the database has not been written for {format_elapsed(self._cycled_s - self._stored_s)}"
        return "the routing file cannot be written" if self._unpublished else None
