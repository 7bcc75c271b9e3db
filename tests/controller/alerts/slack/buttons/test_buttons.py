"""Buttons: which there are, what they hold within Slack's limits, and when a press no longer means what it says."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.alerts.slack.buttons.buttons import (
    Button,
    ButtonContext,
    Verb,
    add_buttons,
    button_label,
    choose_buttons,
    find_objection,
    parse_button,
    read_press,
    request_for,
)
from controller.alerts.slack.incident_message import incident_headline
from controller.incidents.incident import AffectedTarget, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import NO_OVERRIDES, Override, OverrideKind, Overrides
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import Health, TargetHealth
from tests.support.builders import T0, target
from tests.support.slack_rules import content_fault

A, B, C = "openai/a", "other/b", "third/c"
ROUTE = Route(name="chat", candidates=(A, B))
ANA = "slack:U0ANA (ana)"
DEFAULT = ROUTE.fail_over_on


def incident(*routes: RouteImpact, health: Health = Health.DOWN, target_id: str = A, **more: Any) -> Incident:
    """An open incident of one target."""
    affected = (AffectedTarget(target=target_id, health=health, since=T0, reason=f"{target_id} is {health}"),)
    about: dict[str, Any] = {
        "id": 7,
        "provider": "openai",
        "kind": IncidentKind.OUTAGE,
        "opened_at": T0,
        "affected": affected,
        "timeline": (),
        "routes": routes,
        "revision": 4,
    }
    return Incident(**about | more)


MOVED = RouteImpact(route="chat", target=B)
AT_HOME = RouteImpact(route="chat", target=A)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(
            incident(MOVED), ["acknowledge", f"hold {B}"], id="moved away from what is down: hold, and no way back"
        ),
        pytest.param(
            incident(MOVED, health=Health.RECOVERING),
            ["acknowledge", f"hold {B}", f"fail_back {A}"],
            id="moved away from what recovers: hold, or go back at once",
        ),
        pytest.param(
            incident(MOVED, health=Health.UNUSABLE), ["acknowledge", f"hold {B}"], id="nobody goes back to unusable"
        ),
        pytest.param(
            incident(AT_HOME, health=Health.DEGRADED), ["acknowledge", f"hold {A}"], id="on what is degraded: hold"
        ),
        pytest.param(incident(AT_HOME), ["acknowledge"], id="nobody is held on what is down"),
        pytest.param(
            incident(replace(AT_HOME, stuck=True), health=Health.DEGRADED), ["acknowledge"], id="nobody is held stuck"
        ),
        pytest.param(
            incident(AT_HOME, target_id=B), ["acknowledge"], id="a standby that fails is nothing to be held for"
        ),
        pytest.param(incident(MOVED, acknowledged_by="bob"), [f"hold {B}"], id="acknowledged once is enough"),
        pytest.param(incident(MOVED, resolved_at=T0), [], id="resolved: nothing"),
        pytest.param(
            incident(MOVED, health=Health.UP, resolved_at=T0), [], id="resolved: nothing, wherever the route is"
        ),
        pytest.param(
            incident(replace(MOVED, unpublished=True)), ["acknowledge"], id="nothing is published: nothing to hold"
        ),
        pytest.param(incident(replace(AT_HOME, would=B)), ["acknowledge"], id="a dry run moves nobody"),
        pytest.param(incident(RouteImpact(route="gone", target=B)), ["acknowledge"], id="a route of another time"),
        pytest.param(incident(RouteImpact(route="chat", target=C)), ["acknowledge"], id="a target of another time"),
        pytest.param(
            incident(kind=IncidentKind.BLINDNESS, affected=(), provider="network"),
            ["acknowledge"],
            id="no route at all",
        ),
        pytest.param(
            incident(replace(MOVED, weights=((A, 10.0), (B, 90.0))), health=Health.UP),
            ["acknowledge", f"hold {B}", f"fail_back {A}"],
            id="going back in steps: stay, or go at once",
        ),
    ],
)
def test_which_buttons_there_are(of: Incident, expected: list[str]) -> None:
    """Each button does something that makes sense right now; one that would be refused is not drawn."""
    found = choose_buttons(of, [ROUTE])
    assert [" ".join(filter(None, (one.verb, one.target))) for one in found] == expected
    assert {(one.incident, one.revision) for one in found} <= {(7, 4)}


def test_no_way_back_to_what_the_route_would_leave_again() -> None:
    """Where `degraded` moves a route, nobody is brought back to what is degraded."""
    picky = replace(ROUTE, fail_over_on=DEFAULT | {Health.DEGRADED})
    of = incident(MOVED, health=Health.DEGRADED)
    assert [one.verb for one in choose_buttons(of, [picky])] == [Verb.ACKNOWLEDGE, Verb.HOLD]
    assert Verb.FAIL_BACK in [one.verb for one in choose_buttons(of, [ROUTE])]


def test_another_incident_under_the_headline_counts() -> None:
    """No way back to a target that fails in an incident told in the same message; its routes have buttons too."""
    lead = incident(MOVED, health=Health.RECOVERING)
    other = incident(RouteImpact(route="code", target=C), target_id=B, id=8, provider="other")
    routes = [Route(name="chat", candidates=(B, A)), Route(name="code", candidates=(B, C))]
    found = choose_buttons(replace(lead, routes=(RouteImpact(route="chat", target=A),)), routes, [other])
    assert [(one.verb, one.route) for one in found] == [("acknowledge", None), ("hold", "chat"), ("hold", "code")]


def test_at_most_five_and_the_moved_routes_first() -> None:
    """With many routes, those that were moved and can go back come first; five buttons fit, each with its route."""
    names = [f"route{n}" for n in range(8)]
    routes = [Route(name=name, candidates=(A, B)) for name in names]
    nows = [RouteImpact(route=name, target=A if n < 6 else B) for n, name in enumerate(names)]
    found = choose_buttons(incident(*nows, health=Health.RECOVERING), routes)
    assert len(found) == 5
    assert [one.route for one in found] == [None, "route6", "route6", "route7", "route7"]
    assert button_label(found[1]) == "Hold route6 here for 1 h"


def test_the_largest_message_stays_within_slacks_limits() -> None:
    """Routes, targets and provider text as long and as nasty as they get: Slack takes the message with its buttons."""
    nasty = '<!channel> *"\\' + "é" * 300
    names = [f"{n}{nasty}" for n in range(6)]
    routes = [Route(name=name, candidates=(f"a/{nasty}", f"b/{nasty}")) for name in names]
    nows = [RouteImpact(route=name, target=f"b/{nasty}") for name in names]
    lines = tuple(TimelineEntry(at=T0, text=nasty * 20) for _ in range(50))
    of = incident(*nows, target_id=f"a/{nasty}", health=Health.RECOVERING, timeline=lines)
    plain = incident_headline(of, now=T0)
    drawn = add_buttons(plain, choose_buttons(of, routes))
    assert content_fault(drawn.text, list(drawn.blocks)) is None
    [block] = [block for block in drawn.blocks if block["type"] == "actions"]
    assert drawn.blocks[-1]["type"] == "context", "the footer stays last"
    assert len(json.dumps(block, ensure_ascii=False)) < 2_000


def test_a_name_on_a_button_is_plain_text() -> None:
    """Nothing on a button or in its question is markup, and a control character does not get there."""
    route = Route(name="a\u202eb\n<!here>", candidates=(A, B))
    of = incident(RouteImpact(route=route.name, target=B), health=Health.RECOVERING)
    [block] = [
        b for b in add_buttons(incident_headline(of, now=T0), choose_buttons(of, [route])).blocks if "elements" in b
    ][:1]
    shown = [part for element in block["elements"] for part in (element["text"], *element.get("confirm", {}).values())]
    assert {part["type"] for part in shown} == {"plain_text"}
    assert not any(mark in part["text"] for part in shown for mark in "\u202e\n")


def test_what_moves_users_asks_first() -> None:
    """Acknowledging is harmless; holding and failing back say what users will notice, and ask."""
    of = incident(MOVED, health=Health.RECOVERING)
    drawn = add_buttons(incident_headline(of, now=T0), choose_buttons(of, [ROUTE]))
    [block] = [block for block in drawn.blocks if block["type"] == "actions"]
    first, hold, back = block["elements"]
    assert [one["text"]["text"] for one in block["elements"]] == ["Acknowledge", "Hold here for 1 h", "Fail back now"]
    assert "confirm" not in first
    assert hold["confirm"]["text"]["text"].startswith(f"Users of chat stay on {B} for one hour")
    assert back["confirm"]["text"]["text"].startswith(f"All users of chat go to {A} at once")


def test_a_value_comes_back_as_the_button_it_was() -> None:
    """What Slack gives back when a button is pressed is the button that was drawn."""
    of = incident(MOVED, health=Health.RECOVERING)
    drawn = add_buttons(incident_headline(of, now=T0), choose_buttons(of, [ROUTE]))
    [block] = [block for block in drawn.blocks if block["type"] == "actions"]
    assert tuple(parse_button(element["value"]) for element in block["elements"]) == choose_buttons(of, [ROUTE])


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "{}",
        "[" * 10_000,
        '["acknowledge",7,4]',
        '["acknowledge",7,4,"chat","openai/a"]',
        '["hold",7,4,null,null]',
        '["hold",7,4,"chat",null]',
        '["hold",7,4,["chat"],"openai/a"]',
        '["hold",true,4,"chat","openai/a"]',
        '["hold",-1,4,"chat","openai/a"]',
        '["hold",99999999999999999999,4,"chat","openai/a"]',
        '["drain",7,4,"chat","openai/a"]',
        '["hold","7",4,"chat","openai/a"]',
        '["hold",7,4,"chat","' + "a" * 2_000 + '"]',
    ],
)
def test_a_value_that_is_none_of_ours_is_no_button(value: object) -> None:
    """Whatever stands in a payload, nothing is made of it but a button of ours."""
    assert parse_button(value) is None


PAYLOAD = {
    "type": "block_actions",
    "user": {"id": "U0ANA", "username": "ana"},
    "container": {"message_ts": "1.1", "channel_id": "C1"},
    "actions": [{"action_id": "hotspare_0", "action_ts": "5.5", "value": '["acknowledge",7,4,null,null]'}],
}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"text": "x"},
        PAYLOAD | {"type": "view_submission"},
        PAYLOAD | {"user": "U0ANA"},
        PAYLOAD | {"user": {"id": 7}},
        PAYLOAD | {"actions": []},
        PAYLOAD | {"actions": [{}, {}]},
        PAYLOAD | {"actions": [{"action_id": "somebody_elses", "value": "x"}]},
    ],
)
def test_what_is_no_press_of_ours_is_left_alone(payload: object) -> None:
    """Other envelopes, other apps' buttons and nonsense are not presses, and raise nothing."""
    assert read_press(payload, "e1") is None


def test_a_press_is_known_by_who_when_and_where() -> None:
    """The same press has the same key whatever envelope it comes in; every other press has another one."""
    first = read_press(PAYLOAD, "e1")
    assert first is not None
    assert first == read_press(PAYLOAD, "e2")
    later = PAYLOAD | {"actions": [PAYLOAD["actions"][0] | {"action_ts": "5.6"}]}  # type: ignore[index]  # a dict
    again = read_press(later, "e1")
    assert again is not None
    assert again.key != first.key
    assert again.button == first.button


def test_a_hostile_name_is_one_short_line() -> None:
    """Who pressed is named in a line that fits everywhere, with the id that Slack vouches for first."""
    nasty = PAYLOAD | {"user": {"id": "U0ANA", "username": "a\u202e\n<!channel>" + "x" * 500}}
    press = read_press(nasty, "e")
    assert press is not None
    assert press.author.startswith("slack:U0ANA (a <!channel>xxx")
    assert len(press.author) <= 80
    assert press.author.isprintable()


def _override(kind: OverrideKind, subject: str, **more: Any) -> Override:
    about: dict[str, Any] = {
        "author": "bob",
        "reason": "why",
        "at": T0 - timedelta(minutes=9),
        "until": T0 + timedelta(minutes=31),
    }
    return Override(kind=kind, subject=subject, **about | more)


def context(
    *overrides: Override, health: Health = Health.RECOVERING, of: Incident | None = None, at: str = B, dry: bool = False
) -> ButtonContext:
    """A route that has been moved, and how everything is."""
    settings = Settings(
        path=Path("hotspare.yaml"),
        targets=(target(A), target(B)),
        routes=(ROUTE,),
        controller=ControllerSettings(dry_run=dry),
    )
    word = TargetHealth(target=A, health=health, since=T0, reason=f"{A} is {health}: seen")
    state = Decision(route="chat", target=at, at=T0, reason="so", move=MoveKind.FAILOVER)
    return ButtonContext(
        now=T0,
        settings=settings,
        incident=of or incident(MOVED, health=health),
        routes={"chat": state},
        overrides=Overrides(active=overrides) if overrides else NO_OVERRIDES,
        health={A: word, B: replace(word, target=B, health=Health.UP)},
    )


ACK = Button(verb=Verb.ACKNOWLEDGE, incident=7, revision=4)
HOLD = Button(verb=Verb.HOLD, incident=7, revision=4, route="chat", target=B)
BACK = Button(verb=Verb.FAIL_BACK, incident=7, revision=4, route="chat", target=A)
PAUSE, PIN, DRAIN = OverrideKind.PAUSE, OverrideKind.PIN, OverrideKind.DRAIN


@pytest.mark.parametrize(
    ("button", "now", "expected"),
    [
        pytest.param(ACK, context(), None, id="to be acknowledged"),
        pytest.param(HOLD, context(), None, id="to be held"),
        pytest.param(BACK, context(), None, id="to be brought back"),
        pytest.param(HOLD, context(health=Health.DOWN), None, id="held although home is down"),
        pytest.param(ACK, replace(context(), incident=None), "there is no incident 7", id="another database"),
        pytest.param(ACK, context(of=incident(resolved_at=T0)), "incident 7 is resolved", id="over"),
        pytest.param(HOLD, context(of=incident(resolved_at=T0)), "incident 7 is resolved", id="over, hold"),
        pytest.param(
            ACK, context(of=incident(acknowledged_by="bob")), "bob looks after it already", id="somebody was faster"
        ),
        pytest.param(ACK, context(of=incident(acknowledged_by=ANA)), "you look after it already", id="pressed twice"),
        pytest.param(
            HOLD, context(at=A), f"chat has moved to {A} since that message was written", id="here is elsewhere now"
        ),
        pytest.param(BACK, context(at=A), f"chat is on {A} already", id="it is back by itself"),
        pytest.param(BACK, context(health=Health.DOWN), "users would go to a failing target: ", id="down again"),
        pytest.param(
            replace(HOLD, target=A),
            context(health=Health.DOWN, at=A),
            "users would be held on a failing target: ",
            id="here has begun to fail",
        ),
        pytest.param(
            replace(HOLD, route="gone"), context(), "the configuration no longer has route gone", id="no such route"
        ),
        pytest.param(
            replace(BACK, target=C), context(), "the configuration no longer has route chat with", id="no such target"
        ),
        pytest.param(BACK, context(dry=True), "this is a dry run: ", id="a dry run"),
        pytest.param(
            BACK, context(_override(PIN, "chat", target=B)), f"the pin of chat to {B} by bob is in force", id="pinned"
        ),
        pytest.param(HOLD, context(_override(PIN, "chat", target=B)), "the pin of chat to", id="pinned, hold"),
        pytest.param(BACK, context(_override(PAUSE, "chat")), "the pause of chat by bob is in force", id="paused"),
        pytest.param(BACK, context(_override(PAUSE, "all")), "the pause of all routes by bob", id="everything paused"),
        pytest.param(BACK, context(_override(DRAIN, "openai")), "the drain of openai by bob", id="drained"),
        pytest.param(BACK, context(_override(PAUSE, "chat", author=ANA)), None, id="a hold gives way"),
        pytest.param(HOLD, context(_override(PAUSE, "chat")), None, id="a pause that ends sooner is lengthened"),
        pytest.param(
            HOLD,
            context(_override(PAUSE, "chat", until=T0 + timedelta(hours=3))),
            "the pause of chat by bob is in force until 21:00:00 UTC already",
            id="a longer pause is not shortened",
        ),
        pytest.param(
            HOLD,
            context(_override(PAUSE, "chat", author=ANA, until=T0 + timedelta(seconds=3597))),
            f"the pause of chat by {ANA} is in force until",
            id="a double click",
        ),
    ],
)
def test_when_a_press_still_means_what_it_says(button: Button, now: ButtonContext, expected: str | None) -> None:
    """A press is looked at as everything is now, and does nothing that its words no longer say."""
    why = find_objection(button, ANA, now)
    assert why is None if expected is None else (why or "").startswith(expected), why


@pytest.mark.parametrize(
    ("button", "check"),
    [
        (HOLD, lambda o: (o.kind, o.target, o.for_s) == (PAUSE, None, 3600.0)),
        (BACK, lambda o: (o.kind, o.target, o.for_s) == (PIN, A, 60.0)),
    ],
)
def test_an_order_is_the_command_lines(button: Button, check: Callable[[Any], bool]) -> None:
    """A press becomes what an operator would have typed; the person is its author, the incident its reason."""
    order = request_for(button, ANA)
    assert check(order)
    assert (order.subject, order.author, order.force) == ("chat", ANA, False)
    assert order.reason == "pressed in Slack, incident 7"
