"""Which candidates a route may move to: unproven ones, such as nothing is known of, and such as are held."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.routing.candidates import Candidate
from controller.routing.decision import Decision, MoveKind
from controller.routing.policy import decide
from controller.routing.route_case import RouteCase, RouteVerdict
from monitor.config.controller_settings import ControllerSettings, Failback
from monitor.config.route import Route
from monitor.health import ELIGIBLE, Health, TargetHealth
from tests.support.builders import T0

IDS = ("a/x", "b/y", "c/z")
ROUTE = Route(name="chat", candidates=IDS)


def candidate(name: str, health: Health, *, proven: bool = True, blind: bool = False) -> Candidate:
    """A candidate that answered ten seconds ago."""
    known = TargetHealth(
        target=name, health=health, since=T0, reason="it", last_ok_at=T0 - timedelta(seconds=10), proven=proven
    )
    return Candidate(id=name, provider=name[0], health=known, longest_ok_age_s=120, blind=blind)


def ask(*candidates: Candidate, present: int | None = 0, mode: str = "auto", for_s: float = 3600) -> RouteVerdict:
    """The policy's verdict at T0 on a route that has pointed there for so long; on a new one where that is None."""
    at = T0 - timedelta(seconds=for_s)
    current = None if present is None else Decision(route="chat", target=IDS[present], at=at, reason="before")
    controller = ControllerSettings(failback=Failback(mode=mode))  # type: ignore[arg-type] # as configured
    known = {each.id: each for each in candidates}
    return decide(RouteCase(route=ROUTE, current=current, targets=known, now=T0, generation=8, controller=controller))


CASES = list(
    itertools.product(
        itertools.product(
            (Health.UP, Health.SUSPECT, Health.DEGRADED, Health.RECOVERING, Health.UNKNOWN, Health.DOWN), repeat=3
        ),
        itertools.product((True, False), repeat=3),
        (False, True),
        (0, 1, 2),
        ("auto", "steps", "manual"),
    )
)


@pytest.mark.slow
def test_the_invariants_hold_for_every_combination() -> None:
    """Whatever is proven and seen, wherever the route points."""
    for healths, proven, blind, present, mode in CASES:
        known = [
            candidate(name, health, proven=sure, blind=blind)
            for name, health, sure in zip(IDS, healths, proven, strict=True)
        ]
        verdict = ask(*known, present=present, mode=mode)
        fails, refuges = healths[present] is Health.DOWN, [each for each in known if each.is_eligible(T0)]
        if fails:
            assert (verdict.decision is not None) == bool(refuges), "it leaves what fails for whatever does not"
        if verdict.decision is None:
            continue
        towards = verdict.decision.home or verdict.decision.target
        chosen = known[IDS.index(towards)]
        assert not (blind and chosen.health.health is Health.UNKNOWN), "never to what cannot be seen"
        if not fails:
            assert chosen.health.proven, "nobody comes back to a target that may have answered by luck"
            assert chosen.health.health is Health.UP
        elif not chosen.health.proven:
            assert not any(each.health.proven for each in refuges), "proven ones go first"
        assert IDS.index(towards) < present or verdict.decision.move is MoveKind.FAILOVER


def test_a_new_route_begins_on_its_first_candidate_before_anything_is_proven() -> None:
    """A cold start waits for nothing; only a first candidate that is known to fail is passed over."""
    cold = [candidate(name, Health.UNKNOWN, proven=False) for name in IDS]
    begun = ask(*cold, present=None).decision
    assert begun is not None
    assert (begun.target, begun.move) == (IDS[0], MoveKind.FIRST)
    later = [candidate(IDS[0], Health.DOWN, proven=False), *(candidate(i, Health.UP, proven=False) for i in IDS[1:])]
    begun = ask(*later, present=None).decision
    assert begun is not None
    assert begun.target == IDS[1]


def test_a_new_first_candidate_is_proven_before_a_route_goes_back_to_it() -> None:
    """One good answer is not enough; that is looked at anew as answers come in."""
    new, present = candidate(IDS[0], Health.UP, proven=False), candidate(IDS[1], Health.UP)
    waiting = ask(new, present, candidate(IDS[2], Health.UP), present=1)
    assert (waiting.decision, waiting.settled) == (None, False)
    moved = ask(replace(new, health=replace(new.health, proven=True)), present, candidate(IDS[2], Health.UP), present=1)
    assert moved.decision is not None
    assert moved.decision.target == IDS[0]


@pytest.mark.parametrize(
    ("healths", "present", "for_s", "expected"),
    [
        pytest.param("DOWN DEGRADED UP", 1, 3600, IDS[2], id="a degraded standby gives way"),
        pytest.param("DOWN DEGRADED UP", 1, 10, None, id="not inside the dwell"),
        pytest.param("DOWN DEGRADED SUSPECT", 1, 3600, None, id="to one that is up alone"),
        pytest.param("DEGRADED UP UP", 0, 3600, None, id="the first candidate is what people want, if degraded"),
        pytest.param("UP DEGRADED UP", 1, 3600, IDS[0], id="home goes first"),
        pytest.param("DOWN UNKNOWN DOWN", 0, 3600, IDS[1], id="better one of which only the last answer is known"),
        pytest.param("DOWN UNKNOWN DEGRADED", 0, 3600, IDS[2], id="but what is known goes first"),
        pytest.param("DOWN RECOVERING DOWN", 0, 3600, None, id="one in its hold only where it measurably fails less"),
    ],
)
def test_where_users_are_better_off(healths: str, present: int, for_s: float, expected: str | None) -> None:
    """The third candidate, and the unknown one."""
    known = [candidate(name, Health[word]) for name, word in zip(IDS, healths.split(), strict=True)]
    decision = ask(*known, present=present, for_s=for_s).decision
    assert (decision.target if decision else None) == expected


def test_what_is_eligible_is_in_order() -> None:
    """The rank of a candidate follows the order in which health serves users."""
    ranks = [candidate("a/x", health).rank for health in (*ELIGIBLE, Health.UNKNOWN, Health.DOWN)]
    assert ranks == sorted(set(ranks))
