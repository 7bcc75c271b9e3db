"""Faults of machines, clocks, networks and databases of fleets, while outages come and go, and what must hold."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final

from benchmarks.drills.service.aftermath import TOKEN, wrongly_told
from benchmarks.drills.service.fleet_database import FleetDatabase, can_mount
from benchmarks.drills.service.fleet_faults import CALM_S, FAULTS, LOSE_ROWS, NEED_DISKS, FaultLog, FleetFaults, until
from benchmarks.drills.service.fleet_machines import Fleet, epochs_of
from benchmarks.reliability.lab import FIRST, SECOND, BrokenPromiseError, read_table
from tests.support.slack_server import SlackServer

_TURNS: Final = 0.4
"""The chance that the first provider begins to fail, or answers again, with a fault."""


@dataclass(kw_only=True)
class FleetReport:
    """What so many faults came to."""

    log: FaultLog = field(default_factory=FaultLog)
    epochs: int = 0
    decisions: int = 0
    incidents: int = 0
    messages: int = 0
    files: int = 0
    """Routing files that were read meanwhile."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold."""
    logs: list[str] = field(default_factory=list)
    """The folders with the logs of the fleets in which something did not."""

    def __add__(self, other: "FleetReport") -> "FleetReport":
        """Of both."""
        takeovers_s = {kind: [*times] for kind, times in self.log.takeovers_s.items()}
        for kind, times in other.log.takeovers_s.items():
            takeovers_s.setdefault(kind, []).extend(times)
        names = [name for name in self.__dataclass_fields__ if name != "log"]
        return FleetReport(
            log=FaultLog(faults=dict(Counter(self.log.faults) + Counter(other.log.faults)), takeovers_s=takeovers_s),
            **{name: getattr(self, name) + getattr(other, name) for name in names},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDrill:
    """What is to be done to how many."""

    faults: int
    seed: int
    machines: int = 3
    fleets: int = 1
    """Side by side, each with a database, providers and a Slack of its own."""
    kinds: Sequence[str] = ()
    """The faults that are played; nothing stands for all that can be and lose nothing."""
    gone_s: float = 60.0
    """As of `FleetFaults`."""

    def play(self, on_fault: Callable[[], bool] = lambda: True) -> FleetReport:
        """All of it; `on_fault` is called after each fault, and returns whether to go on."""
        shares = [self.faults // self.fleets + (each < self.faults % self.fleets) for each in range(self.fleets)]
        lock = threading.Lock()

        def count() -> bool:
            with lock:
                return on_fault()

        with ThreadPoolExecutor(self.fleets) as pool:
            works = [pool.submit(self._course, share, self.seed + each, count) for each, share in enumerate(shares)]
            return sum((work.result() for work in works), start=FleetReport())

    def _course(self, faults: int, seed: int, on_fault: Callable[[], bool]) -> FleetReport:
        report, dice, kinds = FleetReport(), random.Random(seed), self._kinds()
        with TemporaryDirectory() as name, SlackServer(token=TOKEN) as slack:
            fleet = Fleet(Path(name), self.machines, slack.url, FleetDatabase(disks=not NEED_DISKS.isdisjoint(kinds)))
            acts = FleetFaults(fleet=fleet, dice=dice, log=report.log, gone_s=self.gone_s)
            try:
                for machine in fleet.machines:
                    machine.start()
                until(lambda: _is_calm(fleet), "all machines publish one table at first")
                for _ in range(faults):
                    if dice.random() < _TURNS:
                        fleet.servers.failing ^= {"one"}
                    kind = dice.choice(kinds)
                    acts.play(kind)
                    _heal(fleet, kind)
                    if not on_fault():
                        break
                fleet.servers.failing = set()
                until(lambda: _is_calm(fleet), "all machines publish one table in the end")
                until(lambda: not _untold(fleet), "people told of everything")
            except BrokenPromiseError as error:
                report.wrong.append(str(error))
            finally:
                try:
                    _look_back(fleet, slack, report)
                finally:
                    fleet.close()
                if report.wrong:
                    report.logs.append(mkdtemp(prefix=f"hotspare-fleet-{seed}-"))
                    for machine in fleet.machines:
                        Path(report.logs[0], machine.name).write_text(machine.log(), encoding="utf-8")
        return report

    def _kinds(self) -> Sequence[str]:
        excluded = LOSE_ROWS if can_mount() else LOSE_ROWS | NEED_DISKS
        return self.kinds or [kind for kind in FAULTS if kind not in excluded]


def _heal(fleet: Fleet, kind: str) -> None:
    """All machines run, and publish what the leader writes from now on."""
    for machine in fleet.machines:
        machine.set_clock(0)
        machine.start()
    before = [read_table(machine.routing).get("written_at") for machine in fleet.machines]

    def goes_on() -> bool:
        tables = [read_table(machine.routing) for machine in fleet.machines]
        written = [table.get("written_at") for table in tables]
        return len({machine.order() for machine in fleet.machines}) == 1 and all(
            at and at != earlier for at, earlier in zip(written, before, strict=True)
        )

    until(goes_on, f"all machines publish anew after: {kind}", CALM_S)


def _look_back(fleet: Fleet, slack: SlackServer, report: FleetReport) -> None:
    incidents = fleet.database.rows("SELECT id, lead_id, reopened FROM incidents ORDER BY id")
    loses_rows = not LOSE_ROWS.isdisjoint(report.log.faults)
    report.wrong += fleet.broken(loses_rows=loses_rows)
    if not loses_rows:
        report.wrong += wrongly_told(incidents, slack)
    report.epochs = sum(len(epochs_of(machine)) for machine in fleet.machines)
    report.decisions = len(fleet.database.rows("SELECT id FROM decisions"))
    report.incidents, report.messages = len(incidents), len(slack.everything)
    report.files = sum(machine.watch.reads for machine in fleet.machines)


def _is_calm(fleet: Fleet) -> bool:
    """Whether all machines have one table, both targets are up, and the route is where it should be."""
    tables = [read_table(machine.routing) for machine in fleet.machines]
    if not all(tables) or len({machine.order() for machine in fleet.machines}) > 1:
        return False
    health = {name: target["health"] for name, target in tables[0]["targets"].items()}
    return health == {FIRST: "up", SECOND: "up"} and tables[0]["routes"]["chat"]["target"] == FIRST


def _untold(fleet: Fleet) -> int:
    told = fleet.database.rows(
        "SELECT (SELECT COUNT(*) FROM incidents WHERE resolved_ms IS NULL OR told_revision < revision)"
        " + (SELECT COUNT(*) FROM events WHERE telling = 'due') AS untold"
    )
    return int(told[0]["untold"]) if told else 1
