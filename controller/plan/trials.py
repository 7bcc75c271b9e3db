"""The outages that a plan tries on a configuration, and how soon each moves the routes.

Every trial is a `Scenario` of the simulation: background failures, the blips that the configuration states, and one
outage of HTTP 500. The onset moves through the probing interval from seed to seed, in steps of the golden ratio, which
covers it evenly for any number of seeds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from controller.routing.decision import MoveKind
from controller.simulation.loop import Decisions, RunResult, run_seed
from controller.simulation.scenario import BlipStream, Outage, QuietBehaviour, Scenario
from controller.simulation.world import build_timelines
from monitor.config.route import Route
from monitor.config.settings import Settings
from probes.target import Target

#: The failure rates that are tried.
RATES = (0.2, 0.5, 1.0)
BACKGROUND = QuietBehaviour()
DAY_S = 86400.0

_LONGEST_S = 3600.0
_LONGEST_INTERVALS = 60
_KNOWN_INTERVALS = 5
#: About the share of an outage until every route has moved.
_USUAL_SHARE = 0.1
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedTraffic:
    """The requests that applications report of each route."""

    requests_per_s: float
    hosts: int = 1
    """They come from so many, in equal parts."""


@dataclass(frozen=True)
class TrialSubject:
    """What fails in a trial: a provider, or one model while its siblings go on."""

    name: str
    """The provider's name, or the target's id."""
    settings: Settings
    """The part of the configuration that matters: the routes it affects, and all targets of their providers."""
    failing: frozenset[str]
    """The ids of the targets that fail."""
    traffic: AssumedTraffic | None = None
    """None: nothing is reported."""

    @property
    def alone(self) -> bool:
        """Whether it is one model whose siblings go on."""
        return "/" in self.name

    @cached_property
    def onset_s(self) -> float:
        """Earliest begin of the outage: every target has been observed by then."""
        return _KNOWN_INTERVALS * max(target.interval_s for target in self.settings.targets)

    @cached_property
    def period_s(self) -> float:
        """The time over which onsets are spread."""
        return max(target.interval_s for target in self.settings.targets if target.id in self.failing)

    @property
    def longest_s(self) -> float:
        """How long the outage lasts at most, in seconds."""
        return max(_LONGEST_S, _LONGEST_INTERVALS * self.period_s)

    @property
    def probes(self) -> float:
        """About how many probes a trial takes."""
        span_s = self.onset_s + 2 * _USUAL_SHARE * self.longest_s
        return span_s * probes_per_s(self.settings.targets)


def trial_subjects(settings: Settings, traffic: AssumedTraffic | None = None) -> list[TrialSubject]:
    """Return what a plan lets fail: the provider of each first candidate, and each first candidate with siblings.

    A subject that affects no route with another candidate to go to is left out.
    """
    firsts = {target.id: target for target in map(settings.target, (route.candidates[0] for route in settings.routes))}
    providers = {
        target.provider.name: frozenset(t.id for t in settings.targets if t.provider.name == target.provider.name)
        for target in firsts.values()
    }
    alone = {
        target.id: frozenset({target.id}) for target in firsts.values() if len(providers[target.provider.name]) > 1
    }
    every = (_subject(settings, name, failing, traffic) for name, failing in (*providers.items(), *alone.items()))
    return [subject for subject in every if subject.settings.routes]


def probes_per_s(targets: Iterable[Target]) -> float:
    """Return the number of probes per second at the configured intervals."""
    return sum(1 / target.interval_s for target in targets)


def run_trial(subject: TrialSubject, rate: float, seed: int) -> dict[str, float | None]:
    """Return the seconds from the onset until each route left its first candidate, by route; None when it never did.

    Routes that were elsewhere at the onset, because of blips, are missing.
    """
    onset_s = subject.onset_s + subject.period_s * onset_phase(seed)
    outage = Outage(
        at_s=onset_s, for_s=subject.longest_s, written=subject.name, targets=subject.failing, failure_rate=rate
    )

    def all_left(decisions: Decisions) -> bool:
        return (
            decisions[-1][0] >= onset_s
            and None not in dict(_departures(decisions, subject.settings.routes, onset_s)).values()
        )

    length_s = onset_s + subject.longest_s
    result = _run(subject.settings, length_s, seed, outage, traffic=subject.traffic, ends_after=all_left)
    return dict(_departures(result.decisions, subject.settings.routes, onset_s))


def onset_phase(seed: int) -> float:
    """Return at which share of the interval a seed's outage begins."""
    return (0.5 + seed * _GOLDEN) % 1.0


def run_quiet_period(
    settings: Settings, duration_s: float, seed: int, traffic: AssumedTraffic | None = None
) -> tuple[int, Mapping[str, int]]:
    """Return the number of probes in a time without outages, and how often each route fails over in it, by route."""
    result = _run(settings, duration_s, seed, traffic=traffic)
    moved = [decision.route for _, decision in result.decisions if decision.move is MoveKind.FAILOVER]
    return result.probes, {route.name: moved.count(route.name) for route in settings.routes}


def _subject(settings: Settings, name: str, failing: frozenset[str], traffic: AssumedTraffic | None) -> TrialSubject:
    """The subject with the routes whose first candidate fails and that have another one to go to."""
    routes = tuple(
        route
        for route in settings.routes
        if route.candidates[0] in failing and not failing.issuperset(route.candidates)
    )
    candidates = {candidate for route in routes for candidate in route.candidates}
    providers = {target.provider.name for target in settings.targets if target.id in candidates}
    targets = tuple(target for target in settings.targets if target.provider.name in providers)
    affected = replace(settings, routes=routes, targets=targets)
    return TrialSubject(name=name, settings=affected, failing=failing, traffic=traffic)


def _departures(decisions: Decisions, routes: Iterable[Route], onset_s: float) -> Iterator[tuple[str, float | None]]:
    for route in routes:
        home = route.candidates[0]
        moves = [(at_s, decision) for at_s, decision in decisions if decision.route == route.name]
        before = [decision.target for at_s, decision in moves if at_s < onset_s]
        if before[-1] == home:
            after = (at_s for at_s, decision in moves if at_s >= onset_s and decision.target != home)
            left_s = next(after, None)
            yield route.name, None if left_s is None else left_s - onset_s


def _run(
    settings: Settings,
    duration_s: float,
    seed: int,
    *outages: Outage,
    traffic: AssumedTraffic | None = None,
    ends_after: Callable[[Decisions], bool] | None = None,
) -> RunResult:
    blips = settings.controller.blips
    scenario = Scenario(
        path=settings.path,
        settings=settings,
        duration_s=duration_s,
        background=BACKGROUND,
        blips=BlipStream(per_day=blips.per_day, length=blips.length, failure_rate=blips.failure_rate),
        outages=outages,
        requests_per_s=traffic.requests_per_s if traffic else 0.0,
        traffic_hosts=traffic.hosts if traffic else 1,
        traffic_reported=traffic is not None,
    )
    return run_seed(scenario, build_timelines(scenario, seed), seed, ends_after=ends_after)
