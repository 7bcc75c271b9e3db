"""The policy and operator overrides: every combination of pin, drain, pause, health and failback mode, and stories."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import Override, OverrideKind, Overrides
from controller.routing.policy import decide_all
from controller.routing.route_case import RouteVerdict
from monitor.config.controller_settings import ControllerSettings, Failback
from monitor.health import Health, TargetHealth
from tests.support.builders import T0, settings

A, B, C = "openai/a", "openai/b", "anthropic/c"
IDS = (A, B, C)
SETTINGS = settings(Path("nowhere"), *IDS)
GOOD = (Health.UP, Health.SUSPECT, Health.DEGRADED, Health.UNKNOWN)
MODES: tuple[Literal["auto", "manual", "steps"], ...] = ("auto", "manual", "steps")
UNTIL = "by ana until 20:00 UTC: the reason"


def override(kind: OverrideKind, subject: str, target: str | None = None) -> Override:
    """Laid on by ana an hour ago, for three."""
    begun = T0 - timedelta(hours=1)
    until = T0 + timedelta(hours=2)
    return Override(kind=kind, subject=subject, target=target, author="ana", reason="the reason", at=begun, until=until)


def overrides_of(*, pin: str | None = None, drain: str | None = None, pause: str | None = None) -> Overrides:
    """What is in force."""
    one = [override(OverrideKind.PIN, "chat", pin)] if pin else []
    one += [override(OverrideKind.DRAIN, drain)] if drain else []
    one += [override(OverrideKind.PAUSE, pause)] if pause else []
    return Overrides.at(one, T0)


def state(
    target: str, move: MoveKind = MoveKind.FAILOVER, *, for_s: float = 3600.0, home: str | None = None
) -> Decision:
    """The route has pointed there for so long, perhaps with 10 % on the way back home."""
    weights = ((home, 10.0), (target, 90.0)) if home else ()
    since = T0 - timedelta(seconds=for_s)
    return Decision(route="chat", target=target, at=since, reason="before", move=move, weights=weights)


def healths(*words: Health) -> dict[str, TargetHealth]:
    """Of the three targets, each for ten minutes, with an answer of ten seconds ago."""
    since, seen = T0 - timedelta(minutes=10), T0 - timedelta(seconds=10)
    return {
        name: TargetHealth(target=name, health=word, since=since, reason=f"{name} is {word}", last_ok_at=seen)
        for name, word in zip(IDS, words, strict=True)
    }


def ask(
    current: Decision | None,
    health: dict[str, TargetHealth],
    overrides: Overrides,
    mode: Literal["auto", "manual", "steps"] = "auto",
) -> RouteVerdict:
    """The verdict at T0."""
    wanted = replace(SETTINGS, controller=ControllerSettings(failback=Failback(mode=mode)))
    states = {"chat": current} if current else {}
    return decide_all(wanted, states, health, now=T0, generation=8, overrides=overrides)["chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One combination and what the policy says to it."""

    words: tuple[Health, ...]
    present: str
    pin: str | None
    drained: frozenset[str]
    paused: bool
    laid: Overrides
    """Those in force but for the pause."""
    mode: Literal["auto", "manual", "steps"]
    verdict: RouteVerdict

    def refuges(self) -> list[str]:
        """Where else the route may go."""
        pairs = zip(IDS, self.words, strict=True)
        return [name for name, word in pairs if word in GOOD and name not in self.drained and name != self.present]


def cases() -> Iterator[Case]:
    """Five kinds of health for three targets, wherever the route points, every mode, pin, drain and pause."""
    kinds = (Health.UP, Health.SUSPECT, Health.DEGRADED, Health.UNKNOWN, Health.DOWN)
    drains = {None: (), A: (A,), B: (B,), C: (C,), "openai": (A, B)}
    for words in itertools.product(kinds, repeat=3):
        health = healths(*words)
        for pin, drain, pause in itertools.product((None, *IDS), drains, (None, "chat")):
            overrides = overrides_of(pin=pin, drain=drain, pause=pause)
            for present, mode in itertools.product(IDS, MODES):
                yield Case(
                    words=words,
                    present=present,
                    pin=pin,
                    drained=frozenset(drains[drain]),
                    paused=pause is not None,
                    laid=overrides_of(pin=pin, drain=drain),
                    mode=mode,
                    verdict=ask(state(present), health, overrides, mode),
                )


def check(case: Case) -> None:
    """The invariants, in the order of who beats whom."""
    decision = case.verdict.decision
    if case.pin:
        there = case.present if decision is None else decision.target
        assert there == case.pin, "a pin is where the route is, whatever anybody else says"
        assert decision is None or decision.move is MoveKind.PIN
        assert (case.verdict.warning is not None) == (case.words[IDS.index(case.pin)] in {Health.DEGRADED, Health.DOWN})
    elif case.present in case.drained:
        assert (decision is not None) == bool(case.refuges()), "it leaves a drained target for any that is eligible"
        assert (case.verdict.warning is not None) == (decision is None), "and says so where it cannot"
        assert decision is None or (decision.move is MoveKind.DRAIN and decision.target in case.refuges())
    elif case.paused:
        assert (decision, case.verdict.stuck) == (None, False), "a pause leaves it there"
        free = ask(state(case.present), healths(*case.words), case.laid, case.mode)
        would = free.decision and free.decision.target != case.present
        said = f"{case.verdict.warning} {case.verdict.held}"
        assert ("it would move to" in said) == bool(would), "and says which move it holds back"
        assert case.verdict.settled == (free.settled or free.decision is not None)
        failing = case.words[IDS.index(case.present)] is Health.DOWN
        assert (case.verdict.warning is not None) == failing, "and says so where that costs something"
    elif decision:
        assert decision.target not in case.drained, "nothing goes to a drained target"
        assert decision.move in {MoveKind.FAILOVER, MoveKind.FAILBACK, MoveKind.STEP}
        assert (decision.move is MoveKind.STEP) <= (case.mode == "steps"), "steps in steps only"
        assert decision.move is not MoveKind.FAILBACK or case.mode == "auto", "nothing goes back at once, or by itself"
        assert all(target not in case.drained for target, _ in decision.weights)
    if case.verdict.waiting:
        assert (case.mode, case.pin, decision) == ("manual", None, None)
        assert case.words[IDS.index(case.verdict.waiting)] is Health.UP


@pytest.mark.slow
def test_the_hand_goes_first_in_every_combination() -> None:
    """A pin beats a drain, a drain beats a pause, a pause beats the policy; in every failback mode."""
    count = 0
    for case in cases():
        check(case)
        count += 1
    assert count == 5**3 * 4 * 5 * 2 * 3 * 3


def test_steps_under_way_obey_the_hand_in_every_combination() -> None:
    """A pin takes all requests; a drain of either target ends the steps; a pause leaves the weights alone."""
    for words in itertools.product(Health, repeat=2):
        health = healths(words[0], Health.UP, words[1])
        current = state(C, MoveKind.STEP, home=A, for_s=3600)
        for target in IDS:
            decision = ask(current, health, overrides_of(pin=target, pause="all"), "steps").decision
            assert decision is not None
            assert (decision.move, decision.target, decision.weights) == (MoveKind.PIN, target, ())
        drained = ask(current, health, overrides_of(drain="openai", pause="all"), "steps").decision
        assert drained is not None
        assert (drained.move, drained.target, drained.weights) == (MoveKind.ABORT, C, ())
        left = ask(current, health, overrides_of(drain=C, pause="all"), "steps").decision
        assert left is not None
        assert (left.move, left.weights, left.target in {A, B}) == (MoveKind.DRAIN, (), True)
        held = ask(current, health, overrides_of(pause="all"), "steps")
        assert (held.decision, held.settled) == (None, True)


def test_a_pin_says_who_until_when_and_why() -> None:
    """The decision's reason is a sentence that stands alone."""
    decision = ask(state(A), healths(Health.UP, Health.UP, Health.UP), overrides_of(pin=C)).decision
    assert decision is not None
    assert decision.reason == f"pinned to {C} {UNTIL}"


def test_a_pin_that_ends_another_day_says_which() -> None:
    """An hour alone would be today's; and what a person typed stays one line."""
    long = replace(override(OverrideKind.PIN, "chat", C), until=T0 + timedelta(days=3), reason="line\n\x1b[31mline")
    decision = ask(state(A), healths(Health.UP, Health.UP, Health.UP), Overrides.at([long], T0)).decision
    assert decision is not None
    assert decision.reason == f"pinned to {C} by ana until 2026-11-24 18:00 UTC: line [31mline"


def test_a_pin_to_a_target_that_fails_warns_for_as_long_as_it_does() -> None:
    """The route goes there, and stays; the warning is the same while nothing changes."""
    health = healths(Health.UP, Health.UP, Health.DOWN)
    first, later = ask(state(A), health, overrides_of(pin=C)), ask(state(C, MoveKind.PIN), health, overrides_of(pin=C))
    assert first.warning == later.warning == f"route chat is pinned to {C} {UNTIL}; {C} is down"
    assert (later.decision, later.stuck) == (None, False)


def test_a_pause_on_a_target_that_fails_warns_for_as_long_as_it_does() -> None:
    """It holds the route all the same, and says what that costs, and who can end it."""
    health = healths(Health.UP, Health.UP, Health.DOWN)
    verdict = ask(state(C), health, overrides_of(pause="chat"))
    warning = f"route chat is paused on {C} {UNTIL}; {C} is down; it would move to {A}"
    assert (verdict.decision, verdict.warning) == (None, warning)
    nowhere = ask(state(C), healths(Health.DOWN, Health.DOWN, Health.DOWN), overrides_of(pause="chat"))
    assert nowhere.warning == f"route chat is paused on {C} {UNTIL}; {C} is down", "it would not move anyway"


def test_a_pause_says_which_move_it_holds_back_from_a_target_that_serves() -> None:
    """A failback, as nobody else says so."""
    verdict = ask(state(C), healths(Health.UP, Health.UP, Health.UP), overrides_of(pause="chat"))
    held = f"route chat is paused on {C} {UNTIL}; it would move to {A}: {A} is up"
    assert (verdict.decision, verdict.warning, verdict.held) == (None, None, held)
    assert ask(state(A), healths(Health.UP, Health.UP, Health.UP), overrides_of(pause="chat")).held is None


@pytest.mark.parametrize("mode", MODES)
def test_the_end_of_a_pin_takes_the_route_home_in_every_mode(mode: Literal["auto", "manual", "steps"]) -> None:
    """A person put it there: it has not failed over, so nobody need bring it back, and no dwell holds it."""
    decision = ask(
        state(C, MoveKind.PIN, for_s=1), healths(Health.UP, Health.UP, Health.UP), overrides_of(), mode
    ).decision
    assert decision is not None
    assert decision.home == (A if mode == "steps" else None)
    assert decision.target == (C if mode == "steps" else A)
    assert decision.reason == f"no longer pinned: {A} is up"


def test_a_pin_to_where_a_route_failed_over_changes_nothing() -> None:
    """And its end makes no failback of what a provider's failure did: manual still waits."""
    health = healths(Health.UP, Health.UP, Health.UP)
    assert ask(state(C), health, overrides_of(pin=C), "manual") == RouteVerdict(settled=True)
    assert ask(state(C), health, overrides_of(), "manual").waiting == A


def test_a_pin_to_a_target_that_is_no_candidate_any_more_counts_for_nothing() -> None:
    """The configuration has changed under it; a route must not follow it into nowhere."""
    verdict = ask(state(A), healths(Health.UP, Health.UP, Health.UP), overrides_of(pin="gone/x"))
    assert verdict == RouteVerdict(settled=True)


def test_pinning_and_unpinning_accepts_a_manual_failback() -> None:
    """The documented way: once the pin is over, nothing is preferred to where the route is."""
    health = healths(Health.UP, Health.UP, Health.UP)
    accepted = ask(state(C), health, overrides_of(pin=A), "manual").decision
    assert accepted is not None
    assert accepted.target == A
    assert ask(accepted, health, overrides_of(), "manual") == RouteVerdict(settled=True)


def test_a_drain_that_leaves_nothing_eligible_holds_and_says_so() -> None:
    """Better a drained target than a failing one."""
    verdict = ask(state(A), healths(Health.UP, Health.UP, Health.DOWN), overrides_of(drain="openai"))
    assert (verdict.decision, verdict.stuck) == (None, False)
    stays = f"route chat stays on {A}, because no other candidate is eligible"
    assert verdict.warning == f"{stays}: openai is drained {UNTIL}"


def test_a_drained_target_is_left_even_for_a_worse_one() -> None:
    """An operator wants it empty; degraded users are better than none."""
    decision = ask(state(A), healths(Health.UP, Health.DOWN, Health.DEGRADED), overrides_of(drain=A)).decision
    assert decision is not None
    assert (decision.move, decision.target) == (MoveKind.DRAIN, C)
    assert decision.reason == f"{A} is drained {UNTIL}"


def test_the_end_of_a_pin_is_told_as_such_where_a_drain_holds() -> None:
    """It moved the route; the drain was in force all the time."""
    decision = ask(state(A, MoveKind.PIN), healths(Health.UP, Health.UP, Health.UP), overrides_of(drain=A)).decision
    assert decision is not None
    assert decision.reason == f"no longer pinned: {A} is drained {UNTIL}"


def test_failback_follows_its_mode_when_a_drain_ends() -> None:
    """Auto goes back, manual waits."""
    health = healths(Health.UP, Health.UP, Health.UP)
    auto = ask(state(C, MoveKind.DRAIN), health, overrides_of()).decision
    assert auto is not None
    assert (auto.move, auto.target) == (MoveKind.FAILBACK, A)
    assert ask(state(C, MoveKind.DRAIN), health, overrides_of(), "manual").waiting == A


@pytest.mark.parametrize(
    ("overrides", "expected", "reason"),
    [
        pytest.param(overrides_of(pin=C), C, f"pinned to {C} {UNTIL}", id="pinned"),
        pytest.param(overrides_of(drain="openai"), C, f"openai is drained {UNTIL}", id="the first candidate drained"),
        pytest.param(overrides_of(pause="all"), A, f"{A} is up", id="paused: applications need a file all the same"),
    ],
)
def test_a_new_route_begins_where_the_hand_wants_it(overrides: Overrides, expected: str, reason: str) -> None:
    """Overrides count from the first decision."""
    decision = ask(None, healths(Health.UP, Health.UP, Health.UP), overrides).decision
    assert decision is not None
    assert (decision.target, decision.reason) == (expected, reason)


def test_a_paused_route_still_leaves_what_the_configuration_no_longer_has() -> None:
    """A file that names a target nobody describes would be no file at all."""
    health = healths(Health.UP, Health.UP, Health.UP)
    moved = ask(state("gone/x"), health, overrides_of(pause="chat")).decision
    assert moved is not None
    assert moved.target == A
    aborted = ask(state(C, MoveKind.STEP, home="gone/x"), health, overrides_of(pause="chat"), "steps").decision
    assert aborted is not None
    assert (aborted.move, aborted.reason) == (MoveKind.ABORT, "gone/x is no candidate of chat any more")
