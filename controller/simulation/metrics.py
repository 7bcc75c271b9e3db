"""What one seed comes to: runs, flips, false failovers, and the application's requests (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from controller.routing.decision import Decision, Move
from controller.simulation.loop import RunResult
from controller.simulation.scenario import AFTERMATH_S, Outage, Scenario
from controller.simulation.world import Span, Timeline
from monitor.settings import Route

#: A route may leave a target on the strength of an outage for so long after it.
TOUCHED_S = 120.0

Decided = tuple[float, Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRun:
    """One route whose active target is hit when an outage begins."""

    flip_s: float | None
    """From the onset until the route left; None when it did not."""
    failback_s: float | None
    """From the outage's end until the route was back where it had been; None when it did not leave, or not come back
    after the end."""
    flips: int
    """Its moves from the onset to half an hour after the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Expected numbers of an application's requests; fractions, because nobody rolled dice for each."""

    total: float = 0.0
    failed: float = 0.0
    slow: float = 0.0
    """Answered, past the target's slow limit."""
    failed_without_failover: float = 0.0
    """Had every route stayed on its first candidate."""
    slow_without_failover: float = 0.0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(
            total=self.total + other.total,
            failed=self.failed + other.failed,
            slow=self.slow + other.slow,
            failed_without_failover=self.failed_without_failover + other.failed_without_failover,
            slow_without_failover=self.slow_without_failover + other.slow_without_failover,
        )

    def __mul__(self, factor: float) -> "Requests":
        return Requests(
            total=self.total * factor,
            failed=self.failed * factor,
            slow=self.slow * factor,
            failed_without_failover=self.failed_without_failover * factor,
            slow_without_failover=self.slow_without_failover * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedMetrics:
    """One seed."""

    probes: int
    usd: float
    runs: tuple[tuple[OutageRun, ...], ...]
    """For each outage of the scenario."""
    requests: tuple[Requests, ...]
    """In each outage's window."""
    all_requests: Requests
    false_failovers: int


def measure(scenario: Scenario, timelines: Mapping[str, Timeline], course: RunResult) -> SeedMetrics:
    """What a course through this world comes to."""
    routes, outages = scenario.settings.routes, scenario.outages
    decided = {route.name: [one for one in course.decisions if one[1].route == route.name] for route in routes}

    def asked(window: Span) -> Requests:
        each = (expected_requests(route, decided[route.name], timelines, window) for route in routes)
        return sum(each, Requests()) * scenario.requests_per_s

    return SeedMetrics(
        probes=course.probes,
        usd=course.usd,
        runs=tuple(tuple(_runs(outage, decided)) for outage in outages),
        requests=tuple(asked((outage.at_s, outage.until_s)) for outage in outages),
        all_requests=asked((0.0, scenario.duration_s)),
        false_failovers=sum(_is_false(one, route, outages) for route in routes for one in decided[route.name]),
    )


def _runs(outage: Outage, moves: Mapping[str, Sequence[Decided]]) -> Iterator[OutageRun]:
    for decided in moves.values():
        active = _target_at(decided, outage.at_s)
        if active in outage.targets:
            yield _run(outage, active, decided)


def _run(outage: Outage, active: str, decided: Sequence[Decided]) -> OutageRun:
    """What an outage did to a route that was on `active`, which it hit."""
    flips = [one for one in decided if outage.at_s <= one[0] <= outage.until_s + AFTERMATH_S and _is_flip(one[1])]
    left_s = next((at_s for at_s, one in flips if one.before == active and at_s <= outage.until_s + TOUCHED_S), None)
    returns = (at_s for at_s, one in decided if at_s > outage.until_s and _is_flip(one) and one.target == active)
    back_s = None if left_s is None else next((at_s for at_s in returns if at_s > left_s), None)
    return OutageRun(
        flip_s=None if left_s is None else left_s - outage.at_s,
        failback_s=None if back_s is None else back_s - outage.until_s,
        flips=len(flips),
    )


def _is_flip(decision: Decision) -> bool:
    """Whether the route points elsewhere afterwards; a step of a failback alone is none."""
    return decision.move is not Move.FIRST and decision.before != decision.target


def _is_false(decided: Decided, route: Route, outages: Sequence[Outage]) -> bool:
    """Whether a route was moved to a less preferred candidate though no outage had touched the one it left."""
    at_s, decision = decided
    if decision.move is not Move.FAILOVER or decision.before not in route.candidates:
        return False
    order = route.candidates.index
    touched = any(
        decision.before in outage.targets and outage.at_s <= at_s <= outage.until_s + TOUCHED_S for outage in outages
    )
    return order(decision.target) > order(decision.before) and not touched


def _target_at(decided: Sequence[Decided], at_s: float) -> str:
    """Where a route points just before this time."""
    [(_, first), *later] = decided
    return next((one.target for moved_s, one in reversed(later) if moved_s < at_s), first.target)


def expected_requests(
    route: Route, decided: Sequence[Decided], timelines: Mapping[str, Timeline], window: Span
) -> Requests:
    """A route's requests in a window at one a second: the integrals of the chances to fail of whoever got them."""
    from_s, until_s = window
    failed = slow = 0.0
    for (moved_s, decision), (next_s, _) in pairwise([*decided, (until_s, decided[-1][1])]):
        begin_s, end_s = max(moved_s, from_s), min(next_s, until_s)
        if begin_s >= end_s:
            continue
        for target, percent in decision.weights or ((decision.target, 100.0),):
            failed += timelines[target].felt_s(begin_s, end_s) * percent / 100
            slow += timelines[target].slow_s(begin_s, end_s) * percent / 100
    home = timelines[route.candidates[0]]
    return Requests(
        total=until_s - from_s,
        failed=failed,
        slow=slow,
        failed_without_failover=home.felt_s(from_s, until_s),
        slow_without_failover=home.slow_s(from_s, until_s),
    )
