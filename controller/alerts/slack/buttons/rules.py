"""Whether a pressed button may still do what it says, and the request that it stands for (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.alerts.slack.buttons.buttons import FAIL_BACK_S, HOLD_S, PRESSER, Button, Verb, fails
from controller.incidents.incident import Incident
from controller.routing.decision import Decision
from controller.routing.operator_requests import OperatorRequest
from controller.routing.override_text import describe_override, format_end
from controller.routing.overrides import Override, OverrideKind, Overrides
from monitor.config.settings import Route, Settings
from monitor.health import FAILING, TargetHealth

#: A second press of Hold within this time changes nothing.
_SAME: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonContext:
    """The state of everything that a press depends on, when it comes in."""

    now: datetime
    settings: Settings
    incident: Incident | None
    """The incident that the button belongs to; None when there is none of that id."""
    routes: Mapping[str, Decision]
    overrides: Overrides
    """Those in force."""
    health: Mapping[str, TargetHealth]


def find_objection(button: Button, author: str, context: ButtonContext) -> str | None:
    """Why nothing is to be done, as a sentence without its end; None when nothing speaks against it.

    A message may be old: everything that was true when the button was drawn is checked again.
    """
    incident = context.incident
    if incident is None:
        return f"there is no incident {button.incident}"
    if incident.resolved_at:
        return f"incident {incident.id} is resolved"
    if button.verb is Verb.ACKNOWLEDGE:
        by = incident.acknowledged_by
        return None if by is None else f"{'you look' if by == author else f'{by} looks'} after it already"
    route = next((route for route in context.settings.routes if route.name == button.route), None)
    state = context.routes.get(button.route or "")
    if route is None or state is None or button.target not in route.candidates:
        return f"the configuration no longer has route {button.route} with {button.target}"
    if context.settings.controller.dry_run:
        return "this is a dry run: the routes stay as they are configured"
    return (_object_to_hold if button.verb is Verb.HOLD else _object_to_failback)(button.target, route, state, context)


def _object_to_hold(target: str, route: Route, state: Decision, context: ButtonContext) -> str | None:
    if state.target != target:
        return f"{route.name} has moved to {state.target} since that message was written"
    if pin := context.overrides.pin(route.name):
        return f"{_in_force_text(pin, context)}: it stays there anyway"
    paused = context.overrides.paused(route.name)
    if paused and paused.until >= context.now + timedelta(seconds=HOLD_S) - _SAME:
        return f"{_in_force_text(paused, context)} already"
    state_of_target = context.health.get(target)
    if state_of_target and state_of_target.health in FAILING:
        return f"users would be held on a failing target: {state_of_target.sentence}"
    return None


def _object_to_failback(home: str, route: Route, state: Decision, context: ButtonContext) -> str | None:
    if state.target == home and not state.weights:
        return f"{route.name} is on {home} already"
    if pin := context.overrides.pin(route.name):
        return f"{_in_force_text(pin, context)}: whoever pinned it must unpin it first"
    paused = context.overrides.paused(route.name)
    if paused and not is_hold(paused):
        return f"{_in_force_text(paused, context)}: whoever paused it must resume it first"
    if drain := context.overrides.drained(home, home.partition("/")[0]):
        return f"{_in_force_text(drain, context)}: no route goes there"
    state_of_target = context.health.get(home)
    if state_of_target and fails(state_of_target.health, route):
        return f"users would go to a failing target: {state_of_target.sentence}"
    return None


def _in_force_text(override: Override, context: ButtonContext) -> str:
    return f"{describe_override(override)} by {override.author} is in force {format_end(override, context.now)}"


def is_hold(override: Override) -> bool:
    """Whether it is a pause that a press began."""
    return override.kind is OverrideKind.PAUSE and override.author.startswith(PRESSER)


def request_for(button: Button, author: str) -> OperatorRequest:
    """The operator request that the button stands for: `pause ROUTE --for 1h`, or `pin ROUTE TARGET --for 1m`.

    Raises ValueError for a button that is about no route.
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
