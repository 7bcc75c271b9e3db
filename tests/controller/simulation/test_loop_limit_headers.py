"""Simulated answers state their limits, so that a failover passes over a standby that has hardly anything left."""

import pytest

from controller.routing.decision import MoveKind
from controller.simulation.loop import run_seed
from controller.simulation.world import build_timelines
from monitor.config.route import Route
from tests.support.builders import settings
from tests.support.worlds import NAMES, outage, scenario


@pytest.mark.parametrize(("left", "refuge"), [(0.05, NAMES[2]), (0.5, "gemini/d")])
def test_a_standby_near_its_limit_is_passed_over(left: float, refuge: str) -> None:
    """The route goes to the next candidate, and to this one where enough is left."""
    names = ("openai/a", "gemini/d", NAMES[2])
    wanted = settings(scenario().path.parent, *names, routes=[Route(name="chat", candidates=names)])
    limited = outage(1800.0, 3600.0, targets=("gemini/d",), failure_rate=0.0, limit_left=left)
    world = scenario(
        outage(3600.0, 900.0, targets=("openai/a",), failure_rate=1.0), limited, settings=wanted, hours=1.4
    )
    decisions = run_seed(world, build_timelines(world, 1), 1).decisions
    assert next(decision.target for _, decision in decisions if decision.move is MoveKind.FAILOVER) == refuge
