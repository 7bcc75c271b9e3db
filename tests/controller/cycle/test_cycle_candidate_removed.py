"""A candidate is taken out of the configuration while a route is on it as the least bad."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.decision import MoveKind
from controller.routing.routing_file import RoutingFile
from controller.simulation.scenario import Scenario
from monitor.config.route import Route
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support.builders import settings
from tests.support.recorded_replies import Recording, at
from tests.support.worlds import outage

A, B, C = "openai/a", "anthropic/b", "gemini/c"
ENDS_S = 1800.0


@pytest.mark.slow
@pytest.mark.parametrize("left", [(A, B, C), (A, B)], ids=["of the route", "of the configuration"])
def test_the_route_goes_to_who_is_left(tmp_path: Path, left: tuple[str, ...]) -> None:
    """To the one that fails least, at once, and the file says why; it is stuck there, as all fail."""
    wanted = settings(tmp_path, A, B, C, routes=[Route(name="chat", candidates=(A, B, C))])
    begin = [(A, 1.0, 600.0), (B, 0.8, 300.0), (C, 0.4, 300.0)]
    outages = tuple(outage(at_s, 3600.0, targets=(name,), failure_rate=rate) for name, rate, at_s in begin)
    Recording(Scenario(path=Path("made-up"), settings=wanted, duration_s=ENDS_S, outages=outages), wanted).run()

    engine = open_writer(wanted.database)
    kept = tuple(target for target in wanted.targets if target.id in left)
    fewer = replace(wanted, targets=kept, routes=(Route(name="chat", candidates=(A, B)),))
    cycle = Cycle(fewer, Store(engine), Journal(engine), RoutingFile(fewer.routing_file))
    cycle.start(at(ENDS_S))
    before = cycle.routes["chat"]
    assert (before.move, before.target) == (MoveKind.LEAST_BAD, C)
    for second in range(1, 10):
        cycle.run((), at(ENDS_S + second))
    after = cycle.routes["chat"]
    assert (after.move, after.before, after.target) == (MoveKind.CONFIGURED, C, B)
    assert after.reason == f"{C} is no candidate of chat any more"
    engine.dispose()
