"""What an incident did to routes: where each pointed while it lasted, and how long at a target that failed (pure)."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from controller.incidents.incident import Incident, IncidentKind
from controller.routing.decision import Decision
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import UNHEALTHY, Health, Transition

#: A target with such a health fails; by the provider's fault, or by ours.
BY_US = frozenset({Health.MISCONFIGURED})
BY_PROVIDER = UNHEALTHY - {Health.RECOVERING} - BY_US

FailurePeriod = tuple[str, datetime, datetime]
"""A target, and a time in which it failed: from its first failed probe until it recovers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePeriod:
    """A time in which a route pointed at one target; a share that went back in steps is not counted."""

    route: str
    target: str
    since: datetime
    until: datetime

    @property
    def lasted_s(self) -> float:
        """Seconds."""
        return (self.until - self.since).total_seconds()


def route_periods(incident: Incident, decisions: Sequence[Decision], until: datetime) -> tuple[RoutePeriod, ...]:
    """Where each touched route pointed from the onset until then, in the order of the routes and of time.

    `decisions` are those of these routes that were published, oldest first: of each route all since the onset, and
    the last one before.
    """
    return tuple(
        period
        for impact in incident.routes
        for period in periods_of_route(impact.route, impact.target, decisions, incident.onset, until)
    )


def periods_of_route(
    route: str, present: str, decisions: Sequence[Decision], since: datetime, until: datetime
) -> Iterable[RoutePeriod]:
    """Where a route pointed in that time, by its decisions since and the last one before.

    Without any decision, as in a dry run, the route points at its present target all the time.
    """
    onset = since
    own = [decision for decision in decisions if decision.route == route]
    target = (own[0].before or own[0].target) if own else present
    for decision in own:
        moved_at = min(max(decision.at, onset), until)
        if decision.target != target:
            if moved_at > since:
                yield RoutePeriod(route=route, target=target, since=since, until=moved_at)
            target, since = decision.target, moved_at
    if until > since:
        yield RoutePeriod(route=route, target=target, since=since, until=until)


def failure_periods(
    transitions: Iterable[Transition], until: datetime, bad: AbstractSet[Health] = BY_PROVIDER | BY_US
) -> list[FailurePeriod]:
    """When the targets had such a `bad` health, until then at the latest; `transitions` are oldest first."""
    periods: list[FailurePeriod] = []
    failing: dict[str, datetime] = {}
    suspect: dict[str, datetime] = {}
    for change in transitions:
        target = change.target
        if change.after in bad and target not in failing:
            failing[target] = _failing_since(change, suspect.get(target))
        elif change.after not in bad and target in failing:
            periods.append((target, failing.pop(target), min(change.at, until)))
        suspect.pop(target, None)
        if change.after is Health.SUSPECT:
            suspect[target] = change.at
    periods += [(target, since, until) for target, since in failing.items()]
    return [(target, since, end) for target, since, end in periods if since < end]


def _failing_since(verdict: Transition, suspect_at: datetime | None) -> datetime:
    """When the first of the target's own probes failed that the verdict rests on."""
    failed = [probe.at for probe in verdict.trail if probe.target == verdict.target and probe.is_bad]
    return min([verdict.at, *failed, *([suspect_at] if suspect_at else [])])


def seconds_on_failing(
    periods: Iterable[RoutePeriod], failures: Sequence[FailurePeriod]
) -> tuple[tuple[str, float], ...]:
    """How many seconds each route pointed at a target that failed, for the routes that did, in their order."""
    seconds: dict[str, float] = {}
    for period in periods:
        for target, since, until in failures:
            overlap_s = (min(period.until, until) - max(period.since, since)).total_seconds()
            if target == period.target and overlap_s > 0:
                seconds[period.route] = seconds.get(period.route, 0.0) + overlap_s
    return tuple((route, round(total_s, 3)) for route, total_s in seconds.items())


def open_incidents_of(settings: Settings, open_incidents: Iterable[Incident]) -> dict[str, str]:
    """`incident 12 is open`, by each route that it touches."""
    touched: dict[str, str] = {}
    for incident in open_incidents:
        for route in settings.routes:
            if touches(incident, route):
                touched.setdefault(route.name, f"incident {incident.id} is open")
    return touched


def touches(incident: Incident, route: Route) -> bool:
    """Whether it is one of a candidate of the route, of the route itself, or of our own network."""
    named = any(impact.route == route.name for impact in incident.routes)
    affected = any(affected.target in route.candidates for affected in incident.affected)
    return named or affected or incident.kind is IncidentKind.BLINDNESS
