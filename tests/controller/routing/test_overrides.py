"""Overrides as values: what is in force, for which routes and targets, and the texts that people read."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.routing import override_text
from controller.routing.overrides import (
    ALL,
    NO_OVERRIDES,
    Override,
    OverrideKind,
    Overrides,
    drained_targets,
    explain_no_effect,
    routes_without_candidate,
    touched_routes,
    warning_due,
)
from monitor.config.route import Route
from monitor.health import Health, TargetHealth
from tests.support.builders import T0, settings

A, B, C = "openai/a", "openai/b", "anthropic/c"
PIN, DRAIN, PAUSE = OverrideKind.PIN, OverrideKind.DRAIN, OverrideKind.PAUSE
HOUR = timedelta(hours=1)
ROUTES = (
    Route(name="chat", candidates=(A, C)),
    Route(name="code", candidates=(A, B)),
    Route(name=ALL, candidates=(C,)),
)


def override(kind: OverrideKind, subject: str, *, number: int = 1, target: str | None = None) -> Override:
    """An override by ana, begun `number` seconds after T0, for two hours."""
    at = T0 + timedelta(seconds=number)
    return Override(
        id=number, kind=kind, subject=subject, target=target, author="ana", reason="a test", at=at, until=at + 2 * HOUR
    )


def test_no_overrides_mean_nothing() -> None:
    """The policy may ask for any route and any target."""
    asked = (NO_OVERRIDES.pin("chat"), NO_OVERRIDES.paused("chat"), NO_OVERRIDES.drained(A, "openai"))
    assert asked == (None, None, None)


def test_only_what_is_in_force_counts() -> None:
    """Neither what somebody ended nor what has expired; what a clock that was set back puts in the future counts."""
    pin = override(PIN, "chat", target=C)
    ended = replace(pin, id=2, ended_at=pin.at + HOUR, ended_by="bob")
    assert Overrides.at([ended, pin], pin.at).active == (pin,)
    assert Overrides.at([pin], pin.until - timedelta(milliseconds=1)).active == (pin,)
    assert Overrides.at([pin], pin.until).active == ()
    assert Overrides.at([pin], pin.at - HOUR).active == (pin,)


def test_the_newest_counts() -> None:
    """Two operators who begin the same override at once: the later one is right, whatever the order of the rows."""
    first, second = override(PIN, "chat", target=A), override(PIN, "chat", number=2, target=C)
    for rows in ([first, second], [second, first]):
        assert Overrides.at(rows, T0).pin("chat") == second


def test_whom_it_concerns() -> None:
    """A pin its route; a drain its target, or every target of its provider; a pause its route, or every one."""
    pin, whole, one = override(PIN, "chat", target=C), override(DRAIN, "openai"), override(DRAIN, C, number=2)
    chat, every = override(PAUSE, "chat"), override(PAUSE, ALL)
    begun = Overrides.at([pin, whole, one], T0)
    assert (begun.pin("chat"), begun.pin("code"), begun.paused("chat")) == (pin, None, None)
    assert [begun.drained(name, name.split("/")[0]) for name in (A, B, C, "anthropic/d")] == [whole, whole, one, None]
    assert Overrides.at([chat], T0).paused("code") is None
    assert Overrides.at([chat, every], T0).paused("code") == every


@pytest.mark.parametrize(
    ("begun", "why"),
    [
        pytest.param(override(PIN, "chat", target=C), None, id="a pin to a candidate means something"),
        pytest.param(override(PIN, "gone", target=C), "there is no route gone any more", id="its route is gone"),
        pytest.param(
            override(PIN, "chat", target=B), f"{B} is no candidate of chat any more", id="its target is no candidate"
        ),
        pytest.param(override(DRAIN, "openai"), None, id="a drain of a provider"),
        pytest.param(override(DRAIN, B), None, id="a drain of a target"),
        pytest.param(override(DRAIN, "openai/z"), "there is no openai/z any more", id="its target is gone"),
        pytest.param(override(PAUSE, "code"), None, id="a pause of a route"),
        pytest.param(override(PAUSE, ALL), None, id="a pause of all"),
        pytest.param(override(PAUSE, "gone"), "there is no route gone any more", id="a pause of a route that is gone"),
    ],
)
def test_what_the_configuration_no_longer_has_is_left_out(begun: Override, why: str | None, tmp_path: Path) -> None:
    """The policy never hears of a name that is not in the configuration."""
    known = settings(tmp_path, A, B, C, routes=ROUTES)
    assert explain_no_effect(begun, known) == why
    assert Overrides(active=(begun,)).applicable(known).active == ((begun,) if why is None else ())


@pytest.mark.parametrize(
    ("kind", "subject", "touched"),
    [
        pytest.param(PIN, "chat", ["chat"], id="a pin: its route"),
        pytest.param(PIN, ALL, [ALL], id="a pin of a route called all: that route alone"),
        pytest.param(DRAIN, "openai", ["chat", "code"], id="a drain: routes with such a candidate"),
        pytest.param(DRAIN, C, ["chat", ALL], id="a drain of a target"),
        pytest.param(PAUSE, "code", ["code"], id="a pause: its route"),
        pytest.param(PAUSE, ALL, ["chat", "code", ALL], id="a pause of all: every route"),
        pytest.param(DRAIN, "nobody", [], id="an unknown name: none"),
    ],
)
def test_touched_routes(kind: OverrideKind, subject: str, touched: list[str], tmp_path: Path) -> None:
    """Which routes an operator is told about."""
    known = settings(tmp_path, A, B, C, routes=ROUTES)
    assert [route.name for route in touched_routes(kind, subject, known)] == touched


def test_drained_dry(tmp_path: Path) -> None:
    """A route all of whose candidates are drained has nowhere to go."""
    known = settings(tmp_path, A, B, C, routes=ROUTES)
    assert drained_targets("openai", known) == (A, B)
    assert routes_without_candidate(Overrides(active=(override(DRAIN, A),)), known) == ()
    assert routes_without_candidate(Overrides(active=(override(DRAIN, "openai"),)), known) == ("code",)
    assert routes_without_candidate(Overrides(active=(override(DRAIN, A), override(DRAIN, C))), known) == ("chat", ALL)


@pytest.mark.parametrize(
    ("warned_s", "failing_since_s", "now_s", "due"),
    [
        pytest.param(None, -60, 0, True, id="never warned: at once"),
        pytest.param(0, -60, 60, False, id="warned a minute ago of the same: not yet"),
        pytest.param(0, -60, 1799, False, id="just short of half an hour"),
        pytest.param(0, -60, 1800, True, id="half an hour: again"),
        pytest.param(0, 300, 300, True, id="it failed anew since: at once"),
        pytest.param(0, 20, 30, False, id="it fails and recovers within the minute: no hail of messages"),
        pytest.param(0, -60, -3600, True, id="the clock was set back: said once, then counted from there"),
    ],
)
def test_when_to_warn(warned_s: float | None, failing_since_s: float, now_s: float, due: bool) -> None:
    """At once when it begins to fail, then every half hour."""
    state = TargetHealth(target=A, health=Health.DOWN, since=T0 + timedelta(seconds=failing_since_s), reason="down")
    warned_at = None if warned_s is None else T0 + timedelta(seconds=warned_s)
    assert warning_due(state, warned_at, T0 + timedelta(seconds=now_s)) is due


DOWN = TargetHealth(target=C, health=Health.DOWN, since=T0, reason=f"{C} is down: 9 of 14 probes failed in 41 s")
CHAT = override(PIN, "chat", target=C)


@pytest.mark.parametrize(
    ("note", "kind", "text"),
    [
        pytest.param(
            override_text.begun_event(CHAT, before=A, replaced=[replace(CHAT, target=A, author="bob")]),
            "pinned",
            f"ana pinned chat to {C} until 20:00:01 UTC (2 h): a test; it pointed at {A}; "
            f"it replaces the pin of chat to {A} by bob",
            id="it began, and replaced another",
        ),
        pytest.param(
            override_text.begun_event(CHAT, before=C, failing=DOWN),
            "pinned",
            f"ana pinned chat to {C} until 20:00:01 UTC (2 h): a test; forced, although {C} is down: "
            "9 of 14 probes failed in 41 s",
            id="it was forced",
        ),
        pytest.param(
            override_text.begun_event(override(DRAIN, "openai"), left_dry=["chat", "code"]),
            "drained",
            "ana drained openai until 20:00:01 UTC (2 h): a test; routes chat, code have no other candidate and hold",
            id="it left routes without a candidate",
        ),
        pytest.param(
            override_text.begun_event(override(PAUSE, ALL)),
            "paused",
            "ana paused all routes until 20:00:01 UTC (2 h): a test",
            id="all routes",
        ),
        pytest.param(
            override_text.ended_event(
                replace(CHAT, ended_at=CHAT.at + timedelta(minutes=43), ended_by="bob", ended_reason="over")
            ),
            "unpinned",
            f"bob ended the pin of chat to {C} by ana after 43 min: over",
            id="somebody else took it back",
        ),
        pytest.param(
            override_text.expired_event(CHAT, CHAT.until),
            "pin_expired",
            f"the pin of chat to {C} by ana expired at 20:00:01 UTC; its reason was: a test",
            id="it expired",
        ),
        pytest.param(
            override_text.pin_warning_event(CHAT, DOWN, T0 + HOUR),
            "pin_to_failing_target",
            f"chat is pinned to {C} until 20:00:01 UTC by ana; hotspare unpin chat ends it. "
            f"{C} is down: 9 of 14 probes failed in 41 s. The pin's reason was: a test",
            id="its target fails",
        ),
    ],
)
def test_what_people_read(note: override_text.OverrideEvent, kind: str, text: str) -> None:
    """Who, what, until when and why, in one sentence."""
    assert (note.kind, note.text) == (kind, text)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        pytest.param(timedelta(minutes=43, seconds=12), "expires in 43 min", id="minutes are enough"),
        pytest.param(timedelta(hours=2), "expires in 2 h", id="hours"),
        pytest.param(timedelta(seconds=41), "expires in 41 s", id="towards the end, seconds"),
        pytest.param(timedelta(0), "expired", id="over"),
    ],
)
def test_the_time_that_is_left(left: timedelta, words: str) -> None:
    """As people would say it."""
    assert override_text.format_time_left(CHAT, CHAT.until - left) == words
