"""Probes go where users are: for no more money, at the targets in use more often than at those that wait."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.routing.decision import Decision
from controller.routing.spend_where_used import spend_where_used
from controller.simulation.loop import run_seed
from controller.simulation.scenario import QuietBehaviour
from controller.simulation.world import build_timelines
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.config.settings import Settings
from probes.observation import Observation
from tests.support.builders import T0, settings
from tests.support.worlds import outage, scenario

A, B, C, D = NAMES = ("openai/a", "openai/b", "anthropic/c", "gemini/d")
ON = ControllerSettings(spend_where_used=True)


def wanted(*routes: tuple[str, ...], controller: ControllerSettings = ON) -> Settings:
    """Four targets at three providers and these routes."""
    named = [Route(name=f"r{number}", candidates=candidates) for number, candidates in enumerate(routes)]
    return settings(Path("/nowhere"), *NAMES, routes=named, controller=controller)


def at(*targets: str) -> dict[str, Decision]:
    """The routes point at these targets."""
    return {
        name: Decision(route=name, target=target, at=T0, reason="")
        for name, target in ((f"r{number}", target) for number, target in enumerate(targets))
    }


def intervals_s(paced: Settings) -> dict[str, float]:
    """The interval of each target."""
    return {target.id: target.interval_s for target in paced.targets}


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        pytest.param({}, (15.0, 30.0, 60.0, 60.0), id="nothing is known yet: the first candidate is in use"),
        pytest.param(at(A), (15.0, 30.0, 60.0, 60.0), id="two that wait pay for half the interval"),
        pytest.param(at(C), (30.0, 60.0, 15.0, 60.0), id="the way back is watched as ever"),
        pytest.param(at(D), (30.0, 60.0, 30.0, 20.0), id="one that waits pays for two thirds"),
    ],
)
def test_what_is_in_use_is_probed_more_often(stands: Mapping[str, Decision], expected: tuple[float, ...]) -> None:
    """Of a route over openai/a, anthropic/c and gemini/d, in that order; openai/b is a sibling of the first."""
    paced = spend_where_used(wanted((A, C, D)), stands)
    assert tuple(intervals_s(paced).values()) == pytest.approx(expected)


def test_nothing_changes_where_nothing_waits_or_nobody_wants_it() -> None:
    """All providers in use; not switched on; what waits is free, so that it pays for nothing."""
    plain = wanted((A, C, D), controller=ControllerSettings())
    assert spend_where_used(wanted((A, C), (C, D), (D, A)), at(A, C, D)).targets == wanted((A,)).targets
    assert spend_where_used(plain, at(A)) is plain
    free = {A: 0.001, B: 0.001, C: 0.0, D: 0.0}
    assert spend_where_used(wanted((A, C, D)), at(A), free).targets == wanted((A,)).targets


def test_a_dry_run_leaves_users_on_the_first_candidate() -> None:
    """Where the route would be is no place where anybody is."""
    dry = wanted((A, C, D), controller=replace(ON, dry_run=True))
    assert intervals_s(spend_where_used(dry, at(C)))[A] == 15.0


@given(st.lists(st.floats(0.5, 7200.0), min_size=4, max_size=4), st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_it_costs_no_more(every_s: list[float], usd: list[float]) -> None:
    """At any intervals and prices, wherever the route stands; what is in use is never probed less often."""
    plain, prices = wanted((A, C, D)), dict(zip(NAMES, usd, strict=True))
    targets = tuple(replace(each, interval_s=at_s) for each, at_s in zip(plain.targets, every_s, strict=True))
    plain = replace(plain, targets=targets)
    for present in (A, C, D):
        paced = spend_where_used(plain, at(present), prices)
        before, after = (sum(prices[each.id] / each.interval_s for each in of.targets) for of in (plain, paced))
        assert after <= before * (1 + 1e-9)
        assert intervals_s(paced)[present] <= intervals_s(plain)[present]


@pytest.mark.slow
def test_probes_follow_the_route() -> None:
    """While the first provider fails, the second is asked every 30 s instead of every minute: nothing else waits."""
    made_up, names = (
        scenario(outage(failure_rate=1.0), hours=2.0, background=QuietBehaviour(failure_rate=0.0)),
        ("openai/a", "anthropic/c"),
    )
    base = settings(Path("/nowhere"), *names, routes=[Route(name="r", candidates=names)], controller=ON)
    made_up, probes = replace(made_up, settings=base), list[Observation]()
    made_up = replace(made_up, outages=(replace(made_up.outages[0], targets=frozenset({A})),))
    run_seed(made_up, build_timelines(made_up, 0), 0, probes.append)
    begins = min(each.started_at for each in probes).replace(minute=0, second=0, microsecond=0)

    def asked(target: str, from_minute: int, until_minute: int) -> int:
        since, until = (begins + timedelta(minutes=minute) for minute in (from_minute, until_minute))
        return sum(each.target == target and since <= each.started_at < until for each in probes)

    assert asked(C, 10, 50) == pytest.approx(40, abs=3)
    assert asked(C, 65, 115) == pytest.approx(100, abs=3)
    assert asked(A, 10, 50) == pytest.approx(120, abs=3)
