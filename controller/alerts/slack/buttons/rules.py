"""Whether a button that was pressed may do what stands on it, as everything is now (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.alerts.slack.buttons.buttons import FAIL_BACK_S, HOLD_S, Button, Verb, fails
from controller.incidents.incident import Incident
from controller.routing.decision import RouteState
from controller.routing.operator_requests import OperatorRequest
from controller.routing.override_text import describe_override, format_end
from controller.routing.overrides import Override, OverrideKind, Overrides
from monitor.health import FAILING, TargetHealth
from monitor.settings import Route, Settings

#: What an author who pressed begins with.
PRESSER: Final = "slack:"
#: A second press of the same button within this changes nothing.
_SAME: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonContext:
    """How everything is when a press comes in."""

    now: datetime
    settings: Settings
    incident: Incident | None
    """The one that the button belongs to; None when there is none of that id."""
    routes: Mapping[str, RouteState]
    overrides: Overrides
    """Those in force."""
    health: Mapping[str, TargetHealth]


def objection(button: Button, author: str, standing: ButtonContext) -> str | None:
    """Why nothing is to be done, as a sentence without its end; None when the button still means what it says.

    Messages are older than they look: what was true when the button was drawn is looked at again.
    """
    incident = standing.incident
    if incident is None:
        return f"there is no incident {button.incident}"
    if incident.resolved_at:
        return f"incident {incident.id} is resolved"
    if button.verb is Verb.ACKNOWLEDGE:
        by = incident.acknowledged_by
        return None if by is None else f"{'you look' if by == author else f'{by} looks'} after it already"
    route = next((one for one in standing.settings.routes if one.name == button.route), None)
    state = standing.routes.get(button.route or "")
    if route is None or state is None or button.target not in route.candidates:
        return f"the configuration no longer has route {button.route} with {button.target}"
    if standing.settings.controller.dry_run:
        return "this is a dry run: the routes stay as they are configured"
    return (_no_hold if button.verb is Verb.HOLD else _no_failback)(button.target, route, state, standing)


def _no_hold(target: str, route: Route, state: RouteState, standing: ButtonContext) -> str | None:
    if state.target != target:
        return f"{route.name} has moved to {state.target} since that message was written"
    if pin := standing.overrides.pin(route.name):
        return f"{_by(pin, standing)}: it stays there anyway"
    paused = standing.overrides.paused(route.name)
    if paused and paused.until >= standing.now + timedelta(seconds=HOLD_S) - _SAME:
        return f"{_by(paused, standing)} already"
    seen = standing.health.get(target)
    if seen and seen.health in FAILING:
        return f"users would be held on a failing target: {seen.sentence}"
    return None


def _no_failback(home: str, route: Route, state: RouteState, standing: ButtonContext) -> str | None:
    if state.target == home and not state.weights:
        return f"{route.name} is on {home} already"
    if pin := standing.overrides.pin(route.name):
        return f"{_by(pin, standing)}: whoever pinned it shall take that back first"
    paused = standing.overrides.paused(route.name)
    if paused and not is_hold(paused):
        return f"{_by(paused, standing)}: whoever paused it shall take that back first"
    if drain := standing.overrides.drained(home, home.partition("/")[0]):
        return f"{_by(drain, standing)}: no route goes there"
    seen = standing.health.get(home)
    if seen and fails(seen.health, route):
        return f"users would go to a failing target: {seen.sentence}"
    return None


def _by(override: Override, standing: ButtonContext) -> str:
    return f"{describe_override(override)} by {override.author} is in force {format_end(override, standing.now)}"


def is_hold(override: Override) -> bool:
    """Whether it is a pause that was laid on by a press."""
    return override.kind is OverrideKind.PAUSE and override.author.startswith(PRESSER)


def order_of(button: Button, author: str) -> OperatorRequest:
    """What the command line would be told: `pause ROUTE --for 1h`, or `pin ROUTE TARGET --for 1m`.

    ValueError for a button that lays nothing on a route.
    """
    if button.route is None:
        raise ValueError(f"{button.verb} is about no route")
    hold = button.verb is Verb.HOLD
    return OperatorRequest(
        kind=OverrideKind.PAUSE if hold else OverrideKind.PIN,
        subject=button.route,
        target=None if hold else button.target,
        reason=f"pressed in Slack, incident {button.incident}",
        author=author,
        for_s=HOLD_S if hold else FAIL_BACK_S,
    )
