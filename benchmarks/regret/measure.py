"""What the moves of a run came to: lost requests beside the oracle's and beside those of no failover (pure)."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.detection.measure import Moves
from benchmarks.regret.worlds import World
from controller.simulation.metrics import TOUCHED_S
from controller.simulation.scenario import Outage
from controller.simulation.world import Timeline

#: Two integrals over the same time differ by no more than this share where their rates do not.
_ROUNDING = 1e-9

Stays = Sequence[tuple[float, str]]
"""Since when (seconds) a route points at which target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One run of one world. Requests are expected numbers: integrals over time."""

    lost: float
    nothing: float
    """Lost if every route had stayed on its first candidate."""
    oracle: float
    """Lost if every route had always been on its candidate with the lowest failure rate."""
    hits: int
    """How often a trouble began at a target that a route pointed at."""
    flips_s: tuple[float, ...]
    """From the onset until a route left, of those that left."""
    moves: int


def course(world: World, timelines: Mapping[str, Timeline], moves: Moves) -> Course:
    """Measure the moves of one run in this world."""
    scenario = world.scenario
    lost = nothing = oracle = 0.0
    for route in scenario.settings.routes:
        lost += sum(_failed(timelines, moves[route.name], scenario.duration_s))
        nothing += timelines[route.candidates[0]].failed_s(0.0, scenario.duration_s)
        oracle += lowest_s([timelines[target] for target in route.candidates])
    hits = [(trouble, stays) for trouble in world.troubles for stays in moves.values() if _is_hit(trouble, stays)]
    left_s = (_left_s(trouble, stays) for trouble, stays in hits)
    return Course(
        lost=lost * scenario.requests_per_s,
        nothing=nothing * scenario.requests_per_s,
        oracle=oracle * scenario.requests_per_s,
        hits=len(hits),
        flips_s=tuple(flip_s for flip_s in left_s if flip_s is not None),
        moves=sum(len(stays) - 1 for stays in moves.values()),
    )


def lowest_s(timelines: Sequence[Timeline]) -> float:
    """The integral of the lowest `request_failure_rate` at each moment, from the start to the end."""
    edges = sorted({0.0, *(end_s for timeline in timelines for end_s in timeline.ends_s)})
    return math.fsum(
        (end_s - begin_s) * min(timeline.at(begin_s)[0].request_failure_rate for timeline in timelines)
        for begin_s, end_s in pairwise(edges)
    )


def _failed(timelines: Mapping[str, Timeline], stays: Stays, end_s: float) -> Iterator[float]:
    for (from_s, target), (until_s, _) in pairwise([*stays, (end_s, "")]):
        if from_s < end_s:
            yield timelines[target].failed_s(from_s, min(until_s, end_s))


def _target_at(stays: Stays, at_s: float) -> str:
    return next(target for since_s, target in reversed(stays) if since_s < at_s or not since_s)


def _is_hit(trouble: Outage, stays: Stays) -> bool:
    return _target_at(stays, trouble.at_s) in trouble.targets


def _left_s(trouble: Outage, stays: Stays) -> float | None:
    """Seconds from the onset until the route left; None when it did not, or only long after the end."""
    later = (at_s for at_s, _ in stays[1:] if trouble.at_s <= at_s <= trouble.until_s + TOUCHED_S)
    left_s = next(later, None)
    return None if left_s is None else left_s - trouble.at_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One rule in one world or several, over all seeds; requests per seed."""

    lost: float
    nothing: float
    oracle: float
    regret: float
    """The sum of (lost − oracle) over the sum of (no failover − oracle): 0 is the oracle, 1 is doing nothing.

    NaN where nothing can be won.
    """
    regret_error: float
    """Its standard error, from seed to seed."""
    lost_error: float
    flip_s: float
    """The mean time to flip; 0 where nothing flipped."""
    moves_per_hit: float
    """NaN where no route was hit."""

    @property
    def ratio(self) -> float:
        """Lost, as a multiple of what the oracle loses."""
        return self.lost / self.oracle


def standing(seeds: Sequence[Sequence[Course]]) -> Standing:
    """The figures of some worlds: for each seed, one course per world."""
    courses = [one for seed in seeds for one in seed]
    lost, nothing, oracle = (
        [math.fsum(getattr(one, name) for one in seed) for seed in seeds] for name in ("lost", "nothing", "oracle")
    )
    room = math.fsum(nothing) - math.fsum(oracle)
    room = 0.0 if room < _ROUNDING * math.fsum(nothing) else room
    regret = (math.fsum(lost) - math.fsum(oracle)) / room if room else math.nan
    # The delta method for a ratio of sums: the error of the mean of what each seed adds to it.
    excess = [own - best - regret * (none - best) for own, best, none in zip(lost, oracle, nothing, strict=True)]
    flips_s = [flip_s for one in courses for flip_s in one.flips_s]
    hits = sum(one.hits for one in courses)
    return Standing(
        lost=statistics.fmean(lost),
        nothing=statistics.fmean(nothing),
        oracle=statistics.fmean(oracle),
        regret=regret,
        regret_error=_error(excess) * len(seeds) / room if room else math.nan,
        lost_error=_error(lost),
        flip_s=statistics.fmean(flips_s) if flips_s else 0.0,
        moves_per_hit=sum(one.moves for one in courses) / hits if hits else math.nan,
    )


def allowed(world: World, figures: Standing) -> float:
    """What may be lost at most: doing nothing, and (time to flip + dwell) × the requests of all routes."""
    scenario = world.scenario
    rate = scenario.requests_per_s * len(scenario.settings.routes)
    return figures.nothing + (figures.flip_s + scenario.settings.controller.dwell_s) * rate


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
