"""What this process remembers of the last minute: which targets failed, and how much was asked twice.

Without locks: each step is one operation on a dict or list, and what two threads do at the same moment may count once.
"""

from __future__ import annotations

#: How long a target that failed is left alone.
SKIP_S = 5.0
#: Repeats and hedges: at most this share of the requests of the last minute, and always so many.
BUDGET_SHARE = 0.1
BUDGET_LEAST = 3
_WINDOW_S = 60


class Memory:
    """Of one process; every method takes the time in seconds of a monotonic clock."""

    __slots__ = ("_extras", "_failed_at", "_requests", "_second_of")

    def __init__(self) -> None:
        self._failed_at: dict[str, float] = {}
        # A slot for each second of the window: which second it holds, and what was counted in it.
        self._second_of = [-1] * _WINDOW_S
        self._requests = [0] * _WINDOW_S
        self._extras = [0] * _WINDOW_S

    def count_request(self, now: float) -> None:
        """A request of the application has begun."""
        self._requests[self._slot(now)] += 1

    def take_extra(self, now: float) -> bool:
        """Whether one more repeat or hedge is within the budget; counts it where it is."""
        slot, second = self._slot(now), int(now)
        current = [index for index in range(_WINDOW_S) if second - _WINDOW_S < self._second_of[index] <= second]
        requests = sum(self._requests[index] for index in current)
        extras = sum(self._extras[index] for index in current)
        if extras >= max(BUDGET_LEAST, BUDGET_SHARE * requests):
            return False
        self._extras[slot] += 1
        return True

    def note_failure(self, target: str, now: float) -> None:
        """A request to that target has failed."""
        self._failed_at[target] = now

    def is_failing(self, target: str, now: float) -> bool:
        """Whether a request of this process failed there within the last five seconds."""
        if not self._failed_at:
            return False
        failed_at = self._failed_at.get(target)
        if failed_at is None or now - failed_at < SKIP_S:
            return failed_at is not None
        self._failed_at.pop(target, None)
        return False

    def _slot(self, now: float) -> int:
        second = int(now)
        slot = second % _WINDOW_S
        if self._second_of[slot] != second:
            self._second_of[slot], self._requests[slot], self._extras[slot] = second, 0, 0
        return slot
