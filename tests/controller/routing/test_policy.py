"""The policy's invariants, over every combination of health, and its stories. Steps and overrides: the next files."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.routing.candidates import Candidate
from controller.routing.decision import Decision, MoveKind
from controller.routing.policy import decide, decide_all
from controller.routing.route_case import RouteCase, RouteVerdict
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.health import Health, LowLimit, TargetHealth
from tests.support.builders import T0, settings

IDS = ("openai/a", "openai/b", "anthropic/c")
ROUTE = Route(name="chat", candidates=IDS)
ELIGIBLE = {Health.UP: 0, Health.SUSPECT: 1, Health.DEGRADED: 2, Health.UNKNOWN: 3}
DWELL_S = 60.0


def candidate(name: str, health: Health, *, recent: bool = True) -> Candidate:
    """A candidate whose last good answer is recent, or an hour old."""
    seen = T0 - timedelta(seconds=10 if recent else 3600)
    state = TargetHealth(target=name, health=health, since=T0, reason=f"{name} is {health}", last_ok_at=seen)
    return Candidate(id=name, provider=name.partition("/")[0], health=state, longest_ok_age_s=120)


def at(name: str, *, for_s: float = 3600) -> Decision:
    """The route has pointed at this target for so long."""
    return Decision(route="chat", target=name, at=T0 - timedelta(seconds=for_s), reason="before")


def ask(current: Decision | None, *candidates: Candidate, route: Route = ROUTE) -> RouteVerdict:
    """The policy's verdict at T0."""
    known = {one.id: one for one in candidates}
    controller = ControllerSettings(dwell_s=DWELL_S)
    case = RouteCase(route=route, current=current, targets=known, now=T0, generation=8, controller=controller)
    return decide(case)


COMBINATIONS = [
    (healths, recents, present, for_s, fail_over_on)
    for healths in itertools.product(Health, repeat=3)
    for recents in ((True, True, True), (True, False, True), (True, True, False), (False, False, False))
    for present in range(3)
    for for_s in (10.0, 3600.0)
    for fail_over_on in (ROUTE.fail_over_on, ROUTE.fail_over_on | {Health.DEGRADED})
]


@pytest.mark.slow
def test_the_invariants_hold_for_every_combination() -> None:
    """All healths of three candidates, fresh or stale, wherever the route points, however long, both `fail_over_on`."""
    for healths, recents, present, for_s, fail_over_on in COMBINATIONS:
        route = Route(name="chat", candidates=IDS, fail_over_on=fail_over_on)
        candidates = [
            candidate(name, health, recent=recent) for name, health, recent in zip(IDS, healths, recents, strict=True)
        ]
        verdict = ask(at(IDS[present], for_s=for_s), *candidates, route=route)
        assert verdict == ask(at(IDS[present], for_s=for_s), *reversed(candidates), route=route), (
            "same input, same answer"
        )
        fails = healths[present] in fail_over_on
        refuges = [one for one in candidates if one.is_eligible(T0) and one is not candidates[present]]
        if verdict.decision is None:
            assert verdict.stuck == (fails and not refuges), (healths, recents, present)
            continue
        chosen = candidates[IDS.index(verdict.decision.target)]
        assert chosen is not candidates[present], "a move goes somewhere else"
        assert chosen.is_eligible(T0), "never to a target that fails, or that nobody has proven lately"
        if fails:
            assert verdict.decision.move is MoveKind.FAILOVER
            assert ELIGIBLE[chosen.health.health] == min(ELIGIBLE[one.health.health] for one in refuges), "the best"
            if healths[present] in ELIGIBLE:
                assert ELIGIBLE[chosen.health.health] < ELIGIBLE[healths[present]], "only to a better one"
        elif verdict.decision.move is MoveKind.FAILOVER:
            assert (healths[present], chosen.health.health) == (Health.DEGRADED, Health.UP)
            assert IDS.index(chosen.id) > present > 0, "a degraded standby gives way"
            assert for_s >= DWELL_S, "not inside the dwell"
        else:
            assert verdict.decision.move is MoveKind.FAILBACK
            assert chosen.health.health is Health.UP
            assert IDS.index(chosen.id) < present, "only to a more preferred one"
            assert for_s >= DWELL_S, "not inside the dwell"


@pytest.mark.slow
def test_a_candidate_close_to_a_limit_is_the_last_choice_in_every_combination() -> None:
    """A failing target is left for it where nothing better has room, and for nothing else."""
    for healths, recents, present, for_s, fail_over_on in COMBINATIONS:
        if not all(recents) or for_s < DWELL_S:
            continue
        route = Route(name="chat", candidates=IDS, fail_over_on=fail_over_on)
        candidates = [candidate(name, health) for name, health in zip(IDS, healths, strict=True)]
        for limited in itertools.product((False, True), repeat=3):
            shown = [near_limit(one) if low else one for one, low in zip(candidates, limited, strict=True)]
            verdict = ask(at(IDS[present]), *shown, route=route)
            mine = ELIGIBLE.get(healths[present], len(ELIGIBLE))
            others = [one for one in shown if one.id != IDS[present] and one.is_eligible(T0)]
            better = [one for one in others if ELIGIBLE[one.health.health] < mine]
            if healths[present] not in fail_over_on or not better:
                continue
            assert verdict.decision, (healths, present, limited)
            chosen = shown[IDS.index(verdict.decision.target)]
            assert chosen in better
            assert not chosen.low_limit(T0) or all(one.low_limit(T0) for one in better)


@pytest.mark.slow
def test_a_failing_target_is_left_whenever_anything_better_is_eligible() -> None:
    """It never stays on what fails while an eligible candidate exists."""
    for healths, recents, present, for_s, fail_over_on in COMBINATIONS:
        route = Route(name="chat", candidates=IDS, fail_over_on=fail_over_on)
        candidates = [
            candidate(name, health, recent=recent) for name, health, recent in zip(IDS, healths, recents, strict=True)
        ]
        mine = ELIGIBLE.get(healths[present], 4) if healths[present] in fail_over_on else -1
        better = any(
            one.is_eligible(T0) and ELIGIBLE[one.health.health] < mine
            for one in candidates
            if one is not candidates[present]
        )
        verdict = ask(at(IDS[present], for_s=for_s), *candidates, route=route)
        if better:
            assert verdict.decision is not None


def test_the_first_file_points_at_the_first_candidate() -> None:
    """Before any observation the configured order is all there is."""
    verdict = ask(None, *(candidate(name, Health.UNKNOWN, recent=False) for name in IDS))
    assert verdict.decision is not None
    assert (verdict.decision.target, verdict.decision.move) == (IDS[0], MoveKind.FIRST)
    assert (verdict.decision.reason, verdict.decision.generation) == ("it is the first candidate", 8)


def test_a_failover_tells_why() -> None:
    """The decision's reason is the sentence of the health that caused it."""
    down, up, other = candidate(IDS[0], Health.DOWN), candidate(IDS[1], Health.UP), candidate(IDS[2], Health.UP)
    decision = ask(at(IDS[0], for_s=1), down, up, other).decision
    assert decision is not None
    assert (decision.move, decision.before, decision.reason) == (MoveKind.FAILOVER, IDS[0], "openai/a is down")


def near_limit(of: Candidate, *, for_s: float = 30) -> Candidate:
    """The candidate, whose last answer said that little is left of a limit for so long."""
    low = LowLimit(left="2 of 60 requests", until=T0 + timedelta(seconds=for_s))
    return replace(of, health=replace(of.health, low_limit=low))


def test_among_equals_one_that_is_close_to_a_limit_is_passed_over() -> None:
    """So that a failover is no second storm: while the limit lasts, and with the reason."""
    present, first, second = (
        candidate(n, h) for n, h in zip(IDS, (Health.UNUSABLE, Health.UP, Health.UP), strict=True)
    )
    said = f"{present.health.reason}; {first.id} is passed over: 2 of 60 requests left until {T0:%H:%M}:30 UTC"
    for limited, target, reason in (
        ((near_limit(first), second), second.id, said),
        ((near_limit(first, for_s=0), second), first.id, present.health.reason),
        ((near_limit(first, for_s=9e9), second), first.id, present.health.reason),
        ((near_limit(first), near_limit(second)), first.id, present.health.reason),
        ((first, near_limit(second)), first.id, present.health.reason),
    ):
        decision = ask(at(present.id), present, *limited).decision
        assert decision
        assert (decision.target, decision.reason) == (target, reason)


def test_among_equals_one_that_fails_long_requests_is_passed_over() -> None:
    """As the last choice of a failover; a route stays on it, but only goes back to it where a drill or a pin ends."""
    present, first, second = (candidate(n, h) for n, h in zip(IDS, (Health.DOWN, Health.UP, Health.UP), strict=True))
    said = "it has failed the check context 3 times in a row (bad_request)"
    unfit = replace(first, health=replace(first.health, failing_context=said))
    for others, target in (((unfit, second), second.id), ((unfit, replace(second, recent=())), second.id)):
        decision = ask(at(present.id), present, *others).decision
        assert decision
        assert (decision.target, decision.reason) == (
            target,
            f"{present.health.reason}; {first.id} is passed over: {said}",
        )
    down = candidate(second.id, Health.DOWN)
    alone = ask(at(present.id), present, unfit, down).decision
    assert alone
    assert alone.target == unfit.id
    assert "does not come back" in (unfit.why_not(T0) or "")
    for move, goes_back in ((MoveKind.FAILOVER, False), (MoveKind.DRILL, True), (MoveKind.PIN, True)):
        back = ask(replace(at(second.id, for_s=3 * 3600.0), move=move), present, unfit, second).decision
        assert bool(back) == goes_back
    assert ask(at(unfit.id, for_s=DWELL_S), present, unfit, second).decision is None


@pytest.mark.parametrize(
    ("for_s", "target"),
    [(DWELL_S, IDS[1]), (3599.0, IDS[1]), (3600.0, IDS[0])],
    ids=["after dwell", "within the hour", "a wrong figure holds nothing for ever"],
)
def test_a_route_does_not_go_back_into_a_limit(for_s: float, target: str) -> None:
    """It goes to the next candidate that is up, if there is one; a route that was pinned goes all the same."""
    home, second, third = (candidate(name, Health.UP) for name in IDS)
    decision = ask(at(third.id, for_s=for_s), near_limit(home), second, third).decision
    assert decision
    assert decision.target == target
    alone = ask(at(second.id, for_s=for_s), near_limit(home), second, third)
    assert (alone.decision is None, alone.settled) == (for_s < 3600, False if for_s < 3600 else alone.settled)
    unpinned = replace(at(third.id, for_s=for_s), move=MoveKind.PIN)
    decision = ask(unpinned, near_limit(home), second, third).decision
    assert decision
    assert decision.target == home.id


@pytest.mark.parametrize(
    ("worse", "target"), [(Health.SUSPECT, IDS[2]), (Health.DEGRADED, IDS[2]), (Health.DOWN, IDS[1])]
)
def test_a_candidate_close_to_a_limit_is_the_last_choice(worse: Health, target: str) -> None:
    """It would refuse what a route brings it; but it is better than none that is eligible."""
    present, first, second = (candidate(n, h) for n, h in zip(IDS, (Health.DOWN, Health.UP, worse), strict=True))
    decision = ask(at(present.id), present, near_limit(first), second).decision
    assert decision
    assert decision.target == target


def test_off_a_degraded_standby_no_route_goes_into_a_limit() -> None:
    """It stays until the limit is over."""
    home, standby, third = (
        candidate(n, h) for n, h in zip(IDS, (Health.DOWN, Health.DEGRADED, Health.UP), strict=True)
    )
    assert ask(at(standby.id), home, standby, near_limit(third)).decision is None
    decision = ask(at(standby.id), home, standby, third).decision
    assert decision
    assert decision.target == third.id


@pytest.mark.parametrize(
    ("sibling", "elsewhere", "fault", "expected"),
    [
        pytest.param(Health.UP, Health.UP, Health.DOWN, IDS[1], id="one sick model: its sibling, as configured"),
        pytest.param(Health.SUSPECT, Health.UP, Health.DOWN, IDS[2], id="the whole provider fails: elsewhere"),
        pytest.param(
            Health.SUSPECT, Health.SUSPECT, Health.DOWN, IDS[2], id="the provider fails, both suspect: elsewhere"
        ),
        pytest.param(
            Health.SUSPECT, Health.DOWN, Health.DOWN, IDS[1], id="better a suspect sibling than a failing target"
        ),
        pytest.param(
            Health.UP, Health.SUSPECT, Health.MISCONFIGURED, IDS[1], id="our own fault says nothing of siblings"
        ),
    ],
)
def test_another_provider_is_preferred_when_the_provider_failed(
    sibling: Health, elsewhere: Health, fault: Health, expected: str
) -> None:
    """Whether the provider failed or only the model shows in its other targets."""
    verdict = ask(at(IDS[0]), candidate(IDS[0], fault), candidate(IDS[1], sibling), candidate(IDS[2], elsewhere))
    assert verdict.decision is not None
    assert verdict.decision.target == expected


def test_nothing_eligible_holds_and_says_so() -> None:
    """With every candidate failing the route stays where it is."""
    verdict = ask(at(IDS[0]), *(candidate(name, Health.DOWN) for name in IDS))
    assert verdict == RouteVerdict(decision=None, stuck=True, settled=True)


def test_blindness_holds() -> None:
    """Unknown is no reason to move."""
    verdict = ask(at(IDS[0]), *(candidate(name, Health.UNKNOWN) for name in IDS))
    assert verdict == RouteVerdict(decision=None, stuck=False, settled=True)


def test_a_target_that_is_no_candidate_any_more_is_left() -> None:
    """After a change of the configuration the best eligible candidate is taken, and the reason says why."""
    candidates = [candidate(IDS[0], Health.DOWN), candidate(IDS[1], Health.SUSPECT), candidate(IDS[2], Health.UP)]
    decision = ask(at("gone/model"), *candidates).decision
    assert decision is not None
    assert (decision.target, decision.move) == (IDS[2], MoveKind.CONFIGURED)
    assert decision.reason == "gone/model is no candidate of chat any more"


def test_a_clock_set_back_does_not_hold_a_route() -> None:
    """A move that seems to lie in the future has no dwell to keep: the way home stays open."""
    future = at(IDS[2], for_s=-3600)
    decision = ask(future, *(candidate(name, Health.UP) for name in IDS)).decision
    assert decision is not None
    assert decision.target == IDS[0]


def test_a_new_route_does_not_begin_on_a_target_that_fails() -> None:
    """What is already known of its candidates counts from the first moment."""
    decision = ask(
        None, candidate(IDS[0], Health.DOWN), candidate(IDS[1], Health.UP), candidate(IDS[2], Health.UP)
    ).decision
    assert decision is not None
    assert (decision.target, decision.move, decision.reason) == (IDS[1], MoveKind.FIRST, "openai/a is down")


def test_an_answer_from_the_future_is_not_recent() -> None:
    """After the clock was set back, what an old clock called recent proves nothing."""
    future = replace(candidate(IDS[1], Health.UP).health, last_ok_at=T0 + timedelta(hours=1))
    stale = replace(candidate(IDS[1], Health.UP), health=future)
    verdict = ask(at(IDS[0]), candidate(IDS[0], Health.DOWN), stale, candidate(IDS[2], Health.DOWN))
    assert verdict.stuck


def test_a_target_that_was_only_poor_must_hold_before_a_route_returns() -> None:
    """Slow or wrong answers that come and go must not take the route to and fro: the hold is theirs too."""
    route = Route(name="chat", candidates=("a/x", "b/y"))
    now = T0 + timedelta(minutes=10)

    def well(target: str, held_until: datetime | None = None) -> TargetHealth:
        return TargetHealth(
            target=target, health=Health.UP, since=T0, reason="it answers", last_ok_at=now, held_until=held_until
        )

    moved = Decision(route="chat", target="b/y", at=T0, reason="a/x is unusable")
    wanted = settings(Path(), "a/x", "b/y", routes=[route])

    def verdict(held_until: datetime | None) -> RouteVerdict:
        health = {"a/x": well("a/x", held_until), "b/y": well("b/y")}
        return decide_all(wanted, {"chat": moved}, health, now=now, generation=2)["chat"]

    waiting = verdict(now + timedelta(seconds=1))
    assert (waiting.decision, waiting.settled) == (None, False)
    back = verdict(now).decision
    assert back is not None
    assert (back.move, back.target) == (MoveKind.FAILBACK, "a/x")
