"""What a process of a fleet has of its machine: clocks, a way to the database, and what it leads and probes with."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import Engine

from controller.fleet.region_probing import RegionProbing
from controller.fleet.shared_clock import SharedClock
from controller.service.reloading import Reloader
from controller.service.service import Service
from monitor.clock import utc_now
from monitor.storage.postgres_connection import Connector
from monitor.storage.postgres_engine import open_reporter
from probes.observation import Observation


class Leads(AbstractContextManager[Any], Protocol):
    """What decides while a machine leads; as `Service`."""

    reloader: Reloader

    def stuck(self) -> str | None:
        """As of `Service`."""

    def unstored(self) -> Sequence[Observation]:
        """As of `Service`."""

    async def run(self, stop: asyncio.Event) -> None:
        """As of `Service`."""


class Probes(Protocol):
    """What probes a region; as `RegionProbing`."""

    async def run(self, until: asyncio.Event) -> None:
        """As of `RegionProbing`."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """As it stands it is the one that this process runs on; a simulation gives its own clocks and connections."""

    wall: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    connector: Callable[[float], Connector] = Connector
    """What connects to the database, given how many seconds that may take."""
    leads: Callable[..., Leads] = Service
    probes: Callable[..., Probes] = RegionProbing
    look_s: float = 0.5
    """How often it looks whether it may lead or probe, and for another table."""

    def clock(self) -> SharedClock:
        """A clock that starts with this machine's time."""
        return SharedClock(wall=self.wall, monotonic=self.monotonic)

    def reporter(self, url: str, *, statement_s: float = 5.0) -> Engine:
        """As `open_reporter`."""
        return open_reporter(url, statement_s=statement_s, connector=self.connector(statement_s))


THIS: Final = Machine()
