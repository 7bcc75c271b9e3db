"""The simulated service: some histories hold, and what is broken on purpose is found."""

from pathlib import Path

import pytest

from benchmarks.drills.simulation.history import Fault, FaultKind, History, draw
from benchmarks.drills.simulation.runner import play, play_all
from benchmarks.drills.simulation.service import SimulatedService
from benchmarks.drills.simulation.watch import MOST_CALM_S, Watch

pytestmark = pytest.mark.slow


def test_histories_hold() -> None:
    """Some of those that `make drills` plays by the thousand."""
    failed = {each.history.seed: each.wrong for each in play_all(range(9000, 9020), jobs=2) if each.wrong}
    assert failed == {}


def test_a_seed_is_a_history() -> None:
    """The same faults, the same course, to the last step."""
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    first, again = play(draw(7)), play(draw(7))
    assert (first.steps, first.virtual_s, first.exposed_s) == (again.steps, again.virtual_s, again.exposed_s)


def test_a_table_that_goes_back_is_found(tmp_path: Path) -> None:
    """As if another process wrote an older file over ours."""
    service = SimulatedService(History(seed=1, faults=()), tmp_path / "service")
    watch = Watch(service)
    service.run(60)
    assert watch.wrong == []
    service.disk.is_observed = True
    path = service.settings.routing_file
    path.write_text(path.read_text().replace('"generation": 1', '"generation": 0'))
    watch.look()
    path.write_text(path.read_text()[:-40])
    watch.look()
    service.close()
    assert [text.strip().partition("  ")[2].strip() for text in watch.wrong] == [
        "generation 0 after 1",
        "the routing file is torn",
    ]


def test_a_move_that_waits_for_the_disk_is_judged_by_when_it_was_decided() -> None:
    """The standby was well then; while the routing file could not be written, it began to fail."""
    faults = (
        Fault(at_s=76.0, kind=FaultKind.ROUTING_DISK_ERROR, lasts_s=63.5),
        Fault(at_s=78.7, kind=FaultKind.OUTAGE, subject="two/a", outcome="server_error", share=0.5, lasts_s=37.1),
        Fault(at_s=103.9, kind=FaultKind.OUTAGE, subject="one/b", outcome="overloaded", lasts_s=118.7),
        Fault(at_s=121.7, kind=FaultKind.KILL, steps=10),
    )
    assert play(History(seed=103646, faults=faults)).wrong == ()


def test_a_service_that_never_runs_is_not_called_settled(tmp_path: Path) -> None:
    """What must hold at the end is looked at in the service itself."""
    service = SimulatedService(History(seed=1, faults=()), tmp_path / "service")
    watch = Watch(service)
    service.run(MOST_CALM_S / 10)
    service.kill()
    assert not watch.is_settled()
    service.close()
