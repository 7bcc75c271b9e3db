"""Measures one seed: outage runs, flips, false failovers, and the application's requests (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from controller.routing.decision import Decision, MoveKind
from controller.simulation.loop import RunResult
from controller.simulation.scenario import AFTERMATH_S, Outage, Scenario
from controller.simulation.world import Span, Timeline
from monitor.config.route import Route

#: A failover so many seconds after an outage may still be caused by it.
TOUCHED_S = 120.0

Decided = tuple[float, Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRun:
    """One route whose active target fails when an outage begins."""

    flip_s: float | None
    """Seconds from the onset until the route left; None when it did not."""
    failback_s: float | None
    """Seconds from the outage's end until the route was back; None when it did not leave, or did not return after
    the end."""
    flips: int
    """How often it moved from the onset until half an hour after the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRequests:
    """Expected numbers of an application's requests: integrals over time, so not whole numbers."""

    total: float = 0.0
    failed: float = 0.0
    failed_without_failover: float = 0.0
    """If every route had stayed on its first candidate."""
    slow: float = 0.0
    """Answered, but later than the target's slow limit."""
    slow_without_failover: float = 0.0

    def __add__(self, other: "ExpectedRequests") -> "ExpectedRequests":
        return ExpectedRequests(**{name: number + getattr(other, name) for name, number in asdict(self).items()})

    def __mul__(self, factor: float) -> "ExpectedRequests":
        return ExpectedRequests(**{name: number * factor for name, number in asdict(self).items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedMetrics:
    """The measurements of one seed."""

    probes: int
    usd: float
    runs: tuple[tuple[OutageRun, ...], ...]
    """For each outage of the scenario, one for each route that it hit."""
    requests: tuple[ExpectedRequests, ...]
    """During each outage."""
    all_requests: ExpectedRequests
    false_failovers: int


def measure(scenario: Scenario, timelines: Mapping[str, Timeline], result: RunResult) -> SeedMetrics:
    """Measure the result of one seed in this world."""
    routes, outages = scenario.settings.routes, scenario.outages
    decided = {
        route.name: [(at_s, decision) for at_s, decision in result.decisions if decision.route == route.name]
        for route in routes
    }

    def expected(window: Span) -> ExpectedRequests:
        each = (expected_requests(route, decided[route.name], timelines, window) for route in routes)
        return sum(each, ExpectedRequests()) * scenario.requests_per_s

    return SeedMetrics(
        probes=result.probes,
        usd=result.usd,
        runs=tuple(tuple(_runs(outage, decided)) for outage in outages),
        requests=tuple(expected((outage.at_s, outage.until_s)) for outage in outages),
        all_requests=expected((0.0, scenario.duration_s)),
        false_failovers=sum(
            _is_false(at_s, decision, route, outages) for route in routes for at_s, decision in decided[route.name]
        ),
    )


def _runs(outage: Outage, moves: Mapping[str, Sequence[Decided]]) -> Iterator[OutageRun]:
    for decided in moves.values():
        active = _target_at(decided, outage.at_s)
        if active in outage.targets:
            yield _run(outage, active, decided)


def _run(outage: Outage, active: str, decided: Sequence[Decided]) -> OutageRun:
    """What an outage did to a route that was on `active`, one of its targets."""
    flips = [(at_s, decision) for at_s, decision in decided if decision.is_flip]
    during = [(at_s, decision) for at_s, decision in flips if outage.at_s <= at_s <= outage.until_s + AFTERMATH_S]
    departures = (at_s for at_s, decision in during if decision.before == active)
    left_s = next((at_s for at_s in departures if at_s <= outage.until_s + TOUCHED_S), None)
    returns = (at_s for at_s, decision in flips if at_s > outage.until_s and decision.target == active)
    back_s = None if left_s is None else next((at_s for at_s in returns if at_s > left_s), None)
    return OutageRun(
        flip_s=None if left_s is None else left_s - outage.at_s,
        failback_s=None if back_s is None else back_s - outage.until_s,
        flips=len(during),
    )


def _is_false(at_s: float, decision: Decision, route: Route, outages: Sequence[Outage]) -> bool:
    """Whether a route was moved to a less preferred candidate though no outage had touched the one it left."""
    if decision.move is not MoveKind.FAILOVER or decision.before not in route.candidates:
        return False
    order = route.candidates.index
    touched = any(
        decision.before in outage.targets and outage.at_s <= at_s <= outage.until_s + TOUCHED_S for outage in outages
    )
    return order(decision.target) > order(decision.before) and not touched


def _target_at(decided: Sequence[Decided], at_s: float) -> str:
    """The target of a route just before this time."""
    [(_, first), *later] = decided
    return next((decision.target for moved_s, decision in reversed(later) if moved_s < at_s), first.target)


def expected_requests(
    route: Route, decided: Sequence[Decided], timelines: Mapping[str, Timeline], window: Span
) -> ExpectedRequests:
    """Return a route's requests in a window at one a second: integrals of the failure rates of the targets it used."""
    from_s, until_s = window
    failed = slow = 0.0
    for (moved_s, decision), (next_s, _) in pairwise([*decided, (until_s, decided[-1][1])]):
        begin_s, end_s = max(moved_s, from_s), min(next_s, until_s)
        if begin_s >= end_s:
            continue
        for target, percent in decision.weights or ((decision.target, 100.0),):
            failed += timelines[target].failed_s(begin_s, end_s) * percent / 100
            slow += timelines[target].slow_s(begin_s, end_s) * percent / 100
    home = timelines[route.candidates[0]]
    return ExpectedRequests(
        total=until_s - from_s,
        failed=failed,
        slow=slow,
        failed_without_failover=home.failed_s(from_s, until_s),
        slow_without_failover=home.slow_s(from_s, until_s),
    )
