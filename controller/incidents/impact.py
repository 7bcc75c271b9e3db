"""What an incident did to routes: where each pointed while it lasted, and how long at a target that failed (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.incidents.incident import Incident
from controller.routing.decision import Decision
from monitor.health import UNHEALTHY, Health, Transition
from probes.outcome import Outcome

_FAILING = UNHEALTHY - {Health.RECOVERING}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePeriod:
    """A time in which a target failed: from its first failed probe until it recovers."""

    target: str
    since: datetime
    until: datetime


def stays(incident: Incident, decisions: Iterable[Decision], until: datetime) -> tuple[RoutePeriod, ...]:
    """Where each touched route pointed from the onset until then, in the order of the routes and of time.

    `decisions` are those of these routes that were published, oldest first: of each route all since the onset, and
    the last one before.
    """
    made = list(decisions)
    found: list[RoutePeriod] = []
    for route in incident.routes:
        found += _stays(route.route, route.target, [one for one in made if one.route == route.route], incident, until)
    return tuple(found)


def _stays(
    route: str, now_on: str, made: Sequence[Decision], incident: Incident, until: datetime
) -> Iterable[RoutePeriod]:
    """Without any decision, as in a dry run, it is where it is all the time."""
    first = made[0] if made else None
    at = now_on if first is None else first.before or first.target
    since = incident.onset
    for decision in made:
        moved_at = min(max(decision.at, incident.onset), until)
        if decision.target != at:
            if moved_at > since:
                yield RoutePeriod(route=route, target=at, since=since, until=moved_at)
            at, since = decision.target, moved_at
    if until > since:
        yield RoutePeriod(route=route, target=at, since=since, until=until)


def spells(transitions: Iterable[Transition], until: datetime) -> tuple[FailurePeriod, ...]:
    """When the targets failed, until then at the latest; `transitions` are oldest first."""
    found: list[FailurePeriod] = []
    failing: dict[str, datetime] = {}
    suspect: dict[str, datetime] = {}
    for one in transitions:
        if one.after in _FAILING and one.target not in failing:
            failing[one.target] = _begun(one, suspect.get(one.target))
        elif one.after not in _FAILING and one.target in failing:
            found.append(FailurePeriod(target=one.target, since=failing.pop(one.target), until=min(one.at, until)))
        suspect = {target: at for target, at in suspect.items() if target != one.target}
        if one.after is Health.SUSPECT:
            suspect[one.target] = one.at
    found += [FailurePeriod(target=target, since=since, until=until) for target, since in failing.items()]
    return tuple(spell for spell in found if spell.since < spell.until)


def _begun(verdict: Transition, suspect_at: datetime | None) -> datetime:
    """When the first probe of its own failed that the verdict rests on."""
    failed = [one.at for one in verdict.trail if one.target == verdict.target and one.outcome is not Outcome.OK]
    return min([verdict.at, *failed, *([suspect_at] if suspect_at else [])])


def on_failing_s(found: Iterable[RoutePeriod], failing: Sequence[FailurePeriod]) -> tuple[tuple[str, float], ...]:
    """How many seconds each route pointed at a target that failed, for the routes that did, in their order."""
    seconds: dict[str, float] = {}
    for stay in found:
        for spell in failing:
            both = (min(stay.until, spell.until) - max(stay.since, spell.since)).total_seconds()
            if spell.target == stay.target and both > 0:
                seconds[stay.route] = seconds.get(stay.route, 0.0) + both
    return tuple((route, round(both, 3)) for route, both in seconds.items())
