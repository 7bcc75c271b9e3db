"""Measures how late our own event loop runs during a probe: late timings are our fault, not a provider's."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_TICK_S = 0.01
#: A tick that is later than this is a stall; every loop is a millisecond or two late.
_STALL_S = 0.02


class LagWatch:
    """The lateness during one probe, in seconds. A stall may show up to one tick (10 ms) shorter than it was."""

    def __init__(self, began: float) -> None:
        self._began = began
        self.worst_s = 0.0
        """The lateness of the latest tick."""
        self.stalled_s = 0.0
        """The sum of all stalls, those of 20 ms and more."""

    def record_tick(self, due: float, now: float) -> None:
        """Records a tick that was due at `due` and ran at `now`, both by the loop's clock."""
        late_s = now - max(due, self._began)
        self.worst_s = max(self.worst_s, late_s)
        if late_s > _STALL_S:
            self.stalled_s += late_s


class LoopLag:
    """One timer that ticks for all probes in flight; it stops while there are none."""

    def __init__(self) -> None:
        self._watches: set[LagWatch] = set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def watch(self) -> Iterator[LagWatch]:
        """Watches the running loop until the block ends; a tick that is then overdue counts."""
        loop = asyncio.get_running_loop()
        watch = LagWatch(loop.time())
        self._watches.add(watch)
        if self._timer is None:
            self._arm(loop)
        try:
            yield watch
        finally:
            if self._timer is not None:
                watch.record_tick(self._timer.when(), loop.time())
            self._watches.discard(watch)
            if not self._watches and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for watch in self._watches:
            watch.record_tick(due, now)
        self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + _TICK_S
        self._timer = loop.call_at(due, self._tick, due, loop)
