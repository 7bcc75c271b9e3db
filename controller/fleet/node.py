"""One machine of several on one PostgreSQL: it stands by until the lease of who decides is over, then leads."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import MappingProxyType

from controller.fleet.lease_keeper import LeaseKeeper, holder_name
from controller.fleet.leftovers import Leftovers
from controller.fleet.machine import THIS, Leads, Machine
from controller.fleet.monitor_node import MonitorNode
from controller.fleet.standby import Standby
from controller.routing.published_state import order_of
from controller.routing.routing_file import RoutingFile, own_file
from controller.service.lead import Lead
from monitor.config.loader import load
from monitor.config.problems import ConfigError
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import DeposedError, HeldLease, LeaseFence
from monitor.storage.lock import LockError

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class FleetNode:
    """`with FleetNode(settings) as node: await node.run(stop)`: standing by and leading in turn.

    Entering locks the routing file's folder and asks for the lease; it raises LockError, and DatabaseError where the
    database cannot be used and no routing file of ours is there. To lead is to run an ordinary `Service`, which goes on
    from the rows; a lease that was lost ends it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        region: str = "",
        environ: Mapping[str, str] = MappingProxyType({}),
        machine: Machine = THIS,
    ) -> None:
        """`region` is that of this machine, which it probes for whoever leads; empty where there are none."""
        self._settings = settings
        self._region = region
        self._environ = environ
        self._machine = machine
        self._opened = ExitStack()
        self._clock = machine.clock()
        self._monitor: MonitorNode | None = None
        self._leftovers: Leftovers | None = None
        self._service: Leads | None = None
        """While it leads."""

    def __enter__(self) -> "FleetNode":
        with ExitStack() as opened:
            self._file: RoutingFile = opened.enter_context(own_file(self._settings.routing_file, self._region))
            holder = holder_name(self._settings.routing_file)
            self._keeper = LeaseKeeper(self._settings.database, holder, self._clock, self._machine)
            opened.callback(self._keeper.close)
            self._lease = self._first_lease()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def stuck(self) -> str | None:
        """As `Service.stuck`; a machine that stands by is not."""
        return self._service.stuck() if self._service else None

    def reload(self) -> None:
        """Read the configuration anew; a machine that stands by does so once it leads, but for its own probes."""
        if self._monitor:
            self._monitor.reloader.ask()
        if self._service:
            self._service.reloader.ask()

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Until `stop`; `ready` is called once it leads, or stands by."""
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            if self._region:
                self._monitor = self._monitor_node()
                tasks.create_task(self._monitor.run(stop))
            else:  # with regions, what is probed is reported before it is judged
                self._leftovers = Leftovers(self._settings, self._machine)
                tasks.create_task(self._leftovers.run(ended))
            await self._take_part(stop, ready)
            ended.set()

    def _monitor_node(self) -> MonitorNode:
        return MonitorNode(
            self._settings,
            self._region,
            holder=self._keeper.holder,
            clock=self._clock,
            environ=self._environ,
            machine=self._machine,
        )

    async def _take_part(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Stand by and lead in turn."""
        lease = self._lease
        while not stop.is_set():
            if lease is None:
                ready()
                lease = await self._stand_by(stop)
                continue
            await self._lead(lease, stop, ready)
            lease = None

    def _first_lease(self) -> HeldLease | None:
        """Where nobody leads, it is led at once."""
        table = self._file.read_table()
        try:
            return self._keeper.take(order_of(table)[0])
        except DatabaseError as error:
            if not table:
                raise
            log.error("database_unusable_at_start: %s", error)
            return None

    async def _stand_by(self, stop: asyncio.Event) -> HeldLease | None:
        if self._leftovers:
            await self._leftovers.report_held()
        standby = Standby(self._settings, self._file, self._keeper, self._clock, self._machine)
        try:
            return await standby.run(stop)
        finally:
            standby.close()

    async def _lead(self, lease: HeldLease, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Run the service until `stop`, or until the lease is lost; give it back."""
        fence, over = LeaseFence(lease, monotonic=self._machine.monotonic), asyncio.Event()
        kept = asyncio.create_task(self._keeper.keep(fence, self.stuck))
        stopped = asyncio.create_task(stop.wait())
        for ending in (kept, stopped):
            ending.add_done_callback(lambda _: over.set())
        self._settings = await asyncio.to_thread(self._newest_settings)
        service = self._machine.leads(
            self._settings, environ=self._environ, clock=self._clock, lead=Lead(fence=fence, file=self._file)
        )
        try:
            await asyncio.to_thread(service.__enter__)  # a lease is renewed also while tables are migrated
            with ExitStack() as entered:
                entered.push(service)
                self._service = service
                ready()
                await service.run(over)
        except DeposedError as error:
            log.error("deposed: %s; this machine stands by", error)
        except (DatabaseError, LockError) as error:  # whoever led before may take long to end
            log.error("lead_failed epoch=%d: %s; this machine stands by", lease.epoch, error)
            await asyncio.sleep(_AGAIN_S)
        finally:
            if self._service and self._leftovers:
                await self._leftovers.report(self._service.unstored())
            self._service = None
            for task in (kept, stopped):
                task.cancel()
            await asyncio.gather(kept, stopped, return_exceptions=True)
            await self._keeper.thread.run(self._keeper.release, fence)

    def _newest_settings(self) -> Settings:
        """What the configuration says by now, where it can be used: a machine may have stood by for weeks."""
        present = self._settings
        try:
            newest = load(present.path, self._environ)
        except ConfigError as error:
            log.warning("configuration_kept: %s", "; ".join(error.problems))
            return present
        fixed = ("database", "routing_file", "otel")
        return replace(newest, **{name: getattr(present, name) for name in fixed})
