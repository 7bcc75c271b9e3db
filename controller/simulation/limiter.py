"""An account that takes so many requests a minute, of all targets that share it, in virtual time."""

from collections import deque

WINDOW_S = 60.0


class Limiter:
    """Counts every request of the last minute, those it refused as well."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._asked_s: deque[float] = deque()

    def refuses(self, at_s: float) -> bool:
        """Whether it refuses a request that begins at `at_s`, which must not be before that of the call before."""
        while self._asked_s and self._asked_s[0] <= at_s - WINDOW_S:
            self._asked_s.popleft()
        self._asked_s.append(at_s)
        return len(self._asked_s) > self._per_minute
