"""One target in detail: how its probes ended, where their time went, and by what it was judged (pure)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median
from typing import Final

from controller.status.probe_history import EvidenceTrail
from monitor.detection.latency import LatencyBaseline
from monitor.health import TargetHealth, Transition
from monitor.history.rollup import OutcomeCounts, Rollup, span_start
from probes.observation import Observation
from probes.outcome import ANSWERED, Outcome

PHASES: Final = ("DNS", "connect", "TLS", "wait", "first token", "rest")
"""The parts of an answer's time, in their order; *wait* lasts until the headers have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedProbe:
    """One probe that users could not have used; its texts stem from a provider and must be escaped."""

    at: datetime
    check: str
    outcome: Outcome
    detail: str
    http_status: int | None
    request_id: str | None
    failed_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMedians:
    """How long each phase of the answers to one check took, in the median of these answers."""

    check: str
    reused: bool
    """Whether the connection had been used before: then it takes neither DNS nor TLS."""
    answers: int
    seconds: tuple[float, ...]
    """By `PHASES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDetail:
    """One target over some time."""

    target: str
    since: datetime
    until: datetime
    state: TargetHealth
    slow_s: float
    """A correct answer that takes longer is `slow`."""
    usual: Mapping[str, LatencyBaseline]
    """What is usual, by check, and by check and first token."""
    width: timedelta
    """Of the parts in `course`."""
    course: Sequence[tuple[datetime, Rollup]]
    """What it came to in each part of the time, oldest first; parts without probes are left out."""
    checks: Mapping[str, Rollup]
    """The whole time by check."""
    hours: Mapping[datetime, OutcomeCounts]
    """By hour, of the time or of a week, whichever is longer."""
    phases: Sequence[PhaseMedians]
    """Of the newest answers."""
    transitions: Sequence[Transition]
    """The changes of its health, the newest first."""
    trails: Sequence[EvidenceTrail]
    """The evidence behind its verdicts, the newest first."""
    failures: Sequence[FailedProbe]
    """The newest first."""


def sum_parts(observations: Iterable[Observation], width: timedelta) -> list[tuple[datetime, Rollup]]:
    """The observations summed up by parts of this width, oldest first."""
    parts: dict[datetime, list[Observation]] = defaultdict(list)
    for observation in observations:
        parts[span_start(observation.started_at, width)].append(observation)
    return [(at, Rollup.of(part)) for at, part in sorted(parts.items())]


def sum_checks(observations: Iterable[Observation]) -> dict[str, Rollup]:
    """The observations summed up by check."""
    checks: dict[str, list[Observation]] = defaultdict(list)
    for observation in observations:
        checks[observation.check].append(observation)
    return {check: Rollup.of(own) for check, own in sorted(checks.items())}


def phase_medians(observations: Iterable[Observation]) -> list[PhaseMedians]:
    """The phases of those that users could use, by check, on new connections and on used ones."""
    kinds: dict[tuple[str, bool], list[tuple[float, ...]]] = defaultdict(list)
    for observation in observations:
        phases = _phases(observation)
        if phases:
            kinds[observation.check, not observation.fresh].append(phases)
    return [
        PhaseMedians(
            check=check, reused=reused, answers=len(every), seconds=tuple(map(median, zip(*every, strict=True)))
        )
        for (check, reused), every in sorted(kinds.items())
    ]


def _phases(observation: Observation) -> tuple[float, ...] | None:
    """The seconds of each phase; None where it did not answer, or is not known how it passed."""
    if observation.outcome not in ANSWERED or observation.first_byte_s is None:
        return None
    begun = observation.connected_s or 0.0
    token_s = observation.first_token_s or observation.first_byte_s
    ends = (
        observation.resolved_s or 0.0,
        observation.tcp_s or observation.resolved_s or 0.0,
        begun,
        observation.first_byte_s,
        token_s,
        observation.last_byte_s or observation.duration_s,
    )
    return tuple(max(0.0, end - start) for start, end in zip((0.0, *ends), ends, strict=False))


def by_hour_of_week(hours: Mapping[datetime, OutcomeCounts], zone: tzinfo) -> dict[tuple[int, int], OutcomeCounts]:
    """The counts by weekday (0: Monday) and hour of the day in this zone: that of its beginning."""
    counts: dict[tuple[int, int], OutcomeCounts] = defaultdict(OutcomeCounts)
    for at, hour in hours.items():
        local = at.astimezone(zone)
        counts[local.weekday(), local.hour] += hour
    return dict(counts)
