"""The simulated fleet: some histories hold, and what is broken on purpose is found."""

from pathlib import Path

import pytest

from benchmarks.drills.fleet_simulation.fleet import SimulatedFleet
from benchmarks.drills.fleet_simulation.history import REGIONS, Fault, FaultKind, History, draw
from benchmarks.drills.fleet_simulation.runner import play, play_seed
from benchmarks.drills.fleet_simulation.watch import Watch
from benchmarks.drills.simulation.runner import play_all

pytestmark = pytest.mark.slow

_CALM = History(seed=1, machines=2, regions=(), faults=())


def test_histories_hold() -> None:
    """Some of those that `make drills` plays by the thousand."""
    failed = {each.history.seed: each.wrong for each in play_all(range(9000, 9006), 2, play_seed) if each.wrong}
    assert failed == {}


def test_a_seed_is_a_history() -> None:
    """The same faults, the same course, to the last statement."""
    assert draw(9) == draw(9)
    assert draw(9) != draw(10)
    first, again = play(draw(9)), play(draw(9))
    assert (first.steps, first.virtual_s, first.takeovers_s) == (again.steps, again.virtual_s, again.takeovers_s)


def test_a_killed_leader_is_replaced() -> None:
    """By a machine of a region that goes on where it was; the hosts of all regions follow."""
    killed = Fault(at_s=20.0, kind=FaultKind.KILL_LEADER, lasts_s=60.0)
    played = play(History(seed=1, machines=3, regions=REGIONS, faults=(killed,)))
    assert played.wrong == ()
    assert [seconds < 20 for seconds in played.takeovers_s] == [True]


def test_what_must_not_be_is_found(tmp_path: Path) -> None:
    """As if another program wrote into the files and the database of a fleet."""
    fleet = SimulatedFleet(_CALM, tmp_path)
    watch = Watch(fleet)
    fleet.run(30)
    assert watch.wrong == []
    host = fleet.hosts[0].file
    (epoch,) = fleet.server.look("SELECT epoch FROM leases WHERE name = 'leader'")[0]
    host.write_text(host.read_text().replace(f'"epoch": {epoch}', '"epoch": 0'))
    fleet.touched.add(host)
    fleet.run(30.1)
    host.write_text("{")
    fleet.touched.add(host)
    session = fleet.server.connect(None, "another program")
    fleet.server.execute(session, "BEGIN; SELECT pg_advisory_xact_lock(1)", None)
    copied = "at_ms, route, target, before, reason, move, dry_run, weights"
    sql = f"INSERT INTO decisions (epoch, generation, {copied}) SELECT 0, 1, {copied} FROM decisions LIMIT 1"  # noqa: S608
    fleet.server.execute(session, sql, None)
    fleet.server.commit(session)
    fleet.run(31)
    fleet.close()
    said = "\n".join(watch.wrong)
    assert f"host0 went back from ({epoch}, 1) to (0, 1)" in said
    assert "the routing file of host0 is torn, or gone" in said
    assert f"a decision of epoch 0 was committed while the lease is of {epoch}" in said
    assert f"decision 3 of (0, 1) after ({epoch}, 1)" in said


def test_a_fleet_that_nobody_leads_is_found(tmp_path: Path) -> None:
    """And is not called settled."""
    fleet = SimulatedFleet(_CALM, tmp_path)
    watch = Watch(fleet)
    session = fleet.server.connect(None, "another program")
    taken = "UPDATE leases SET epoch = epoch + 9, holder = 'another', until_ms = now_ms() + 15000 WHERE name = 'leader'"
    for at_s in range(30, 60, 5):
        fleet.timeline.at(at_s, lambda: fleet.server.execute(session, taken, None))
    fleet.run(60)
    assert not watch.settles()
    fleet.close()
    assert ["nobody has led" in text for text in watch.wrong if "leads no more" not in text] == [True]
