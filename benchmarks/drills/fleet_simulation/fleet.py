"""The fleet in virtual time: machines, their database, hosts that follow, and a history that harms them."""

import copy
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.drills.fleet_simulation.history import History
from benchmarks.drills.fleet_simulation.hosts import FollowingHost
from benchmarks.drills.fleet_simulation.machine import RESTART_S, SimulatedMachine
from benchmarks.drills.fleet_simulation.server import SimulatedServer
from benchmarks.drills.fleet_simulation.timeline import SimulatedProcess, Timeline
from benchmarks.drills.fleet_simulation.world import FleetWorld
from benchmarks.drills.simulation.database_faults import empty_database
from benchmarks.drills.simulation.disk import watch_files
from benchmarks.drills.simulation.world import RememberingSlack
from probes.observation import Observation

_STARTS_S: Final = 0.4


class SimulatedFleet:
    """One history played in an empty folder."""

    def __init__(self, history: History, folder: Path) -> None:
        self.history = history
        self.folder = folder
        self.timeline = Timeline()
        self.world = FleetWorld(history)
        self.is_observed = False
        self.touched: set[Path] = set()
        """Files that were replaced since somebody looked."""
        self.on_cycle: Callable[[SimulatedMachine], None] = lambda _: None
        self.on_fail_over: Callable[[], None] = lambda: None
        self.reports: list[tuple[SimulatedProcess, float, Sequence[Observation]]] = []
        """What was probed for a leader elsewhere: by which process, when, and what it saw."""
        self.slack = RememberingSlack(self.world)
        self.restarts_s: dict[int, float] = {}
        self.lease_held: tuple[float, SimulatedProcess | None] = 0.0, None
        """When the lease of who leads was taken or renewed last, and by which process."""
        self.waits_for_epoch: tuple[SimulatedMachine, float] | None = None
        """Who stands still until another leads, and how long after that it goes on."""
        database = folder / "shared.db"
        database.write_bytes(_tables())
        self.server: SimulatedServer = SimulatedServer(self.timeline, database, history.seed)
        self.server.on_lease = self.hold_lease
        self.machines = [SimulatedMachine(self, number, folder / f"m{number}") for number in range(history.machines)]
        self.hosts = [
            FollowingHost(
                self.timeline,
                history,
                self.machines,
                name=f"host{place}",
                region=region,
                folder=folder / f"host{place}",
            )
            for place, region in enumerate(history.regions or ("",))
        ]
        watch_files(self)
        for number, machine in enumerate(self.machines):
            self.timeline.at(number * _STARTS_S, machine.start)
        for host in self.hosts:
            self.timeline.at(1.0, host.start)

    def run(self, until_s: float, happened: Callable[[], bool] = lambda: False) -> bool:
        """As of `Timeline`."""
        return self.timeline.run(until_s, happened)

    def close(self) -> None:
        """End all of it."""
        self.is_observed = True
        for machine in self.machines:
            machine.start = lambda: None  # type: ignore[method-assign]
            machine.kill()
        for host in self.hosts:
            host.process.kill()
        self.server.close()

    # What the parts tell.

    def file_step(self, event: str, args: tuple[Any, ...]) -> None:
        """A step with a file: that of a process of the fleet may be its last."""
        path, process = args[0], self.timeline.running
        if process is None or not isinstance(path, str) or not path.startswith(str(self.folder)):
            return
        if event == "os.rename":
            self.touched.add(Path(args[1]))
        self.is_observed = True
        try:
            process.step()
        finally:
            self.is_observed = False

    def cycled(self, number: int) -> None:
        """As of `Fleet`."""
        self.on_cycle(self.machines[number])

    def reported(self, process: SimulatedProcess, observations: Sequence[Observation]) -> None:
        """As of `Fleet`."""
        self.reports.append((process, self.timeline.now_s, observations))

    def slack_anew(self) -> RememberingSlack:
        """As of `Fleet`."""
        channel = copy.copy(self.slack)
        channel.restart()
        return channel

    def hold_lease(self, process: SimulatedProcess | None, is_new: bool) -> None:
        """Somebody has taken the lease of who leads, renewed it, or keeps others from taking it."""
        self.lease_held = self.timeline.now_s, process
        if is_new and self.waits_for_epoch:
            (machine, after_s), self.waits_for_epoch = self.waits_for_epoch, None
            self.timeline.at(self.timeline.now_s + after_s, machine.go_on)

    def restart_s(self, number: int) -> float:
        """As of `Fleet`."""
        return self.restarts_s.pop(number, RESTART_S)

    def leader(self) -> SimulatedMachine | None:
        """Who leads under the latest epoch."""
        leading = [(each.lead.lead.epoch, each.number) for each in self.machines if each.lead]
        return self.machines[max(leading)[1]] if leading else None


@cache
def _tables() -> bytes:
    """A database of this version without a row, for many who read while one writes."""
    with TemporaryDirectory() as name:
        path = Path(name) / "shared.db"
        path.write_bytes(empty_database())
        with closing(sqlite3.connect(path)) as rows:
            rows.execute("PRAGMA journal_mode=WAL")
        return path.read_bytes()
