"""Measures how late our own event loop runs during a probe: late timings are our fault, not a provider's."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

_TICK_S = 0.01
#: A tick that is later than this is a stall; every loop is a millisecond or two late.
_STALL_S = 0.02
#: So many of the last answers are known: those of the last second, where it matters.
_ANSWERS: Final = 64
_WITNESSES: Final = 3


class _Answered(NamedTuple):
    """Another probe that was answered: when it began, and the sum of all stalls of the loop until it had the answer."""

    began: float
    stalled_s: float


class LagWatch:
    """The lateness during one probe, in seconds. A stall may show up to one tick (10 ms) shorter than it was."""

    def __init__(self, began: float, answered: Sequence[_Answered] = (), stalled_before_s: float = 0.0) -> None:
        """`answered`: the last answers to any probe of this loop; it changes meanwhile.

        `stalled_before_s`: the sum of all stalls of the loop until this probe began.
        """
        self.began = began
        self._answered = answered
        self._stalled_before_s = stalled_before_s
        self.worst_s = 0.0
        """The lateness of the latest tick."""
        self.stalled_s = 0.0
        """The sum of all stalls, those of 20 ms and more."""

    def record_tick(self, due: float, now: float) -> None:
        """Records a tick that was due at `due` and ran at `now`, both by the loop's clock."""
        late_s = now - max(due, self.began)
        self.worst_s = max(self.worst_s, late_s)
        self.stalled_s += _stall_s(late_s)

    def stalled_since_answers_s(self) -> float:
        """The sum of the stalls since at least three probes that began later were answered; all, where none were.

        Those had less time than this one, of the same loop: until then it has not kept an answer from anybody.
        """
        witnesses = (each for each in reversed(self._answered) if each.began > self.began)
        third = next(islice(witnesses, _WITNESSES - 1, None), None)
        return self.stalled_s if third is None else self.stalled_s - (third.stalled_s - self._stalled_before_s)


def _stall_s(late_s: float) -> float:
    """What a tick that is so late adds to the sum of the stalls."""
    return late_s if late_s > _STALL_S else 0.0


class LoopLag:
    """One timer that ticks for all probes in flight; it stops while there are none."""

    def __init__(self) -> None:
        self._watches: dict[LagWatch, None] = {}
        """As they began: an earlier one has seen all that a later one has, so that its worst tick is no better."""
        self._timer: asyncio.TimerHandle | None = None
        self._answered: deque[_Answered] = deque(maxlen=_ANSWERS)
        self._stalled_s = 0.0

    @contextmanager
    def watch(self) -> Iterator[LagWatch]:
        """Watches the running loop until the block ends; a tick that is then overdue counts."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        watch = LagWatch(now, self._answered, self._stalled_until(now))
        self._watches[watch] = None
        if self._timer is None:
            self._arm(loop)
        try:
            yield watch
        finally:
            if self._timer is not None:
                watch.record_tick(self._timer.when(), loop.time())
            del self._watches[watch]
            if not self._watches and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def note_answer(self, watch: LagWatch) -> None:
        """The probe of this watch has been answered now."""
        self._answered.append(_Answered(watch.began, self._stalled_until(asyncio.get_running_loop().time())))

    def _stalled_until(self, now: float) -> float:
        """The sum of all stalls, with the one that a tick which is overdue will show."""
        return self._stalled_s + (_stall_s(now - self._timer.when()) if self._timer is not None else 0.0)

    def _tick(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late_s = now - due
        self._stalled_s += _stall_s(late_s)
        for watch in reversed(self._watches):
            if late_s <= min(watch.worst_s, _STALL_S):  # then it changes nothing for those before either
                break
            watch.record_tick(due, now)
        self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + _TICK_S
        self._timer = loop.call_at(due, self._tick, due, loop)
