"""Figures from the moves of a run: time to flip, lost requests, false moves; the same for every rule."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.detection.scenarios import DAY_S, QUARTER_S, Case
from controller.simulation.metrics import TOUCHED_S
from controller.simulation.scenario import AFTERMATH_S
from controller.simulation.world import Timeline

Moves = Mapping[str, Sequence[tuple[float, str]]]
"""Per route: since when (seconds) it points at which target; the first entry is the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One route that pointed at a target in trouble when the trouble began."""

    flip_s: float | None
    """From the onset until it pointed at a target that was not in trouble."""
    back_s: float | None
    """From the end of the trouble until it pointed at its first candidate for good; None: not within the run."""
    flips: int
    """Moves from the onset to half an hour after the end."""
    lost: float
    """Requests of the trouble's time that were of no use, against those that would have been without a failover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of one case."""

    hits: tuple[Hit, ...]
    others_moved: int
    """Moves, from the onset to half an hour after the end, of routes whose target was not in trouble."""
    others_left: int
    """How many of those routes moved at all in that time."""
    false_failovers: int
    """Moves to a less preferred candidate away from a target that no trouble had touched within two minutes."""
    probes: int
    route_days: float


def outcome(case: Case, timelines: Mapping[str, Timeline], moves: Moves, probes: int) -> Outcome:
    """The figures of one run."""
    hits, others, left, false = [], 0, 0, 0
    for route in case.scenario.settings.routes:
        own = moves[route.name]
        there = _target_at(own, case.begin_s)
        flips = sum(case.begin_s <= at_s <= case.end_s + AFTERMATH_S for at_s, _ in own[1:])
        if case.touched(there):
            hits.append(_hit(case, timelines, own, home=route.candidates[0], flips=flips))
        elif case.troubles:
            others += flips
            left += flips > 0
        false += sum(_false(case, route.candidates, before, after) for before, after in pairwise(own))
    return Outcome(
        hits=tuple(hits),
        others_moved=others,
        others_left=left,
        false_failovers=false,
        probes=probes,
        route_days=len(case.scenario.settings.routes) * case.scenario.duration_s / DAY_S,
    )


def _target_at(moves: Sequence[tuple[float, str]], at_s: float) -> str:
    return next(target for since_s, target in reversed(moves) if since_s <= at_s)


def _hit(
    case: Case, timelines: Mapping[str, Timeline], moves: Sequence[tuple[float, str]], *, home: str, flips: int
) -> Hit:
    safe_s = (at_s for at_s, target in moves if case.begin_s <= at_s < case.end_s and not case.touched(target))
    flip_s = next(safe_s, None)
    last_s, last = moves[-1]
    spans = zip(moves, [at_s for at_s, _ in moves[1:]] + [math.inf], strict=True)
    lost = sum(
        _lost(timelines[target], max(case.begin_s, from_s), min(case.end_s, until_s))
        for (from_s, target), until_s in spans
        if from_s < case.end_s and until_s > case.begin_s
    )
    return Hit(
        flip_s=None if flip_s is None else flip_s - case.begin_s,
        back_s=max(0.0, last_s - case.end_s) if last == home else None,
        flips=flips,
        lost=lost / _lost(timelines[home], case.begin_s, case.end_s),
    )


def _lost(timeline: Timeline, from_s: float, until_s: float) -> float:
    return timeline.failed_s(from_s, until_s) + timeline.slow_s(from_s, until_s)


def _false(case: Case, candidates: Sequence[str], before: tuple[float, str], after: tuple[float, str]) -> bool:
    (_, left), (at_s, to) = before, after
    touched = case.touched(left) and case.begin_s <= at_s <= case.end_s + TOUCHED_S
    return candidates.index(to) > candidates.index(left) and not touched


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Many runs of one case under one rule."""

    seeds: int
    runs: int
    """Routes in trouble, over all seeds."""
    flipped: int
    flip_s: tuple[float, ...]
    """Sorted; a route that did not move counts with the whole length of the trouble, which flatters its rule."""
    error_s: float
    """The standard error of their mean; the routes of one seed share their outage, so seeds are what counts."""
    back_s: tuple[float, ...]
    flips: float
    """The mean of the moves in and after one trouble."""
    most_flips: int
    lost: float
    others_moved: float
    """Per run of a route that had no reason to."""
    others_left: float
    """The share of those routes that moved at all."""
    others_left_error: float
    """Its standard error, from seed to seed."""
    false_per_quarter: float
    """Per route."""
    false_seen: int
    quarters: float
    """Route quarters that were watched for them."""
    probes: float
    """Against one probe per target and interval."""

    @property
    def mean_s(self) -> float:
        """The mean time to flip."""
        return statistics.fmean(self.flip_s) if self.flip_s else math.nan

    def quantile_s(self, share: float) -> float:
        """A quantile of the time to flip; infinite where fewer runs than that moved at all."""
        if not self.flip_s:
            return math.nan
        rank = min(len(self.flip_s) - 1, math.ceil(share * len(self.flip_s)) - 1)
        return self.flip_s[rank] if rank < self.flipped else math.inf


def figures(case: Case, outcomes: Sequence[Outcome]) -> Figures:
    """The figures of all runs together."""
    hits = [hit for run in outcomes for hit in run.hits]
    moved = [hit.flip_s for hit in hits if hit.flip_s is not None]
    days = sum(run.route_days for run in outcomes)
    false = sum(run.false_failovers for run in outcomes)
    others = len(case.scenario.settings.routes) * len(outcomes) - len(hits)
    due = sum(case.scenario.duration_s / target.interval_s for target in case.scenario.settings.targets)
    return Figures(
        seeds=len(outcomes),
        runs=len(hits),
        flipped=len(moved),
        flip_s=tuple(sorted(_counted_s(case, hit) for hit in hits)),
        error_s=_error([_mean(_counted_s(case, hit) for hit in run.hits) for run in outcomes if run.hits]),
        back_s=tuple(sorted(hit.back_s for hit in hits if hit.back_s is not None)),
        flips=_mean(hit.flips for hit in hits),
        most_flips=max((hit.flips for hit in hits), default=0),
        lost=_mean(hit.lost for hit in hits),
        others_moved=sum(run.others_moved for run in outcomes) / others if others else math.nan,
        others_left=sum(run.others_left for run in outcomes) / others if others else math.nan,
        others_left_error=_error([run.others_left for run in outcomes]) * len(outcomes) / others
        if others
        else math.nan,
        false_per_quarter=false / days * QUARTER_S / DAY_S,
        false_seen=false,
        quarters=days * DAY_S / QUARTER_S,
        probes=sum(run.probes for run in outcomes) / due / len(outcomes),
    )


def _counted_s(case: Case, hit: Hit) -> float:
    return case.end_s - case.begin_s if hit.flip_s is None else hit.flip_s


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return statistics.fmean(numbers) if numbers else math.nan
