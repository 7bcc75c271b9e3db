"""What probes say of a target: its recent past with the bars that the page draws, and the evidence behind verdicts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from monitor.detection import reasons
from monitor.formatting import format_elapsed, plural
from monitor.health import Health, WeighedProbe
from monitor.history.rollup import OutcomeCounts
from probes.outcome import Effect, Outcome

BUCKETS = 60
HOUR = timedelta(hours=1)
#: Latency is that of so long, of so many intervals at least.
LATELY, LATELY_PROBES = timedelta(minutes=10), 10
#: From what is worst for users to what is best; the worst outcome gives a bucket its colour.
_SEVERITY = (Effect.UP, Effect.NOTHING, Effect.THROTTLED, Effect.DEGRADED, Effect.MISCONFIGURED, Effect.DOWN)
#: What speaks for each verdict that rests on evidence. `misconfigured` needs no more than two plain answers.
VERDICT_EFFECTS: Mapping[Health, frozenset[Effect]] = {
    Health.DOWN: frozenset({Effect.DOWN}),
    Health.DEGRADED: frozenset({Effect.DEGRADED, Effect.THROTTLED}),
    Health.UNUSABLE: frozenset({Effect.DEGRADED, Effect.THROTTLED}),
}
#: The store rounds the evidence of single probes to three digits.
_ROUNDING = 0.001


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
    failed_here: bool = False
    """Whether the newest failed by a fault of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeHistory:
    """One target's recent past."""

    last_hour: OutcomeCounts
    since_back: OutcomeCounts
    """The same without what was before it came back, where it did within the hour."""
    last_day: OutcomeCounts
    p50_s: float | None
    """Median duration of the answers (`ok` and `slow`) of the last ten minutes, or ten intervals; None without any."""
    p95_s: float | None
    first_token_p50_s: float | None
    """Median time to first token of that time; None when no stream was asked for."""
    first_token_p95_s: float | None = None
    cost_day_usd: float | None
    """What the probes of the last 24 hours cost; None when no price is known."""
    bucket_s: float
    strip: Callable[[], tuple[Bucket, ...]] = field(compare=False)
    """`BUCKETS` bars, the oldest first, each one probe interval long; worked out when asked: most readers never do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTrail:
    """The probes whose evidence led to one verdict."""

    targets: tuple[str, ...]
    """The targets of the verdict: one, or all of a provider that fails; sorted by name."""
    at: datetime
    health: Health
    """The verdict: `down`, `degraded` or `unusable`."""
    evidence: float
    threshold: float
    probes: tuple[WeighedProbe, ...]
    """Never empty, the oldest first; of all the provider's targets where the provider fails."""

    def against(self, weighed: WeighedProbe) -> bool:
        """Whether this probe spoke for the verdict."""
        return weighed.outcome.effect in VERDICT_EFFECTS[self.health] or (
            weighed.late and self.health is not Health.DOWN
        )

    @property
    def span_s(self) -> float:
        """Seconds from the first probe of the trail to the verdict."""
        return max(0.0, (self.at - min(weighed.at for weighed in self.probes)).total_seconds())

    @property
    def sentence(self) -> str:
        """`14 probes over 41 s, 9 of them failed (server_error); evidence 10.4, verdict at 9.8`."""
        against = Counter(weighed.outcome for weighed in self.probes if self.against(weighed) and not weighed.late)
        late = sum(weighed.late for weighed in self.probes)
        how = "failed" if self.health is Health.DOWN else "poor"
        probes = f"{plural(len(self.probes), 'probe')} over {format_elapsed(self.span_s)}"
        weighed = reasons.evidence_and_threshold(self.evidence, self.threshold)
        counts = [f"{against.total()} of them {how} ({reasons.outcome_mix(against)})"] if against else []
        counts += [f"{late} of them late"] if late else []
        return f"{', '.join((probes, *counts))}; {weighed}"


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
        Bucket(start=begin + bucket * index, counts=tuple(sorted(counter.items(), key=_badness, reverse=True)))
        for index, counter in enumerate(counts)
    )


def _badness(item: tuple[Outcome, int]) -> tuple[int, int]:
    return _SEVERITY.index(item[0].effect), item[1]


def led_to_verdict(trail: EvidenceTrail, before: Health) -> bool:
    """Whether the verdict came from this evidence. `before` is the health that it ended.

    After a relapse, or a change of what is wrong, the trail of the earlier verdict is still there.
    """
    if not trail.probes or trail.probes[-1].evidence < trail.threshold - _ROUNDING:
        return False
    if trail.health is not Health.DOWN:
        return not any(weighed.outcome.effect is Effect.DOWN for weighed in trail.probes)
    relapse = before is Health.RECOVERING and {weighed.target for weighed in trail.probes} == {*trail.targets}
    return not relapse and any(trail.against(weighed) for weighed in trail.probes)
