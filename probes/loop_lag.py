"""Measures how late our own event loop runs during a probe: late timings are our fault, not a provider's."""

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

_Result = TypeVar("_Result")

#: The loop wakes so often at least while a probe is in flight.
_LONGEST_WAIT_S: Final = 0.05
#: What is later than this is a stall; every loop is a millisecond or two late.
_STALL_S: Final = 0.02
#: So many of the last answers are known: those of the last second, where it matters.
_ANSWERS: Final = 64
_WITNESSES: Final = 3


class _Answered(NamedTuple):
    """Another probe that was answered: when it began, and the sum of all stalls of the loop until it had the answer."""

    began: float
    stalled_s: float


class LagWatch:
    """The lateness during one probe, in seconds."""

    def __init__(self, began: float, answered: Sequence[_Answered] = (), stalled_before_s: float = 0.0) -> None:
        """`answered`: the last answers to any probe of this loop; it changes meanwhile.

        `stalled_before_s`: the sum of all stalls of the loop until this probe began.
        """
        self.began = began
        self._answered = answered
        self._stalled_before_s = stalled_before_s
        self.worst_s = 0.0
        """The worst of all."""
        self.stalled_s = 0.0
        """The sum of all stalls, those of 20 ms and more."""

    def note_due(self, due: float, now: float) -> None:
        """The loop should have come to its next step at `due`, and did `now`, both by its clock."""
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


class LagSelector(selectors.DefaultSelector):
    """By what an event loop waits: it sees how long the loop did other things, and how late it woke.

    No timer is needed for that. While a probe is in flight no wait is longer than 50 ms, so that what keeps the whole
    process from running is seen, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watches: dict[LagWatch, None] = {}
        """As they began: an earlier one has seen all that a later one has, so that its worst moment is no better."""
        self._answered: deque[_Answered] = deque(maxlen=_ANSWERS)
        self._stalled_s = 0.0
        self._resumed_at = 0.0
        """Since when the loop has not waited, while anybody watches."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Called by the loop: wait for input and output."""
        if not self._watches:
            return super().select(timeout)
        called_at = time.monotonic()
        self._note_due(self._resumed_at, called_at)
        wait_s = _LONGEST_WAIT_S if timeout is None else min(timeout, _LONGEST_WAIT_S)
        ready = super().select(wait_s)
        self._resumed_at = time.monotonic()
        self._note_due(called_at + max(wait_s, 0.0), self._resumed_at)
        return ready

    @contextmanager
    def watch(self) -> Iterator[LagWatch]:
        """Watches the loop until the block ends, in the midst of a stall, too."""
        now = time.monotonic()
        if not self._watches:
            self._resumed_at = now
        watch = LagWatch(now, self._answered, self._stalled_until(now))
        self._watches[watch] = None
        try:
            yield watch
        finally:
            watch.note_due(self._resumed_at, time.monotonic())
            del self._watches[watch]

    def note_answer(self, watch: LagWatch) -> None:
        """The probe of this watch has been answered now."""
        self._answered.append(_Answered(watch.began, self._stalled_until(time.monotonic())))

    def _stalled_until(self, now: float) -> float:
        """The sum of all stalls, with the one that is not over."""
        return self._stalled_s + _stall_s(now - self._resumed_at)

    def _note_due(self, due: float, now: float) -> None:
        """The loop should have come to its next step at `due`, and did `now`."""
        late_s = now - due
        self._stalled_s += _stall_s(late_s)
        for watch in reversed(self._watches):
            if late_s <= min(watch.worst_s, _STALL_S):  # then it changes nothing for those before either
                break
            watch.note_due(due, now)


class LagMeasuringLoop(asyncio.SelectorEventLoop):
    """An event loop that knows how late it was: probes need one."""

    def __init__(self) -> None:
        self.lag: Final = LagSelector()
        super().__init__(self.lag)


def running_lag() -> LagSelector:
    """The lag of the running loop; raises RuntimeError where that is no LagMeasuringLoop."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, LagMeasuringLoop):
        raise RuntimeError(
            f"probes need an event loop that measures its lag, a {LagMeasuringLoop.__name__}, found {loop!r}"
        )
    return loop.lag


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """As `asyncio.run`, in a loop for probes."""
    with asyncio.Runner(loop_factory=LagMeasuringLoop) as runner:
        return runner.run(main)
