"""Fire drills: a route really goes to its standby and back, so that the standby is proven before it is needed (pure).

In the shape of the practice runs of AWS Route 53 ARC: nothing begins where anything is wrong, and the drill ends at
once when the standby is anything but `up`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from controller.routing.candidates import Candidate, best_alternative, build_candidates
from controller.routing.decision import Decision
from controller.routing.least_bad import FailingShare, least_difference
from controller.routing.override_text import OverrideEvent, describe_override, with_author
from controller.routing.overrides import NO_OVERRIDES, SCHEDULE, Override, OverrideKind, Overrides
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.config.windows import LONGEST_DRILL_S, DrillSection
from monitor.formatting import ago, format_elapsed
from monitor.health import Health, TargetHealth

USUAL_DRILL_S: Final = 300.0
#: A drill that could not begin within this time of its schedule is left out.
_LATE: Final = timedelta(minutes=1)
#: A service that was away for longer did not watch the drill.
AWAY: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillConditions:
    """What decides whether a drill may begin."""

    settings: Settings
    now: datetime
    routes: Mapping[str, Decision]
    """Where each route points."""
    health: Mapping[str, TargetHealth]
    overrides: Overrides = NO_OVERRIDES
    incidents: Mapping[str, str] = field(default_factory=dict)
    """The open incident that touches a route, as `incident 12 is open`, by route."""

    def standby(self, name: str) -> tuple[str | None, str]:
        """Where the route would go, or None and why there can be no drill now."""
        route = next(route for route in self.settings.routes if route.name == name)
        targets = build_candidates(self.settings, [route], self.health, self.overrides, self.now)
        first, *others = (targets[target] for target in route.candidates)
        if problem := self._problem(route, first):
            return None, problem
        standby = best_alternative(first, [first, *others], targets, self.now)
        if standby is None:
            return None, f"{others[0].id}: {others[0].why_not(self.now)}"
        return (standby.id, "") if standby.health.health is Health.UP else (None, standby.health.sentence)

    def _problem(self, route: Route, first: Candidate) -> str | None:
        """The first thing that stands in the way."""
        name, at, overrides = route.name, self.routes.get(route.name), self.overrides
        held = overrides.pin(name) or overrides.paused(name) or overrides.drill(name)
        problems = {
            f"{name} has one candidate, and no standby": len(route.candidates) == 1,
            "controller.dry_run is set, so that no route moves": self.settings.controller.dry_run,
            self.incidents.get(name, ""): name in self.incidents,
            with_author(held, f"{name} is {held.kind.participle}") if held else "": held,
            with_author(first.drain, f"{first.drain.subject} is drained") if first.drain else "": first.drain,
            f"{name} is not on its first choice": at is None or at.target != first.id or at.weights,
            first.health.sentence: first.health.health is not Health.UP,
            f"{first.id} has not proven itself yet": first.is_held_back(self.now),
        }
        return next((problem for problem, stands in problems.items() if problem and stands), None)


def due_drills(settings: Settings, now: datetime) -> list[Override]:
    """The drills of the schedule that are to begin now, without their targets."""
    found = []
    for drill in settings.drills:
        at = _last_time(drill, now)
        if timedelta(0) <= now - at < _LATE:
            until = at + timedelta(seconds=drill.for_s)
            found.append(
                Override(
                    kind=OverrideKind.DRILL,
                    subject=drill.route,
                    author=SCHEDULE,
                    reason="fire drill",
                    at=at,
                    until=until,
                )
            )
    return found


def _last_time(drill: DrillSection, now: datetime) -> datetime:
    """The last of its times: by the wall clock of its zone, in the night without that hour an hour later."""
    zone = ZoneInfo(drill.zone)
    local = now.astimezone(zone)
    day = local.date() - timedelta(days=(local.weekday() - drill.weekday) % 7)
    at = datetime.combine(day, drill.at, zone).astimezone(now.tzinfo)
    return at if at <= now else datetime.combine(day - timedelta(days=7), drill.at, zone).astimezone(now.tzinfo)


def length_problem(for_s: float) -> str | None:
    """Why no drill may last so long; None where one may."""
    longest = format_elapsed(LONGEST_DRILL_S)
    return (
        f"a drill lasts {longest} at most: hotspare pin holds a route for longer" if for_s > LONGEST_DRILL_S else None
    )


def stopped(drill: Override, reason: str, now: datetime) -> Override:
    """The drill as it is after Hotspare has ended it; one that has not begun ends when it begins."""
    return replace(drill, ended_at=max(now, drill.at), ended_by=SCHEDULE, ended_reason=reason)


def not_begun(drill: Override, reason: str) -> Override:
    """A drill that cannot begin."""
    return stopped(drill, reason, drill.at)


def judged_by_requests(drill: Override, before: FailingShare, during: FailingShare) -> Override:
    """The drill that has run to its end, as failed where requests fail more often than in the same time before it."""
    if not before.probes or not during.probes or least_difference(during, before) <= 0:
        return drill
    share = f"{during.failed} of {during.probes} requests failed, before it {before.failed} of {before.probes}"
    return replace(drill, ended_by=SCHEDULE, ended_reason=share)


def end_event(drill: Override) -> OverrideEvent:
    """What people are told of a drill that is over."""
    if drill.ended_by is None:
        lasted = format_elapsed((drill.until - drill.at).total_seconds())
        text = f"{drill.target} served {drill.subject} for {lasted} without a failed probe: it is proven as its standby"
        return OverrideEvent(kind="drill_passed", subject=drill.subject, text=text)
    if drill.ended_at == drill.at:
        text = f"no drill of {drill.subject} now: {drill.ended_reason}"
        return OverrideEvent(kind="drill_left_out", subject=drill.subject, text=text)
    lasted = format_elapsed(((drill.ended_at or drill.at) - drill.at).total_seconds())
    text = f"{describe_override(drill)} was stopped after {lasted}: {drill.ended_reason}"
    return OverrideEvent(kind="drill_stopped", subject=drill.subject, text=text)


def outcome(drill: Override) -> str:
    """How a drill that is over ended: `proven`, `stopped` by Hotspare, or `ended` by a person."""
    if drill.ended_by is None:
        return "proven"
    return "stopped" if drill.ended_by == SCHEDULE else "ended"


def drill_sentence(drill: Override, now: datetime) -> str:
    """`standby b/y proven 3 days ago`, of a drill that is over."""
    when = ago(drill.ended_at or drill.until, now)
    if outcome(drill) == "proven":
        return f"standby {drill.target} proven {when}"
    why = f": {drill.ended_reason}" if drill.ended_reason else ""
    return f"drill on {drill.target} {outcome(drill)} {when}{why}"


def last_drills(drills: Iterable[Override]) -> dict[str, Override]:
    """The last drill of each route that was begun and is over; `drills` are the oldest first."""
    over = (drill for drill in drills if drill.ended_at and drill.ended_at > drill.at)
    return {drill.subject: drill for drill in over}
