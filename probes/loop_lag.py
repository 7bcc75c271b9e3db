"""How late our own event loop was while a probe was in flight: late timings are our fault, not a provider's."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_TICK_S = 0.01


class Watch:
    """The lateness seen by one probe."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        """The latest tick so far; a stall shows up to one tick (10 ms) shorter than it was."""


class LoopLag:
    """One ticking timer for all probes in flight; none while there are none."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Watches the running loop until the block ends, a tick that is overdue just then included."""
        loop = asyncio.get_running_loop()
        watch = Watch()
        self._watches.add(watch)
        if self._timer is None:
            self._timer = loop.call_later(_TICK_S, self._tick, loop)
        try:
            yield watch
        finally:
            self._late(loop)
            self._watches.discard(watch)
            if not self._watches and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._late(loop)
        self._timer = loop.call_later(_TICK_S, self._tick, loop)

    def _late(self, loop: asyncio.AbstractEventLoop) -> None:
        late_s = loop.time() - self._timer.when() if self._timer is not None else 0.0
        for watch in self._watches:
            watch.worst_s = max(watch.worst_s, late_s)
