"""How long answers take that applications report: of about the last 20,000 (pure)."""

from typing import Final

from monitor.history.histogram import EMPTY, Histogram
from monitor.traffic.request_counts import RequestCounts

#: So many answers are remembered, and those before them until there are as many again.
_MEMORY: Final = 10_000
#: Of fewer a share such as 99.5 % is a matter of chance.
_ENOUGH: Final = 1_000


class RecentTimes:
    """One kind of time. Not thread-safe."""

    def __init__(self) -> None:
        self._before, self._now = EMPTY, EMPTY

    def add(self, times: Histogram) -> None:
        """Remember these; the oldest are forgotten."""
        self._now += times
        if self._now.total >= _MEMORY:
            self._before, self._now = self._now, EMPTY

    @property
    def total(self) -> int:
        """How many are remembered."""
        return self._before.total + self._now.total

    def quantile_s(self, share: float) -> float | None:
        """What this share of them does not exceed, within 5 %; None until there are enough."""
        return (self._before + self._now).quantile(share) if self.total >= _ENOUGH else None


class AnswerTimes:
    """The times of one target. Not thread-safe."""

    def __init__(self) -> None:
        self.duration = RecentTimes()
        self.first_token = RecentTimes()
        """Of streams."""

    def add(self, counts: RequestCounts) -> None:
        """Remember how long these requests took."""
        if counts.duration.counts:
            self.duration.add(counts.duration)
            self.first_token.add(counts.first_token)
