"""Where every candidate fails, a route goes to the one that measurably fails less, and nowhere else."""

import itertools
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from controller.routing.candidates import Candidate
from controller.routing.decision import Decision, MoveKind
from controller.routing.least_bad import FailingShare, find_least_bad, least_difference, least_failing
from controller.routing.overrides import NO_OVERRIDES, Override, OverrideKind, Overrides
from controller.routing.policy import decide
from controller.routing.route_case import RouteCase, RouteVerdict
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.health import Health, RecentProbe, TargetHealth
from probes.outcome import Effect
from tests.support.builders import T0

IDS = ("openai/a", "openai/b", "anthropic/c")
ROUTE = Route(name="chat", candidates=IDS)
HOUR_S = 3600.0


def candidate(name: str, health: Health, failed: int, *, effect: Effect = Effect.DOWN) -> Candidate:
    """A candidate whose last 20 probes, half a minute apart, failed so many times, lately."""
    state = TargetHealth(target=name, health=health, since=T0, reason=f"{name} is {health}")
    effects = [Effect.UP] * (20 - failed) + [effect] * failed
    recent = tuple(RecentProbe(at=T0 - timedelta(seconds=30 * (19 - n)), effect=e) for n, e in enumerate(effects))
    return Candidate(id=name, provider=name.partition("/")[0], health=state, longest_ok_age_s=120, recent=recent)


def ask(
    *candidates: Candidate,
    present: int = 0,
    for_s: float = HOUR_S,
    weights: tuple[tuple[str, float], ...] = (),
    overrides: Overrides = NO_OVERRIDES,
    route: Route = ROUTE,
) -> RouteVerdict:
    """The policy's verdict at T0 on a route that has pointed at the present target for so long."""
    at = T0 - timedelta(seconds=for_s)
    current = Decision(route="chat", target=IDS[present], at=at, reason="before", weights=weights)
    known, controller = {each.id: each for each in candidates}, ControllerSettings(dwell_s=60.0)
    return decide(
        RouteCase(
            route=route,
            current=current,
            targets=known,
            now=T0,
            generation=8,
            controller=controller,
            overrides=overrides,
        )
    )


def test_it_goes_to_the_one_that_fails_least_and_says_so() -> None:
    """Also when that one is down itself."""
    candidates = [candidate(name, Health.DOWN, failed) for name, failed in zip(IDS, (20, 12, 3), strict=True)]
    verdict = ask(*candidates)
    assert verdict.decision is not None
    assert (verdict.decision.move, verdict.decision.target, verdict.stuck) == (MoveKind.LEAST_BAD, IDS[2], True)
    assert verdict.decision.reason == "least bad: fails 15 % of the time, the others all and 60 %"
    assert verdict.decision.is_flip


def test_the_bound_is_that_of_agresti_and_caffo() -> None:
    """By hand: 21/22 - 5/22 - 2.33 * sqrt(21/22 * 1/22 / 22 + 5/22 * 17/22 / 22)."""
    assert least_difference(FailingShare(20, 20), FailingShare(4, 20)) == pytest.approx(0.4948, abs=1e-4)
    assert least_difference(FailingShare(3, 3), FailingShare(0, 3)) < 0.05
    assert least_difference(FailingShare(0, 0), FailingShare(0, 20)) < 0.05


@pytest.mark.slow
def test_the_invariants_hold_for_every_combination() -> None:
    """All healths of three candidates, failing shares, places and times since the last move."""
    for healths in itertools.product(Health, repeat=3):
        for shares, present, for_s in itertools.product(
            [(20, 20, 20), (20, 0, 10), (10, 20, 0), (8, 12, 10), (0, 0, 0)], range(3), (10.0, 120.0, HOUR_S)
        ):
            candidates = [candidate(*each) for each in zip(IDS, healths, shares, strict=True)]
            verdict = ask(*candidates, present=present, for_s=for_s)
            if verdict.decision is None:
                continue
            chosen = IDS.index(verdict.decision.target)
            assert verdict.decision.move is MoveKind.LEAST_BAD, "no good answer was seen: nothing is eligible"
            assert healths[present] in ROUTE.fail_over_on
            assert healths[chosen] not in {Health.MISCONFIGURED, Health.UNKNOWN}
            assert shares[chosen] < shares[present]
            assert for_s >= 60.0, "not inside the dwell"


def test_equals_and_those_inside_the_dwell_stay() -> None:
    """And those of which too few probes are known since the last move."""
    bad, better = candidate(IDS[0], Health.DOWN, 20), candidate(IDS[1], Health.DOWN, 4)
    other = candidate(IDS[2], Health.DOWN, 20)
    assert ask(bad, candidate(IDS[1], Health.DOWN, 16), other).decision is None
    inside = ask(bad, better, other, for_s=30)
    assert (inside.decision, inside.settled) == (None, False)
    assert ask(bad, better, other, for_s=61).decision is None, "three probes of each"


def test_a_drained_candidate_and_an_operators_hold_are_respected() -> None:
    """Pin, drain and pause go before it."""
    candidates = [candidate(name, Health.DOWN, failed) for name, failed in zip(IDS, (20, 0, 20), strict=True)]

    def override(kind: OverrideKind, subject: str, target: str | None = None) -> Override:
        until = T0 + timedelta(hours=1)
        return Override(kind=kind, subject=subject, target=target, at=T0, until=until, author="eve", reason="test")

    drained = replace(candidates[1], drain=override(OverrideKind.DRAIN, IDS[1]))
    assert ask(candidates[0], drained, candidates[2]).decision is None
    for held in (override(OverrideKind.PIN, "chat", IDS[0]), override(OverrideKind.PAUSE, "chat")):
        assert ask(*candidates, overrides=Overrides.at([held], T0)).decision is None


def test_a_failback_in_steps_is_aborted_first() -> None:
    """Home cannot be seen at present: the steps end, and the route moves in its own time."""
    home, present = candidate(IDS[0], Health.UNKNOWN, 0), candidate(IDS[1], Health.DOWN, 20)
    verdict = ask(home, present, candidate(IDS[2], Health.DOWN, 2), present=1, weights=((IDS[0], 10.0), (IDS[1], 90.0)))
    assert verdict.decision is not None
    assert (verdict.decision.move, verdict.decision.target) == (MoveKind.ABORT, IDS[1])


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4, 40])
def test_equals_rarely_move_a_route_however_many_they_are(count: int) -> None:
    """One of many seems better by luck, so that each comparison must be the surer."""
    dice = Random(1)

    def fails_half(number: int) -> Candidate:
        return candidate(f"p/m{number}", Health.DOWN, sum(dice.random() < 0.5 for _ in range(20)))

    found = 0
    for _ in range(400):
        first, *others = map(fails_half, range(count))
        found += find_least_bad(first, [first, *others], ROUTE.fail_over_on, None) is not None
    assert found <= 0.03 * 400


@pytest.mark.parametrize("known", [False, True], ids=["a new route", "its target is no candidate any more"])
def test_a_route_that_must_begin_somewhere_begins_on_the_one_that_failed_least(*, known: bool) -> None:
    """Not on the first of them, which fails all, until `dwell` has passed; never on one that is our own fault."""
    at = Decision(route="chat", target="gone/x", at=T0, reason="") if known else None
    shares = [(Health.DOWN, 20), (Health.DOWN, 5), (Health.MISCONFIGURED, 0)]
    candidates = {name: candidate(name, *share) for name, share in zip(IDS, shares, strict=True)}
    case = RouteCase(route=ROUTE, current=at, targets=candidates, now=T0, generation=8, controller=ControllerSettings())
    decision = decide(case).decision
    assert decision
    assert (decision.target, decision.move) == (IDS[1], MoveKind.CONFIGURED if known else MoveKind.FIRST)


def test_nothing_known_of_anybody_begins_on_the_first() -> None:
    """As it is configured; also where all are our own fault."""
    for health in (Health.UNKNOWN, Health.MISCONFIGURED):
        assert least_failing([replace(candidate(n, health, 0), recent=()) for n in IDS], set()).id == IDS[0]


def test_many_others_are_told_by_the_least_and_the_most() -> None:
    """Nobody reads forty shares, nor what forty candidates wait for."""
    known = [candidate(f"p/m{number}", Health.DOWN, 20 - number % 9) for number in range(40)]
    found = find_least_bad(known[0], [*known, candidate("p/x", Health.DOWN, 2)], ROUTE.fail_over_on, None)
    assert found
    assert found[1] == "least bad: fails 10 % of the time, the 40 others 60 % to all"


def test_only_what_leads_away_from_the_route_counts_as_failing() -> None:
    """Our own key's faults count where the route leaves for them; inconclusive answers never."""
    bad, other = candidate(IDS[0], Health.DOWN, 20), candidate(IDS[2], Health.DOWN, 20)
    throttled = candidate(IDS[1], Health.UNUSABLE, 20, effect=Effect.THROTTLED)
    assert ask(bad, throttled, other).decision is None
    assert ask(bad, candidate(IDS[1], Health.RECOVERING, 0), other).decision is not None


def test_it_leaves_the_least_bad_on_stronger_evidence_alone() -> None:
    """Else equals, which are compared again and again, would take the route to and fro."""
    known = [candidate(IDS[0], Health.DOWN, 12), candidate(IDS[1], Health.DOWN, 3), candidate(IDS[2], Health.DOWN, 20)]
    assert ask(*known).decision is not None
    came = Decision(route="chat", target=IDS[0], at=T0 - timedelta(hours=1), reason="before", move=MoveKind.LEAST_BAD)
    case = RouteCase(
        route=ROUTE,
        current=came,
        targets={each.id: each for each in known},
        now=T0,
        generation=8,
        controller=ControllerSettings(dwell_s=60.0),
    )
    assert decide(case).decision is None
    well = replace(case, targets={**case.targets, IDS[1]: candidate(IDS[1], Health.RECOVERING, 0)})
    assert decide(well).decision is not None


def test_nothing_moves_while_our_own_network_is_down() -> None:
    """What the candidates seem to fail is then not theirs."""
    known = [candidate(name, Health.DOWN, failed) for name, failed in zip(IDS, (20, 0, 20), strict=True)]
    assert ask(*known).decision is not None
    assert ask(*(replace(each, blind=True) for each in known)).decision is None


def drained(each: Candidate) -> Candidate:
    """The same, and an operator keeps routes off it."""
    until = T0 + timedelta(hours=1)
    return replace(
        each, drain=Override(kind=OverrideKind.DRAIN, subject=each.id, at=T0, until=until, author="x", reason="y")
    )


@pytest.mark.parametrize(("share", "to"), [(3, IDS[1]), (18, None)])
def test_a_route_that_degraded_targets_fail_goes_to_the_one_that_is_so_less(share: int, to: str | None) -> None:
    """By its `fail_over_on` all are bad, though a degraded one is eligible: none is better by its health."""
    route = replace(ROUTE, fail_over_on=ROUTE.fail_over_on | {Health.DEGRADED})
    made = [
        candidate(name, Health.DEGRADED, failed, effect=Effect.DEGRADED)
        for name, failed in zip(IDS, (19, share, 20), strict=True)
    ]
    eligible = [replace(each, health=replace(each.health, last_ok_at=T0)) for each in made]
    verdict = ask(*eligible, route=route)
    assert (verdict.decision.target if verdict.decision else None, verdict.stuck) == (to, False)
    assert not verdict.decision or verdict.decision.move is MoveKind.LEAST_BAD


def test_a_drained_target_that_fails_is_left_for_one_that_fails_less() -> None:
    """The drain says where the route is not to be; one that answers stays where nothing else is eligible."""
    others = candidate(IDS[1], Health.DOWN, 4), candidate(IDS[2], Health.DOWN, 20)
    left = ask(drained(candidate(IDS[0], Health.DOWN, 20)), *others).decision
    assert left is not None
    assert (left.move, left.target) == (MoveKind.LEAST_BAD, IDS[1])
    assert ask(drained(candidate(IDS[0], Health.DOWN, 20)), *others, for_s=30).settled is False
    kept = ask(drained(candidate(IDS[0], Health.UP, 0)), *others)
    assert (kept.decision, kept.stuck) == (None, False)
    assert kept.warning is not None


def test_a_route_begins_on_a_drained_or_misconfigured_target_only_where_all_are() -> None:
    """One of which nothing is known is better than one that an operator forbids, or that is known to refuse."""
    forbidden, refusing = drained(candidate(IDS[0], Health.UP, 0)), candidate(IDS[2], Health.MISCONFIGURED, 20)
    unknown = replace(candidate(IDS[1], Health.UNKNOWN, 0), recent=())
    assert least_failing([forbidden, unknown, refusing], ROUTE.fail_over_on).id == IDS[1]
    assert least_failing([forbidden, refusing], ROUTE.fail_over_on).id == IDS[0]
