"""What a target's recent observations amount to: success, latency, cost and the strip of bars that the page draws."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Connection, bindparam, case, func, select

from monitor.storage.columns import from_ms, to_ms
from monitor.storage.tables import OBSERVATIONS
from probes.outcome import Blame, Effect, Outcome
from probes.target import Target

BUCKETS = 60
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_ANSWERED = frozenset({Outcome.OK, Outcome.SLOW})
#: Our own fault, or nobody can say: such an observation tells nothing about the provider's uptime.
_EXCLUDED = frozenset(outcome for outcome in Outcome if outcome.blame in {Blame.US, Blame.UNCLEAR})
#: From what is worst for users to what is best; the worst outcome gives a bucket its colour.
_SEVERITY = (Effect.UP, Effect.NOTHING, Effect.THROTTLED, Effect.DEGRADED, Effect.MISCONFIGURED, Effect.DOWN)

_SEEN = OBSERVATIONS.c
_OF_TARGET = _SEEN.target == bindparam("of")
_SINCE = _SEEN.started_ms >= bindparam("since")
# Built once: building a statement costs more than running it.
_ROWS = (
    select(_SEEN.started_ms, _SEEN.outcome, _SEEN.duration_s, _SEEN.first_token_s)
    .where(_OF_TARGET, _SINCE)
    .order_by(_SEEN.started_ms)
)
_TOTALS = select(
    func.count().label("total"),
    func.sum(case((_SEEN.outcome.in_(sorted(_EXCLUDED)), 1), else_=0)).label("excluded"),
    func.sum(case((_SEEN.outcome == Outcome.OK.value, 1), else_=0)).label("ok"),
    func.sum(_SEEN.cost_usd).label("cost_usd"),
).where(_OF_TARGET, _SINCE)
_NEWEST = (
    select(_SEEN.started_ms, _SEEN.outcome, _SEEN.duration_s, _SEEN.http_status, _SEEN.detail)
    .where(_OF_TARGET)
    .order_by(_SEEN.started_ms.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounts:
    """How many observations of a period ended how."""

    total: int = 0
    excluded: int = 0
    """Those that say nothing about the provider: our own fault (rate limit, key, quota, …) or a refusal."""
    ok: int = 0

    @property
    def counted(self) -> int:
        """Those that the success rate is a share of."""
        return self.total - self.excluded

    @property
    def success(self) -> float | None:
        """The share of `ok` among the counted, 0 to 1; None when nothing counts."""
        return self.ok / self.counted if self.counted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bar of the strip: the observations that started from `start` up to `end`."""

    start: datetime
    end: datetime
    counts: tuple[tuple[Outcome, int], ...] = ()
    """The worst outcome first; empty where nothing was observed."""

    @property
    def worst(self) -> Outcome | None:
        """The outcome that gives the bar its colour; None where nothing was observed."""
        return self.counts[0][0] if self.counts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastObservation:
    """The newest observation of a target."""

    at: datetime
    """When its probe started."""
    outcome: Outcome
    duration_s: float
    http_status: int | None
    detail: str
    """Text that a provider may have written: escape it before it is shown."""


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
    last: LastObservation | None
    """None when it was never observed."""


def read_history(connection: Connection, target: Target, now: datetime) -> ProbeHistory:
    """The history of `target` as of `now`; three range scans of its own key, never of the whole table."""
    bucket = timedelta(seconds=max(target.interval_s, 1.0))
    longest = max(_HOUR, bucket * (BUCKETS + 2))
    seen = connection.execute(_ROWS, {"of": target.id, "since": to_ms(now - longest)}).all()
    hour_ms, strip_ms = to_ms(now - _HOUR), to_ms(now - bucket * (BUCKETS + 2))
    hour = [row for row in seen if row.started_ms >= hour_ms]
    answers = [row for row in hour if row.outcome in _ANSWERED]
    durations = [row.duration_s for row in answers]
    tally, cost_usd = _day(connection, target.id, now)
    return ProbeHistory(
        last_hour=_tally([Outcome(row.outcome) for row in hour]),
        last_day=tally,
        p50_s=quantile(durations, 0.50),
        p95_s=quantile(durations, 0.95),
        first_token_p50_s=quantile([row.first_token_s for row in answers if row.first_token_s is not None], 0.50),
        cost_day_usd=cost_usd,
        bucket_s=bucket.total_seconds(),
        strip=strip(
            [(from_ms(row.started_ms), Outcome(row.outcome)) for row in seen if row.started_ms >= strip_ms],
            now=now,
            bucket=bucket,
            patience=timedelta(seconds=target.timeouts.total_s),
        ),
        last=_newest(connection, target.id),
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest of `values` that at least `share` of them do not exceed (nearest rank); None without values."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


def strip(
    seen: Sequence[tuple[datetime, Outcome]], *, now: datetime, bucket: timedelta, patience: timedelta
) -> tuple[Bucket, ...]:
    """`BUCKETS` bars that end with the newest observation, or at `now` once the next one is overdue.

    The newest observation lies in the middle of its bar, so that probes one interval apart fill one bar each
    and none flickers between two. `seen` is in order of time; an observation is overdue when its probe should
    have started `patience` ago (a probe is stored only when it ends).
    """
    newest = seen[-1][0] if seen else now
    overdue = max(0, (now - newest - patience) // bucket)
    end = newest + bucket / 2 + bucket * overdue
    begin = end - bucket * BUCKETS
    counts: list[Counter[Outcome]] = [Counter() for _ in range(BUCKETS)]
    for at, outcome in seen:
        index = (at - begin) // bucket
        if 0 <= index < BUCKETS:
            counts[index][outcome] += 1
    return tuple(
        Bucket(start=begin + bucket * index, end=begin + bucket * (index + 1), counts=_worst_first(counter))
        for index, counter in enumerate(counts)
    )


def _worst_first(counter: Counter[Outcome]) -> tuple[tuple[Outcome, int], ...]:
    return tuple(sorted(counter.items(), key=lambda item: (_SEVERITY.index(item[0].effect), item[1]), reverse=True))


def _tally(outcomes: Sequence[Outcome]) -> OutcomeCounts:
    return OutcomeCounts(
        total=len(outcomes),
        excluded=sum(outcome in _EXCLUDED for outcome in outcomes),
        ok=sum(outcome is Outcome.OK for outcome in outcomes),
    )


def _day(connection: Connection, target: str, now: datetime) -> tuple[OutcomeCounts, float | None]:
    row = connection.execute(_TOTALS, {"of": target, "since": to_ms(now - _DAY)}).one()
    return OutcomeCounts(total=row.total, excluded=row.excluded or 0, ok=row.ok or 0), row.cost_usd


def _newest(connection: Connection, target: str) -> LastObservation | None:
    row = connection.execute(_NEWEST, {"of": target}).first()
    if row is None:
        return None
    return LastObservation(
        at=from_ms(row.started_ms),
        outcome=Outcome(row.outcome),
        duration_s=row.duration_s,
        http_status=row.http_status,
        detail=row.detail,
    )
