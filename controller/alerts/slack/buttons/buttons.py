"""The buttons below an incident's message: which there are, how they look, what a press of one may still do (pure)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from controller.alerts.slack.blocks import Block, Message
from controller.incidents.incident import Incident, RouteImpact
from controller.routing.decision import Decision
from controller.routing.operator_requests import OperatorRequest
from controller.routing.override_text import describe_override, format_end
from controller.routing.overrides import Override, OverrideKind, Overrides
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import FAILING, NO_VERDICT, Health, TargetHealth
from probes.redaction import one_line

#: How long a route is held.
_HOLD_S: Final = 3600.0
#: A second press of Hold within this time changes nothing.
_SAME: Final = timedelta(minutes=1)
#: How long a route is pinned to where it goes back to, as `hotspare pin … --for 1m` does where failback is manual.
_FAIL_BACK_S: Final = 60.0
#: The prefix of authors who pressed a button.
_PRESSER: Final = "slack:"

_MOST_CHARS: Final = 1_800
"""Of all buttons of a message together, so that they fit below the largest one; a value is shorter than that."""
_NAME_CHARS: Final = 40


class Verb(StrEnum):
    """What a button does."""

    ACKNOWLEDGE = "acknowledge"  # take charge of the incident
    HOLD = "hold"  # pause a route where it is, for an hour
    FAIL_BACK = "fail_back"  # bring a route back to the target it prefers, now


_Id = Annotated[int, Field(gt=0, lt=1 << 63)]
_VALUE: Final = TypeAdapter[tuple[Any, ...]](
    tuple[Literal[Verb.ACKNOWLEDGE], _Id, int, None, None]
    | tuple[Literal[Verb.HOLD, Verb.FAIL_BACK], _Id, int, str, str],
    config=ConfigDict(strict=True),
)
"""The fields of a `Button`, as they are sent to Slack and come back."""


@dataclass(frozen=True, slots=True)
class Button:
    """One button, as it was drawn; a press sends it back unchanged, however old the message is."""

    verb: Verb
    incident: int
    revision: int
    """Of the incident, when it was drawn."""
    route: str | None = None
    """None for a button about the incident as a whole."""
    target: str | None = None
    """Where the route is to be held, or where it is to go back to."""


def choose_buttons(incident: Incident, routes: Sequence[Route], others: Iterable[Incident] = ()) -> tuple[Button, ...]:
    """The buttons for what people can do about the incident now, at most five; none once it is resolved.

    Acknowledge: while nobody has. Hold: for a route that is away from the target it prefers, or on one that the
    incident is about, unless that target fails. Fail back: for a route that is away from the target it prefers, unless
    that target fails. `routes` are the configured ones, `others` the incidents reported in the same message.
    """
    if incident.resolved_at:
        return ()
    unresolved = (incident, *(other for other in others if other.resolved_at is None))
    health = {affected.target: affected.health for each in unresolved for affected in each.affected}
    configured = {route.name: route for route in routes}
    by_route: dict[str, tuple[Button, ...]] = {}
    for impact in (impact for each in unresolved for impact in each.routes):
        if impact.route in configured and impact.route not in by_route:
            by_route[impact.route] = tuple(_route_buttons(incident, impact, configured[impact.route], health))
    # A route with two buttons has been moved: people most likely want to act on it.
    pairs = sorted(by_route.values(), key=len, reverse=True)
    first = () if incident.acknowledged_by else (Button(Verb.ACKNOWLEDGE, incident.id, incident.revision),)
    return (*first, *(button for pair in pairs for button in pair))[:5]


def _route_buttons(
    incident: Incident, impact: RouteImpact, route: Route, health: Mapping[str, Health]
) -> Iterable[Button]:
    # Where nothing is published, nobody can be held or brought back.
    if impact.unpublished or impact.would or impact.target not in route.candidates:
        return
    home = impact.waiting or route.candidates[0]
    here = health.get(impact.target)
    away = impact.target != home
    if here not in FAILING and not impact.stuck and (away or (here is not None and here not in NO_VERDICT)):
        yield Button(Verb.HOLD, incident.id, incident.revision, route.name, impact.target)
    if away and not _fails(health.get(home), route):
        yield Button(Verb.FAIL_BACK, incident.id, incident.revision, route.name, home)


def _fails(health: Health | None, route: Route) -> bool:
    """Whether users of the route must not be brought to a target of this health."""
    return health in FAILING or health in route.fail_over_on


def add_buttons(message: Message, buttons: Sequence[Button]) -> Message:
    """The message with the buttons above its last block (the footer), without those that do not fit Slack's limits."""
    elements: list[Block] = []
    named = len({button.route for button in buttons} - {None}) > 1
    for number, button in enumerate(buttons):
        element = _element(number, button, named=named)
        if len(json.dumps([*elements, element], ensure_ascii=False)) <= _MOST_CHARS:
            elements.append(element)
    if not elements:
        return message
    # Slack requires a new id for every version of a message.
    block_id = f"hotspare {buttons[0].incident} {buttons[0].revision}"
    block = {"type": "actions", "block_id": block_id, "elements": elements}
    return replace(message, blocks=(*message.blocks[:-1], block, *message.blocks[-1:]))


def button_label(button: Button, *, named: bool = True) -> str:
    """The text on the button; with the route's name where several routes have buttons."""
    route = f"{_name(button.route)} " if named and button.route else ""
    labels = {
        Verb.ACKNOWLEDGE: "Acknowledge",
        Verb.HOLD: f"Hold {route}here for 1 h",
        Verb.FAIL_BACK: f"Fail {route}back now",
    }
    return labels[button.verb]


def _element(number: int, button: Button, *, named: bool) -> Block:
    element: Block = {
        "type": "button",
        "action_id": f"hotspare_{number}",
        "text": _plain(button_label(button, named=named)),
        "value": json.dumps(astuple(button), ensure_ascii=False, separators=(",", ":")),
    }
    if button.verb is Verb.ACKNOWLEDGE:
        return {**element, "style": "primary"}
    return {**element, "confirm": _confirm(button)}


def _confirm(button: Button) -> Block:
    """The dialog that says what users will notice, before it is done."""
    route, target = _name(button.route), _name(button.target)
    if button.verb is Verb.HOLD:
        title, yes = f"Hold {route}?", "Hold"
        ends = f"hotspare resume {route} ends it."
        text = f"Users of {route} stay on {target} for one hour, even if it fails. {ends}"
    else:
        title, yes = f"Fail {route} back?", "Fail back"
        text = f"All users of {route} go to {target} at once. If it fails again, they are moved away after a minute."
    return {"title": _plain(title), "text": _plain(text), "confirm": _plain(yes), "deny": _plain("Cancel")}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _name(text: str | None) -> str:
    return one_line(text or "", _NAME_CHARS)


def parse_button(value: object) -> Button | None:
    """The button whose value this is; None when this version draws no such button."""
    if not isinstance(value, str) or len(value) > 2_000:
        return None
    try:
        return Button(*_VALUE.validate_json(value))
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One press of a button."""

    key: str
    """Identifies the press: the same when Slack sends it again."""
    user: str
    """Slack's member id."""
    author: str
    """The author for the journal: `slack:U012AB3CD (ana)`."""
    button: Button | None
    """None when this version draws no such button."""
    channel: str = ""
    thread: str | None = None
    """Of the message that was pressed."""


def read_press(payload: Any, envelope_id: object) -> Press | None:
    """The press in an interactive envelope's payload; None when it is no press of a button of ours. Never raises."""
    match payload:
        case {
            "type": "block_actions",
            "user": {"id": str(user)} as person,
            "actions": [{"action_id": str(action_id)} as action],
        } if action_id.startswith("hotspare_"):
            pressed_at, container = action.get("action_ts"), payload.get("container")
            message = container if isinstance(container, dict) else {}
            thread, stands_at = message.get("thread_ts"), message.get("message_ts")
            unique = f"{action_id} {stands_at} {pressed_at}" if isinstance(pressed_at, str) else envelope_id
            called = person.get("username") or person.get("name")
            name = one_line(called, _NAME_CHARS) if isinstance(called, str) else ""
            return Press(
                key=one_line(f"buttons press {user} {unique}", 200),
                user=one_line(user, 30),
                author=one_line(f"{_PRESSER}{one_line(user, 30)}" + (f" ({name})" if name else ""), 80),
                button=parse_button(action.get("value")),
                channel=str(message.get("channel_id") or ""),
                thread=thread if isinstance(thread, str) else None,
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonContext:
    """The state of everything that a press depends on, when it comes in."""

    now: datetime
    settings: Settings
    incident: Incident | None
    """None when there is none of the button's id."""
    routes: Mapping[str, Decision]
    overrides: Overrides
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
    if (paused := context.overrides.paused(route.name)) and paused.until >= context.now + timedelta(
        seconds=_HOLD_S
    ) - _SAME:
        return f"{_in_force_text(paused, context)} already"
    if (verdict := context.health.get(target)) and verdict.health in FAILING:
        return f"users would be held on a failing target: {verdict.sentence}"
    return None


def _object_to_failback(home: str, route: Route, state: Decision, context: ButtonContext) -> str | None:
    if state.target == home and not state.weights:
        return f"{route.name} is on {home} already"
    if pin := context.overrides.pin(route.name):
        return f"{_in_force_text(pin, context)}: whoever pinned it must unpin it first"
    if (paused := context.overrides.paused(route.name)) and not is_hold(paused):
        return f"{_in_force_text(paused, context)}: whoever paused it must resume it first"
    if drain := context.overrides.drained(home, home.partition("/")[0]):
        return f"{_in_force_text(drain, context)}: no route goes there"
    if (verdict := context.health.get(home)) and _fails(verdict.health, route):
        return f"users would go to a failing target: {verdict.sentence}"
    return None


def _in_force_text(override: Override, context: ButtonContext) -> str:
    return f"{describe_override(override)} by {override.author} is in force {format_end(override, context.now)}"


def is_hold(override: Override) -> bool:
    """Whether it is a pause that a press began."""
    return override.kind is OverrideKind.PAUSE and override.author.startswith(_PRESSER)


def request_for(button: Button, author: str) -> OperatorRequest:
    """The operator request that a button about a route stands for: `pause … --for 1h`, or `pin … TARGET --for 1m`."""
    hold = button.verb is Verb.HOLD
    return OperatorRequest(
        kind=OverrideKind.PAUSE if hold else OverrideKind.PIN,
        subject=button.route or "",
        target=None if hold else button.target,
        reason=f"pressed in Slack, incident {button.incident}",
        author=author,
        for_s=_HOLD_S if hold else _FAIL_BACK_S,
    )
