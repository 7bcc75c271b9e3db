"""One machine of the simulated fleet: its files stay, its processes come and go."""

import asyncio
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.drills.fleet_simulation.driver import Link, SimulatedConnector
from benchmarks.drills.fleet_simulation.leading import SimulatedLead
from benchmarks.drills.fleet_simulation.parts import Fleet
from benchmarks.drills.fleet_simulation.probing import SimulatedRegionProbing
from benchmarks.drills.fleet_simulation.timeline import SimulatedProcess
from benchmarks.drills.fleet_simulation.world import fleet_settings
from benchmarks.drills.simulation.world import clock_at, stalled
from controller.fleet.machine import Machine
from controller.fleet.node import FleetNode
from controller.routing.routing_file import RoutingFileError
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError
from monitor.storage.lock import LockError
from probes.observation import Observation

#: The service manager starts a service that ended again after this.
RESTART_S: Final = 2.0
_LOOK_S: Final = 2.0


class SimulatedMachine:
    """`start` it once; it is started again whenever its process ends."""

    def __init__(self, fleet: Fleet, number: int, folder: Path) -> None:
        self.fleet = fleet
        self.number = number
        self.name = f"m{number}"
        self.region = fleet.history.region_of(number)
        self.settings = fleet_settings(fleet.history, folder)
        self.link: Link = Link()
        self.clock_by_s = 0.0
        self.process: SimulatedProcess | None = None
        self.started_s = 0.0
        self._stopped = asyncio.Event()
        self.lead: SimulatedLead | None = None
        """While it leads."""
        self._connects = False
        """Whether the present process has asked for a connection."""
        self._paused: list[tuple[float, float]] = []
        self.settings.routing_file.parent.mkdir(parents=True)

    @property
    def file(self) -> Path:
        """Its routing file."""
        return self.settings.routing_file

    def monotonic(self) -> float:
        """Its monotonic clock."""
        return self.fleet.timeline.now_s

    def wall(self) -> datetime:
        """Its wall clock."""
        return clock_at(self.fleet.timeline.now_s, self.clock_by_s)

    def endpoints(self, settings: Settings) -> frozenset[str]:
        """The neutral endpoints that answer."""
        cut_off = self.fleet.world.is_cut_off(self.number, self.fleet.timeline.now_s)
        return frozenset() if cut_off else frozenset(settings.connectivity.endpoints)

    def connector(self, deadline_s: float) -> SimulatedConnector:
        """What connects its present process; the first is asked for by its `LeaseKeeper`."""
        assert self.process is not None
        of_lease, self._connects = not self._connects, True
        return SimulatedConnector(
            deadline_s, server=self.fleet.server, process=self.process, link=self.link, of_lease=of_lease
        )

    @property
    def is_well(self) -> bool:
        """Whether it runs, and reaches the database."""
        process, now_s = self.process, self.fleet.timeline.now_s
        return process is not None and process.still_until_s <= now_s and not self.link.is_broken

    @property
    def can_lead(self) -> bool:
        """Whether it is well, its connection for the lease as well, and nobody has told it to end."""
        return self.is_well and not self.link.lease_cuts and not self._stopped.is_set()

    def start(self) -> None:
        """Start the service, unless it runs."""
        if self.process is not None:
            return
        timeline = self.fleet.timeline
        process = self.process = SimulatedProcess(timeline, self.name)
        self.started_s, self._connects = timeline.now_s, False
        self._stopped = asyncio.Event()
        machine = Machine(
            wall=self.wall,
            monotonic=self.monotonic,
            connector=self.connector,
            leads=partial(SimulatedLead, self),
            probes=partial(SimulatedRegionProbing, self),
            look_s=_LOOK_S,
        )
        node = FleetNode(self.settings, region=self.region, machine=machine)
        process.on_end += [partial(self._let_go, process), partial(node.__exit__, None, None, None)]
        process.start(partial(self._run, process, node))

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        if self.process is not None:
            self.fleet.timeline.at(self.fleet.timeline.now_s, self._stopped.set, self.process)

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so many seconds later."""
        if self.process is not None:
            now_s = self.fleet.timeline.now_s
            until_s = max(self.process.still_until_s, now_s + seconds)
            self.fleet.timeline.hold(self.process, until_s)
            self._paused.append((now_s, until_s))

    def go_on(self) -> None:
        """SIGCONT, now."""
        if self.process is not None and self.process.still_until_s > self.fleet.timeline.now_s:
            self.fleet.timeline.hold(self.process, self.fleet.timeline.now_s)
            self._paused[-1] = self._paused[-1][0], self.fleet.timeline.now_s

    def as_seen(self, observation: Observation, began_s: float) -> Observation:
        """What a probe says of itself that may have been under way while this machine stood still."""
        stood_s = sum(until_s - at_s for at_s, until_s in self._paused if at_s > began_s)
        return stalled(observation, stood_s) if stood_s > 1.0 else observation

    async def _run(self, process: SimulatedProcess, node: FleetNode) -> None:
        try:
            await asyncio.to_thread(node.__enter__)
            await node.run(self._stopped)
        except (DatabaseError, LockError, RoutingFileError):
            pass  # as the command has it: it says so, and ends
        finally:
            process.dies = True  # the service manager starts it again

    def _let_go(self, process: SimulatedProcess) -> None:
        """What the kernel does: its connections end, its locks are free."""
        self.fleet.server.end_all(lambda session: session.process is process)
        if self.process is process:
            self.process, self.lead = None, None
            self.fleet.timeline.at(self.fleet.timeline.now_s + self.fleet.restart_s(self.number), self.start)
