"""Failback in steps, by hand and at once, and what a caller in virtual time may rely on: combinations and stories."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from controller.routing.decision import Decision, MoveKind
from controller.routing.policy import decide_all
from controller.routing.route_case import RouteVerdict
from monitor.config.controller_settings import ControllerSettings, Failback
from monitor.config.route import Route
from monitor.health import UNHEALTHY, Health, TargetHealth
from tests.support.builders import T0, settings

A, B, C = "openai/a", "openai/b", "anthropic/c"
IDS = (A, B, C)
SETTINGS = settings(Path("nowhere"), *IDS)
STEPS = Failback(mode="steps", steps=(0.07, 0.5, 1.0), step_s=120.0)
MODES: tuple[Literal["auto", "manual", "steps"], ...] = ("auto", "manual", "steps")
GOOD = {Health.UP: 0, Health.SUSPECT: 1, Health.DEGRADED: 2, Health.UNKNOWN: 3}
CAN_MOVE = frozenset({Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.MISCONFIGURED})


def health(
    words: Sequence[Health], *, for_s: float = 600.0, ok_s: float | Sequence[float] = 10.0
) -> dict[str, TargetHealth]:
    """Of the targets, each for so long, with a good answer so long ago."""
    ages = [ok_s] * len(words) if isinstance(ok_s, float) else ok_s
    return {
        name: TargetHealth(
            target=name,
            health=word,
            since=T0 - timedelta(seconds=for_s),
            reason=f"{name} is {word}",
            last_ok_at=T0 - timedelta(seconds=age),
        )
        for name, word, age in zip(IDS, words, ages, strict=False)
    }


def at(target: str, *, home: str | None = None, share: float = 7.0, for_s: float = 3600.0) -> Decision:
    """The route has pointed there for so long, perhaps with a share on the way back home."""
    return Decision(
        route="chat",
        target=target,
        at=T0 - timedelta(seconds=for_s),
        reason="before",
        move=MoveKind.STEP if home else MoveKind.FAILOVER,
        weights=((home, share), (target, 100 - share)) if home else (),
    )


def ask(
    current: Decision | None,
    seen: dict[str, TargetHealth],
    failback: Failback = STEPS,
    *,
    route: Route | None = None,
    later_s: float = 0.0,
) -> RouteVerdict:
    """The verdict so long after T0."""
    routes = (route,) if route else SETTINGS.routes
    wanted = replace(SETTINGS, controller=ControllerSettings(failback=failback), routes=routes)
    states = {"chat": current} if current else {}
    return decide_all(wanted, states, seen, now=T0 + timedelta(seconds=later_s), generation=8)["chat"]


def decided(current: Decision, seen: dict[str, TargetHealth], failback: Failback = STEPS) -> Decision:
    """The decision, which there must be."""
    decision = ask(current, seen, failback).decision
    assert decision is not None
    return decision


def check_steps(words: Sequence[Health], route: Route, current: Decision, verdict: RouteVerdict, long: bool) -> None:
    """What must hold while a failback in steps is under way."""
    by_name = dict(zip(IDS, words, strict=True))
    present, home = by_name[current.target], by_name[current.home or ""]
    decision = verdict.decision
    if present in route.fail_over_on:
        mine = GOOD.get(present, 4)
        better = [name for name in IDS if name != current.target and GOOD.get(by_name[name], 4) < mine]
        assert (decision is not None and decision.move is MoveKind.FAILOVER) == bool(better), "it flees at once"
        assert decision is None or not decision.weights
        assert decision is None or better or decision.move is MoveKind.ABORT
    elif home in UNHEALTHY:
        assert decision is not None
        assert (decision.move, decision.target, decision.weights) == (MoveKind.ABORT, current.target, ())
    elif home is Health.UP and long:
        assert decision is not None
        assert decision.move in {MoveKind.STEP, MoveKind.FAILBACK}
        assert decision.home_share > current.home_share or decision.target == current.home
    else:
        assert decision is None, "suspect and unknown hold the share, and so does a step that is not over"
        assert verdict.settled == (home is not Health.UP)


@pytest.mark.slow
def test_the_invariants_of_steps_hold_for_every_combination() -> None:
    """All healths of three targets, every standby and home, every share, inside and after a step."""
    ways = [(B, A), (C, A), (C, B)]
    for words in itertools.product(Health, repeat=3):
        seen = health(words)
        for (target, home), share, long, moves in itertools.product(ways, (7.0, 50.0), (False, True), (False, True)):
            chat = Route(name="chat", candidates=IDS, fail_over_on=CAN_MOVE if moves else CAN_MOVE - {Health.DEGRADED})
            current = at(target, home=home, share=share, for_s=3600 if long else 119)
            check_steps(words, chat, current, ask(current, seen, route=chat), long)


@pytest.mark.slow
def test_a_settled_verdict_waits_for_a_change_of_health() -> None:
    """Whatever time passes and however answers come and go, it decides nothing until some health is another word."""
    count = 0
    for words in itertools.product(Health, repeat=3):
        for mode, current in itertools.product(MODES, (at(A), at(B, for_s=5), at(C), at(C, home=A, for_s=5))):
            failback = replace(STEPS, mode=mode)
            if not ask(current, health(words), failback).settled:
                continue
            count += 1
            for later_s, ok_s in ((90.0, 10.0), (7200.0, -7190.0), (86400.0, 10.0)):
                verdict = ask(current, health(words, ok_s=ok_s), failback, later_s=later_s)
                assert (verdict.decision, verdict.settled) == (None, True), (words, current, mode)
    assert count > 2000


def test_what_hangs_on_a_fresh_answer_is_not_settled() -> None:
    """An answer of a standby is no change of its health, and can be all that is missing."""
    failing = ask(at(A), health((Health.DOWN, Health.DEGRADED, Health.DOWN), ok_s=3600.0))
    assert (failing.stuck, failing.settled) == (True, False)
    assert not ask(at(B), health((Health.UP, Health.UP, Health.UP), ok_s=3600.0)).settled
    assert not ask(at(B, for_s=5), health((Health.UP, Health.UP, Health.UP))).settled, "nor what waits for the dwell"


@pytest.mark.parametrize("failback", [STEPS, Failback(mode="auto"), Failback(mode="manual")], ids=lambda f: f.mode)
def test_decide_all_answers_for_every_route_in_order(failback: Failback) -> None:
    """Routes on their first candidate and others side by side; a target nobody has seen is unknown."""
    routes = tuple(Route(name=name, candidates=IDS) for name in ("quiet", "moved", "new", "unseen"))
    wanted = replace(SETTINGS, controller=ControllerSettings(failback=failback), routes=routes)
    seen = health((Health.UP, Health.UP))
    states = {"quiet": at(A), "moved": at(C), "unseen": at(A)}
    verdicts = decide_all(wanted, states, seen, now=T0, generation=8)
    assert list(verdicts) == [route.name for route in routes]
    assert verdicts["quiet"] == verdicts["unseen"] == RouteVerdict(settled=True)
    new = verdicts["new"].decision
    assert new is not None
    assert (new.move, new.target, new.reason) == (MoveKind.FIRST, A, f"{A} is up")
    assert (verdicts["moved"].decision is None) == (failback.mode == "manual")


def test_the_steps_of_a_failback() -> None:
    """Each takes its time; the route points at the standby until the last; the sentences tell what has been proven."""
    seen = health((Health.UP, Health.UP, Health.UP))
    first = decided(at(C), seen)
    assert (first.move, first.target, first.weights) == (MoveKind.STEP, C, ((A, 7.0), (C, 93.0)))
    assert first.reason == f"{A} is up"
    assert first.at == T0, "a step takes its time from its own beginning"
    second = decided(at(C, home=A, share=7.0, for_s=120), seen)
    assert (second.move, second.target, second.weights) == (MoveKind.STEP, C, ((A, 50.0), (C, 50.0)))
    assert second.reason == f"{A} has stayed up with 7 % of the requests for 2 min"
    last = decided(at(C, home=A, share=50.0, for_s=120), seen)
    assert (last.move, last.target, last.weights) == (MoveKind.FAILBACK, A, ())


def test_a_step_begins_anew_after_a_suspicion() -> None:
    """Up for less than a step is not yet proven, however long the share has been held."""
    seen = health((Health.UP, Health.UP, Health.UP), for_s=119)
    assert ask(at(C, home=A), seen) == RouteVerdict()
    seen = health((Health.UP, Health.UP, Health.UP), for_s=120)
    assert decided(at(C, home=A), seen).move is MoveKind.STEP


def test_a_relapse_takes_everything_back_at_once() -> None:
    """With the sentence of the relapse; and without waiting for any dwell."""
    decision = decided(at(C, home=A, for_s=1), health((Health.DEGRADED, Health.UP, Health.UP)))
    assert (decision.move, decision.target, decision.weights) == (MoveKind.ABORT, C, ())
    assert decision.reason == f"{A} is degraded"


def test_a_standby_that_fails_during_the_steps_is_left_for_home() -> None:
    """All requests to the preferred target at once."""
    decision = decided(at(C, home=A, for_s=1), health((Health.UP, Health.UP, Health.DOWN)))
    assert (decision.move, decision.before, decision.target, decision.weights) == (MoveKind.FAILOVER, C, A, ())


def test_a_first_candidate_that_comes_back_waits_for_the_steps_to_a_second() -> None:
    """One failback at a time: then the next begins."""
    assert decided(at(C, home=B, share=50.0), health((Health.UP, Health.UP, Health.UP))).target == B
    assert decided(at(B), health((Health.UP, Health.UP, Health.UP))).weights == ((A, 7.0), (B, 93.0))


@pytest.mark.parametrize(
    ("failback", "move", "weights"),
    [
        pytest.param(Failback(mode="auto"), MoveKind.FAILBACK, (), id="auto: at once"),
        pytest.param(Failback(mode="manual"), MoveKind.ABORT, (), id="manual: not without a person"),
        pytest.param(
            replace(STEPS, steps=(0.2, 1.0)), MoveKind.STEP, ((A, 20.0), (C, 80.0)), id="the next larger step"
        ),
        pytest.param(replace(STEPS, steps=(0.01, 1.0)), MoveKind.FAILBACK, (), id="no larger step but the last"),
    ],
)
def test_a_configuration_that_changed_during_the_steps(
    failback: Failback, move: MoveKind, weights: tuple[tuple[str, float], ...]
) -> None:
    """A restart goes on from the weights in the journal, by the rules as they are now."""
    decision = decided(at(C, home=A, share=7.0), health((Health.UP, Health.UP, Health.UP)), failback)
    assert (decision.move, decision.weights) == (move, weights)


def test_manual_never_goes_back_by_itself_but_still_fails_over() -> None:
    """It says which target waits; a failing standby is left all the same, for the preferred one if that is best."""
    manual = Failback(mode="manual")
    assert ask(at(C), health((Health.UP, Health.UP, Health.UP)), manual) == RouteVerdict(settled=True, waiting=A)
    assert ask(at(C), health((Health.DOWN, Health.UP, Health.UP)), manual).waiting == B
    assert decided(at(C), health((Health.UP, Health.UP, Health.DOWN)), manual).target == A
    assert decided(at(A), health((Health.DOWN, Health.UP, Health.UP)), manual).move is MoveKind.FAILOVER


def test_a_dry_run_decides_the_same_and_says_so() -> None:
    """The decision carries the mark into the journal, and its state does into the next verdict."""
    wanted = replace(SETTINGS, controller=ControllerSettings(dry_run=True))
    seen = health((Health.DOWN, Health.UP, Health.UP))
    decision = decide_all(wanted, {"chat": at(A)}, seen, now=T0, generation=8)["chat"].decision
    assert decision is not None
    assert decision == replace(decided(at(A), seen), dry_run=True)
    assert decision.dry_run
