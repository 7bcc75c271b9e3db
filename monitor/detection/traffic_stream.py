"""The evidence in one stream of requests: a capped CUSUM, and what is left of it when a blip must be over (pure)."""

from datetime import datetime, timedelta

from monitor.detection.traffic_model import TrafficBounds
from monitor.traffic.request_counts import RequestCounts
from probes.observation import hot_dataclass, replaced

#: Counts come in about once a second, not on the millisecond.
_ON_TIME = timedelta(seconds=0.1)


@hot_dataclass
class TrafficStream:
    """The evidence of one excursion; all of it is zero between two."""

    value: float = 0.0
    highest: float = 0.0
    """The highest value of the excursion."""
    since: datetime | None = None
    """When the counts came in that began it."""
    corroborated_at: datetime | None = None
    """By then the evidence was more than chance brings about: a blip that caused it had begun."""
    fresh: float = 0.0
    """The evidence of requests that began when the longest blip had to be over since."""
    fresh_failures: int = 0

    def add(
        self, counts: RequestCounts, step: float, failures: int, *, bounds: TrafficBounds, guard_s: float
    ) -> "TrafficStream":
        """The evidence after these counts; `step` is their log-likelihood ratio."""
        began_at, ended_at = counts.began_at, counts.ended_at
        value = min(bounds.highest, self.value + step)
        if value <= 0 or (self.corroborated_at and value <= self.highest - bounds.forgotten):
            return NO_STREAM
        after = replaced(self, value=value, highest=max(value, self.highest), since=self.since or ended_at)
        if self.corroborated_at is None:
            return replaced(after, corroborated_at=ended_at) if value >= bounds.corroborated else after
        if self.is_guarded(began_at, guard_s):
            return after
        return replaced(after, fresh=self.fresh + step, fresh_failures=self.fresh_failures + failures)

    def is_guarded(self, began_at: datetime, guard_s: float) -> bool:
        """Whether a blip may last still that began before the evidence was corroborated."""
        return self.corroborated_at is None or began_at < self.corroborated_at + timedelta(seconds=guard_s) - _ON_TIME

    def is_conclusive(self, bounds: TrafficBounds) -> bool:
        """Whether this stream alone says that the target fails, and has failed for longer than a blip."""
        return self.corroborated_at is not None and self.fresh >= bounds.fresh and self.fresh_failures > 1


NO_STREAM = TrafficStream()
