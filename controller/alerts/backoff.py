"""How long to leave something alone after it failed: ever longer, and as long as the other side asks for (pure)."""

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0


class Backoff:
    """1, 2, 4, … 60 s; instants are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._until_s = float("-inf")

    def is_over(self, now_s: float) -> bool:
        """Whether it may be tried again."""
        return now_s >= self._until_s

    def extend(self, now_s: float, *, at_least_s: float = 0.0) -> float:
        """After one more failure; says for how many seconds."""
        wait_s = max(at_least_s, min(LONGEST_S, FIRST_S * 2.0**self._failures))
        self._failures = min(self._failures + 1, 10)
        self._until_s = now_s + wait_s
        return wait_s
