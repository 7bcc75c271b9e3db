"""What the parts of a simulated fleet know of each other."""

from collections.abc import Sequence
from typing import Any, Protocol

from benchmarks.drills.fleet_simulation.history import History
from benchmarks.drills.fleet_simulation.server import SimulatedServer
from benchmarks.drills.fleet_simulation.timeline import SimulatedProcess, Timeline
from benchmarks.drills.fleet_simulation.world import FleetWorld
from benchmarks.drills.simulation.world import RememberingSlack
from monitor.config.settings import Settings
from monitor.storage.postgres_connection import Connector
from probes.observation import Observation


class Fleet(Protocol):
    """As `SimulatedFleet`."""

    history: History
    timeline: Timeline
    server: SimulatedServer
    world: FleetWorld

    def cycled(self, number: int) -> None:
        """A control cycle of this machine is over."""

    def reported(self, process: SimulatedProcess, observations: Sequence[Observation]) -> None:
        """Somebody hands over what this process has probed."""

    def slack_anew(self) -> RememberingSlack:
        """Slack as a new process sees it."""

    def restart_s(self, number: int) -> float:
        """How long after its end the service of this machine is started again."""


class Place(Protocol):
    """As `SimulatedMachine`."""

    fleet: Fleet
    number: int
    process: SimulatedProcess | None
    lead: Any
    """What leads, while it does."""

    def monotonic(self) -> float:
        """Its monotonic clock."""

    def endpoints(self, settings: Settings) -> frozenset[str]:
        """The neutral endpoints that answer."""

    def connector(self, deadline_s: float) -> Connector:
        """What connects its present process."""

    def as_seen(self, observation: Observation, began_s: float) -> Observation:
        """What a probe says of itself that may have been under way while this machine stood still."""
