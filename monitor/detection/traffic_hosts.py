"""What is known of the hosts that report requests to one target: how many, how many fail usually, who is believed."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.detection.background import rounded
from monitor.detection.evidence import step_down, step_up
from monitor.traffic.request_counts import RequestCounts

#: So many requests are worth what the probes know of the background, and so many are remembered.
_PRIOR_REQUESTS, _MEMORY_REQUESTS = 1000.0, 200_000.0
#: The rate of requests is that of about the last minutes.
_RATE_S = 120.0
#: Of a host that is new it is that of so long.
_KNOWN_S = 10.0
#: Counts come in about so often.
BATCH_S = 0.5
#: A host whose word was not confirmed is not believed for so long, twice as long each time.
_DISTRUSTED, _LONGEST_DISTRUSTED = timedelta(days=1), timedelta(days=14)


@dataclass(slots=True)
class ReportingHost:
    """One host that reports on one target. Not thread-safe."""

    usual: float
    """The share of failures that probes have found usual for the target."""
    p1: float
    seen_at: datetime
    recent: float = 0.0
    """Requests of about the last minutes; they fade."""
    age_s: float = 0.0
    failures: float = 0.0
    requests: float = 0.0
    up: float = 0.0
    down: float = 0.0
    """The evidence of one failure, and of one answer, against what is usual for this host."""
    distrusted_until: datetime | None = None
    distrusted_for: timedelta = _DISTRUSTED

    def __post_init__(self) -> None:
        self._weigh_anew()

    def note(self, counts: RequestCounts, failed: int, answered: int) -> None:
        """Take the rate of its requests from these counts."""
        waited_s = max(counts.span_s, (counts.ended_at - self.seen_at).total_seconds())
        spread = _RATE_S * -math.expm1(-counts.span_s / _RATE_S) / counts.span_s
        self.recent = self.recent * math.exp(-waited_s / _RATE_S) + (failed + answered) * spread
        self.age_s += waited_s
        self.seen_at = counts.ended_at

    def learn(self, failed: int, answered: int) -> None:
        """Learn what is usual from requests of quiet times."""
        failures, requests = self.failures + failed, self.requests + failed + answered
        fade = min(1.0, _MEMORY_REQUESTS / requests) if requests else 1.0
        self.failures, self.requests = failures * fade, requests * fade
        if failed or answered > _PRIOR_REQUESTS:
            self._weigh_anew()

    def _weigh_anew(self) -> None:
        p0 = self.p0
        self.up, self.down = step_up(p0, self.p1), step_down(p0, self.p1)

    @property
    def p0(self) -> float:
        """The share of failures that is usual for this host."""
        return rounded((_PRIOR_REQUESTS * self.usual + self.failures) / (_PRIOR_REQUESTS + self.requests))

    def rate_at(self, at: datetime) -> float:
        """Its requests a second, fading while it is silent."""
        silent_s = max(0.0, (at - self.seen_at).total_seconds())
        known_s = max(_KNOWN_S, self.age_s + silent_s)
        return self.recent * math.exp(-silent_s / _RATE_S) / (_RATE_S * -math.expm1(-known_s / _RATE_S))

    def is_distrusted(self, at: datetime) -> bool:
        """Whether its word alone was not confirmed of late."""
        until = self.distrusted_until
        return until is not None and at < until <= at + _LONGEST_DISTRUSTED

    def distrust(self, at: datetime) -> None:
        """Do not believe it for a while: neither other hosts nor probes saw what it reported."""
        self.distrusted_until = at + self.distrusted_for
        self.distrusted_for = min(_LONGEST_DISTRUSTED, 2 * self.distrusted_for)
