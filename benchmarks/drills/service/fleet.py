"""Faults of machines, clocks and the database of a fleet, while outages come and go, and what must hold."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg

from benchmarks.drills.service.aftermath import TOKEN, wrongly_told
from benchmarks.drills.service.fleet_machines import Fleet, Machine, epochs_of
from benchmarks.reliability.lab import FIRST, SECOND, BrokenPromiseError, read_table
from monitor.storage.postgres_engine import WRITING_LOCK
from tests.support.slack_server import SlackServer

#: So long after a leader is gone another one must have published.
_LATEST_S: Final = 60.0
_CALM_S: Final = 120.0
_TURNS: Final = 0.4
"""The chance that the first provider begins to fail, or answers again, with a fault."""


@dataclass(kw_only=True)
class FleetReport:
    """What so many faults came to."""

    faults: Counter[str] = field(default_factory=Counter)
    takeovers_s: list[float] = field(default_factory=list)
    """From the fault of a leader to the first file under a later epoch."""
    epochs: int = 0
    decisions: int = 0
    incidents: int = 0
    messages: int = 0
    files: int = 0
    """Routing files that were read meanwhile."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold."""


def fail_fleet(faults: int, seed: int, machines: int) -> Iterator[FleetReport]:
    """The report after each fault; the last one is that of the end, when all is well again."""
    report, dice = FleetReport(), random.Random(seed)
    with TemporaryDirectory() as name, SlackServer(token=TOKEN) as slack:
        fleet = Fleet(Path(name), machines, slack.url)
        try:
            for machine in fleet.machines:
                machine.start()
            _until(lambda: _is_calm(fleet), "all machines publish one table at first")
            for _ in range(faults):
                if dice.random() < _TURNS:
                    fleet.servers.failing ^= {"one"}
                kind = dice.choice(list(FAULTS))
                report.faults[kind] += 1
                FAULTS[kind](fleet, dice, report)
                _heal(fleet)
                yield report
            fleet.servers.failing = set()
            _until(lambda: _is_calm(fleet), "all machines publish one table in the end")
            _until(lambda: not _untold(fleet), "people told of everything")
        except BrokenPromiseError as error:
            report.wrong.append(str(error))
        finally:
            report.wrong += fleet.broken()
            report.epochs = sum(len(epochs_of(machine)) for machine in fleet.machines)
            report.decisions = len(fleet.rows("SELECT id FROM decisions"))
            incidents = fleet.rows("SELECT id, lead_id, reopened FROM incidents ORDER BY id")
            report.incidents, report.messages = len(incidents), len(slack.everything)
            report.wrong += wrongly_told(incidents, slack)
            report.files = sum(machine.watch.reads for machine in fleet.machines)
            fleet.close()
        yield report


def _heal(fleet: Fleet) -> None:
    for machine in fleet.machines:
        machine.set_clock(0)
        machine.start()
    time.sleep(2.0)


def _kill_leader(fleet: Fleet, dice: random.Random, report: FleetReport) -> None:
    leader = _leader(fleet)
    _take_over(fleet, report, lambda: leader.send(signal.SIGKILL))
    time.sleep(dice.uniform(0, 3))


def _restart_leader(fleet: Fleet, dice: random.Random, report: FleetReport) -> None:
    """It is killed, and its supervisor starts it again at once: it takes its own lease, or another machine does."""
    leader = _leader(fleet)

    def restart() -> None:
        leader.send(signal.SIGKILL)
        time.sleep(dice.uniform(0, 1))
        leader.start()

    _take_over(fleet, report, restart)


def _kill_other(fleet: Fleet, dice: random.Random, _: FleetReport) -> None:
    dice.choice([each for each in fleet.machines if each is not _leader(fleet)]).send(signal.SIGKILL)
    time.sleep(dice.uniform(0, 5))


def _stop_leader(fleet: Fleet, _: random.Random, report: FleetReport) -> None:
    leader = _leader(fleet)
    _take_over(fleet, report, lambda: leader.send(signal.SIGTERM))


def _pause_leader(fleet: Fleet, dice: random.Random, report: FleetReport) -> None:
    leader, until_s = _leader(fleet), time.monotonic() + dice.uniform(20, 60)
    _take_over(fleet, report, lambda: leader.send(signal.SIGSTOP))
    time.sleep(max(0.0, until_s - time.monotonic()))
    leader.send(signal.SIGCONT)


def _cut_leader(fleet: Fleet, dice: random.Random, _: FleetReport) -> None:
    """Its connections stay open, and nothing comes through; new ones do."""
    _leader(fleet).wire.cut()
    time.sleep(dice.uniform(5, 30))


def _set_clock(fleet: Fleet, dice: random.Random, _: FleetReport) -> None:
    dice.choice(fleet.machines).set_clock(dice.choice((-3600, 3600)))
    time.sleep(dice.uniform(5, 20))


def _restart_database(fleet: Fleet, dice: random.Random, _: FleetReport) -> None:
    fleet.server.stop()
    time.sleep(dice.choice((0.0, dice.uniform(1, 10), dice.uniform(20, 40))))
    fleet.server.start()


def _lock_database(fleet: Fleet, dice: random.Random, _: FleetReport) -> None:
    with psycopg.connect(fleet.plain_url, autocommit=True) as other, other.transaction():
        statements = (f"SELECT pg_advisory_xact_lock({WRITING_LOCK})", "LOCK TABLE leases", "LOCK TABLE decisions")
        other.execute(dice.choice(statements))
        time.sleep(dice.uniform(3, 25))


FAULTS: Final[dict[str, Callable[[Fleet, random.Random, FleetReport], None]]] = {
    "leader killed": _kill_leader,
    "leader killed and started": _restart_leader,
    "leader stopped": _stop_leader,
    "leader paused": _pause_leader,
    "leader cut off": _cut_leader,
    "standby killed": _kill_other,
    "clock set by an hour": _set_clock,
    "database restarted": _restart_database,
    "database locked": _lock_database,
}


def _take_over(fleet: Fleet, report: FleetReport, fault: Callable[[], None]) -> None:
    """Let the leader fail, and wait until a file is of a later epoch."""
    epoch, began_s = fleet.newest()[0], time.monotonic()
    fault()
    _until(lambda: fleet.newest()[0] > epoch, "another leader has published", _LATEST_S)
    report.takeovers_s.append(time.monotonic() - began_s)


def _leader(fleet: Fleet) -> Machine:
    _until(lambda: fleet.leader() is not None, "somebody leads")
    leader = fleet.leader()
    if leader is None:
        raise BrokenPromiseError("nobody leads")
    _until(lambda: fleet.newest()[0] >= max(epochs_of(leader)), "the leader has published")
    return leader


def _is_calm(fleet: Fleet) -> bool:
    """Whether all machines have one table, both targets are up, and the route is where it should be."""
    tables = [read_table(machine.routing) for machine in fleet.machines]
    if not all(tables) or len({machine.order() for machine in fleet.machines}) > 1:
        return False
    health = {name: target["health"] for name, target in tables[0]["targets"].items()}
    return health == {FIRST: "up", SECOND: "up"} and tables[0]["routes"]["chat"]["target"] == FIRST


def _untold(fleet: Fleet) -> int:
    told = fleet.rows(
        "SELECT (SELECT COUNT(*) FROM incidents WHERE resolved_ms IS NULL OR told_revision < revision)"
        " + (SELECT COUNT(*) FROM events WHERE telling = 'due') AS untold"
    )
    return int(told[0]["untold"]) if told else 1


def _until(holds: Callable[[], bool], what: str, within_s: float = _CALM_S) -> None:
    ends_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > ends_s:
            raise BrokenPromiseError(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)
