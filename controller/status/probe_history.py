"""The recent past of a target: success, latency, cost, and the bars that the page draws."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from probes.outcome import Effect, Outcome

BUCKETS = 60
HOUR = timedelta(hours=1)
#: From what is worst for users to what is best; the worst outcome gives a bucket its colour.
_SEVERITY = (Effect.UP, Effect.NOTHING, Effect.THROTTLED, Effect.DEGRADED, Effect.MISCONFIGURED, Effect.DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounts:
    """How many observations of a period ended how."""

    total: int = 0
    excluded: int = 0
    """Those that say nothing about the provider: our own fault (rate limit, key, quota, …) or a refusal."""
    ok: int = 0
    answered: int = 0
    """Those that users could use: `ok` and `slow`."""
    failed_here: int = 0
    """Those that failed on this machine, before the provider could refuse them."""

    @property
    def availability(self) -> float | None:
        """The share of `ok` without what is our own fault, 0 to 1; None when nothing counts."""
        counted = self.total - self.excluded
        return self.ok / counted if counted else None

    @property
    def asked(self) -> int:
        """Those that the provider was asked."""
        return self.total - self.failed_here

    @property
    def refused(self) -> int:
        """Those that the provider refused: rate limit, key, quota, model, request, policy."""
        return self.excluded - self.failed_here

    @property
    def served(self) -> float | None:
        """The share of answers that users could use, 0 to 1; whose fault the others are does not matter."""
        return self.answered / self.asked if self.asked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bar of the strip: the observations that started from `start` up to that of the next bar."""

    start: datetime
    counts: tuple[tuple[Outcome, int], ...] = ()
    """The worst outcome first; empty where nothing was observed."""

    @property
    def worst(self) -> Outcome | None:
        """The outcome that gives the bar its colour; None where nothing was observed."""
        return self.counts[0][0] if self.counts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentDetails:
    """What the newest probes of a target say beside its health; the texts may stem from a provider."""

    last: tuple[Outcome, str] | None = None
    """The outcome of the newest and its detail; None when the target was never observed."""
    notices: tuple[str, ...] = ()
    """Sentences: another model answered the last time, or the model will be retired."""
    request_ids: tuple[str, ...] = ()
    """Of the newest failures, the newest first: for a ticket to the vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeHistory:
    """One target's recent past."""

    last_hour: OutcomeCounts
    last_day: OutcomeCounts
    p50_s: float | None
    """Median duration of the answers (`ok` and `slow`) of the last hour; None without any."""
    p95_s: float | None
    first_token_p50_s: float | None
    """Median time to first token of the last hour; None when no stream was asked for."""
    cost_day_usd: float | None
    """What the probes of the last 24 hours cost; None when no price is known."""
    bucket_s: float
    strip: tuple[Bucket, ...]
    """`BUCKETS` bars, the oldest first, each one probe interval long."""


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest of `values` that at least `share` of them do not exceed (nearest rank); None without values."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


def build_buckets(
    observations: Sequence[tuple[datetime, Outcome]], *, now: datetime, bucket: timedelta, patience: timedelta
) -> tuple[Bucket, ...]:
    """`BUCKETS` bars that end with the newest observation, or at `now` once the next one is overdue.

    The newest observation lies in the middle of its bar, so that probes one interval apart fill one bar each
    and none flickers between two. `observations` are in order of time; an observation is overdue when its probe should
    have started `patience` ago (a probe is stored only when it ends).
    """
    newest = observations[-1][0] if observations else now
    overdue = max(0, (now - newest - patience) // bucket)
    end = newest + bucket / 2 + bucket * overdue
    begin = end - bucket * BUCKETS
    counts: list[Counter[Outcome]] = [Counter() for _ in range(BUCKETS)]
    for at, outcome in observations:
        index = (at - begin) // bucket
        if 0 <= index < BUCKETS:
            counts[index][outcome] += 1
    return tuple(
        Bucket(start=begin + bucket * index, counts=_worst_first(counter)) for index, counter in enumerate(counts)
    )


def _worst_first(counter: Counter[Outcome]) -> tuple[tuple[Outcome, int], ...]:
    return tuple(sorted(counter.items(), key=lambda item: (_SEVERITY.index(item[0].effect), item[1]), reverse=True))
