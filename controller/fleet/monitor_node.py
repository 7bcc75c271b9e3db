"""One of the machines that probe a region: one of them does, the others wait; the leader hears of it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType

from controller.fleet.machine import THIS, Machine
from controller.fleet.region_lease import RegionLease, region_lease_name
from controller.fleet.region_probing import LoggingRecorder
from controller.fleet.report_buffer import ReportBuffer
from controller.fleet.report_sender import ReportSender
from controller.journal import Journal
from controller.service.background import HOST, WorkerThread
from controller.service.reloading import ConfigurationInForce, Reloader
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError, reading
from monitor.storage.lease_store import LeaseStore
from monitor.storage.probe_report_store import ReportOutbox
from monitor.storage.store import Store
from probes import pricing

log = logging.getLogger(__name__)


class MonitorNode:
    """`await MonitorNode(settings, region, ...).run(stop)`, whoever leads; once.

    While the database is away it probes on if it did before, and keeps what it sees beside the routing file.
    """

    def __init__(
        self,
        settings: Settings,
        region: str,
        *,
        holder: str,
        clock: Callable[[], datetime],
        environ: Mapping[str, str] = MappingProxyType({}),
        machine: Machine = THIS,
    ) -> None:
        """`holder` is the name of this process, as of `RegionLease`; `environ` as of `Service`."""
        self._settings = settings
        self._machine = machine
        self._changed = asyncio.Event()
        """There are other settings than those that are probed by."""
        self._region = region
        self._clock = clock
        self._engine = machine.reporter(settings.database)
        self._database = WorkerThread("monitor")
        leases = LeaseStore(self._engine, region_lease_name(region), monotonic=machine.monotonic)
        self._lease = RegionLease(leases, region, holder, monotonic=machine.monotonic)
        self._outbox_engine = machine.reporter(settings.database)
        outbox = ReportOutbox(self._outbox_engine, region=region, reporter=HOST)
        self._sender = ReportSender(outbox.send, ReportBuffer(settings.routing_file), monotonic=machine.monotonic)
        self._failed = False
        self.reloader = Reloader(
            configuration=ConfigurationInForce(settings, clock()),
            environ=environ,
            apply=self._apply,
            beat=lambda: None,
            recorder=LoggingRecorder(store=Store(reading(self._engine)), database=self._database, clock=clock),
            look_s=2 * machine.look_s,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: probes while it holds the lease of the region, and reports what was probed."""
        ended = asyncio.Event()
        await pricing.warm_up()
        try:
            async with asyncio.TaskGroup() as tasks:
                reporting = tasks.create_task(self._sender.run(ended))
                reloading = tasks.create_task(self.reloader.run())
                while not stop.is_set():
                    await self._keep_lease()
                    if self._lease.is_held:
                        await self._probe(stop)
                    await _wait(stop, self._machine.look_s)
                reloading.cancel()
                ended.set()
                await reporting
            await self._database.run(self._lease.release)
        finally:
            self._database.shutdown(cancel_futures=True)
            self._engine.dispose()
            self._outbox_engine.dispose()

    async def _probe(self, stop: asyncio.Event) -> None:
        """Until `stop`, until another machine probes, or until the configuration is another."""
        self._changed.clear()
        probing = self._machine.probes(
            settings=self._settings,
            region=self._region,
            store=Store(reading(self._engine)),
            journal=Journal(reading(self._engine)),
            database=self._database,
            clock=self._clock,
            report=self._sender.add,
            tell=self._sender.tell,
        )
        until = asyncio.Event()
        self._sender.gives_signs = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(probing.run(until))
                while self._lease.is_held and not stop.is_set() and not self._changed.is_set():
                    await _wait(stop, self._machine.look_s)
                    await self._keep_lease()
                until.set()
        finally:
            self._sender.gives_signs = False

    async def _apply(self, settings: Settings) -> None:
        self._settings = settings
        self._changed.set()

    async def _keep_lease(self) -> None:
        try:
            if await self._database.run(self._lease.keep):
                self._failed = False
        except DatabaseError as error:
            self._engine.dispose()
            if not self._failed:
                log.warning("region_lease_not_kept region=%s: %s", self._region, error)
            self._failed = True


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
