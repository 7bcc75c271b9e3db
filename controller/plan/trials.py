"""The outages that a plan tries on a configuration, and how soon each moves the routes: a trial is a simulated life.

Every trial is a `Scenario` for the simulation: what every target does in quiet times, the blips that the configuration
itself states, and one outage of HTTP 500. The onset moves through the probing interval from seed to seed (in steps of
the golden ratio, which covers it evenly however many seeds there are), so that no trial begins just before a probe.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from controller.routing.decision import Move
from controller.simulation.loop import RunResult, run_seed
from controller.simulation.scenario import BlipStream, Outage, QuietBehaviour, Scenario
from controller.simulation.world import build_timelines
from monitor.health import Health
from monitor.settings import Route, Settings
from probes.target import Target

#: The shares of requests that fail.
RATES = (0.2, 0.5, 1.0)
BACKGROUND = QuietBehaviour()
DAY_S = 86400.0

_LONGEST_S = 3600.0
_LONGEST_INTERVALS = 60
_KNOWN_INTERVALS = 5
#: Most trials are over early: each is lived so far first, as a share of the whole.
_STAGES = (0.1, 0.3, 1.0)
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class TrialSubject:
    """What fails in a trial: a provider, or one model while its siblings go on."""

    name: str
    """The provider's name, or the target's id."""
    settings: Settings
    """As much of the configuration as can matter: the routes that it hits, and all targets of their providers."""
    hit: frozenset[str]
    """The targets that fail."""

    @property
    def alone(self) -> bool:
        """Whether it is one model whose siblings go on."""
        return "/" in self.name

    @cached_property
    def onset_s(self) -> float:
        """When the outage begins, at the earliest: everything has been seen by then."""
        return _KNOWN_INTERVALS * max(target.interval_s for target in self.settings.targets)

    @cached_property
    def period_s(self) -> float:
        """The time through which onsets are spread."""
        return max(target.interval_s for target in self.settings.targets if target.id in self.hit)

    @property
    def longest_s(self) -> float:
        """How long the outage lasts, and is waited for."""
        return max(_LONGEST_S, _LONGEST_INTERVALS * self.period_s)

    @property
    def probes(self) -> float:
        """About how many probes a trial takes."""
        span_s = self.onset_s + 2 * _STAGES[0] * self.longest_s
        return span_s * probes_per_s(self.settings.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One seed of one outage."""

    subject: TrialSubject
    rate: float
    seed: int


def trial_subjects(settings: Settings) -> list[TrialSubject]:
    """All that a plan lets fail: each first candidate's provider, and each first candidate that has siblings.

    Of each, only routes with somewhere to go count; what hits none of those is left out.
    """
    firsts = {target.id: target for target in map(settings.target, (route.candidates[0] for route in settings.routes))}
    providers = {target.provider.name: _of(settings, target.provider.name) for target in firsts.values()}
    alone = {one.id: frozenset({one.id}) for one in firsts.values() if len(providers[one.provider.name]) > 1}
    made = (_subject(settings, name, hit) for name, hit in (*providers.items(), *alone.items()))
    return [one for one in made if one]


def can_escape(route: Route, hit: frozenset[str]) -> bool:
    """Whether an outage of these targets hits the route's first candidate and leaves it somewhere to go."""
    return route.candidates[0] in hit and not hit.issuperset(route.candidates)


def probes_per_s(targets: Iterable[Target]) -> float:
    """How many probes a fixed interval makes."""
    return sum(1 / target.interval_s for target in targets)


def run_trial(trial: Trial) -> dict[str, float | None]:
    """Seconds from the onset until each route left its first candidate, by route; None when it never did.

    Routes that were elsewhere at the onset (blips can do that) are missing.
    """
    subject = trial.subject
    onset_s = subject.onset_s + subject.period_s * onset_phase(trial.seed)
    found: dict[str, float | None] = {}
    for share in _STAGES:
        found = _flips(trial, onset_s, share * subject.longest_s)
        if all(at_s is not None for at_s in found.values()):
            break
    return found


def onset_phase(seed: int) -> float:
    """At which share of the interval a seed's outage begins."""
    return (0.5 + seed * _GOLDEN) % 1.0


def run_quiet_period(settings: Settings, duration_s: float, seed: int) -> tuple[int, Mapping[str, int]]:
    """How many probes a time without outages takes, and how often each route moves for nothing, by route."""
    course = _life(_scenario(settings, duration_s), seed)
    moved = [decision.route for _, decision in course.decisions if decision.move is Move.FAILOVER]
    return course.probes, {route.name: moved.count(route.name) for route in settings.routes}


def can_leave_for_failures(route: Route) -> bool:
    """Whether failed requests can move it: some configurations only look for other faults."""
    return Health.DOWN in route.fail_over_on


def _of(settings: Settings, provider: str) -> frozenset[str]:
    return frozenset(target.id for target in settings.targets if target.provider.name == provider)


def _subject(settings: Settings, name: str, hit: frozenset[str]) -> TrialSubject | None:
    routes = tuple(route for route in settings.routes if can_escape(route, hit))
    candidates = {candidate for route in routes for candidate in route.candidates}
    providers = {target.provider.name for target in settings.targets if target.id in candidates}
    if not routes:
        return None
    targets = tuple(target for target in settings.targets if target.provider.name in providers)
    return TrialSubject(name=name, settings=replace(settings, routes=routes, targets=targets), hit=hit)


def _flips(trial: Trial, onset_s: float, for_s: float) -> dict[str, float | None]:
    subject = trial.subject
    outage = Outage(
        at_s=onset_s,
        for_s=subject.longest_s,
        written=subject.name,
        targets=subject.hit,
        failure_rate=trial.rate,
    )
    course = _life(replace(_scenario(subject.settings, onset_s + for_s), outages=(outage,)), trial.seed)
    return dict(_left(course, subject.settings.routes, onset_s))


def _left(course: RunResult, routes: Iterable[Route], onset_s: float) -> Iterator[tuple[str, float | None]]:
    for route in routes:
        home = route.candidates[0]
        moves = [(at_s, decision) for at_s, decision in course.decisions if decision.route == route.name]
        before = [decision.target for at_s, decision in moves if at_s < onset_s]
        if before[-1] == home:
            after = (at_s for at_s, decision in moves if at_s >= onset_s and decision.target != home)
            left_s = next(after, None)
            yield route.name, None if left_s is None else left_s - onset_s


def _scenario(settings: Settings, duration_s: float) -> Scenario:
    blips = settings.controller.blips
    stream = BlipStream(
        per_day=blips.per_day,
        shortest_s=blips.shortest_s,
        longest_s=blips.longest_s,
        failure_rate=blips.failure_rate,
    )
    return Scenario(path=settings.path, settings=settings, duration_s=duration_s, background=BACKGROUND, blips=stream)


def _life(scenario: Scenario, seed: int) -> RunResult:
    return run_seed(scenario, build_timelines(scenario, seed), seed)
