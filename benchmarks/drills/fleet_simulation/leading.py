"""What a machine of the simulated fleet leads with: all of `Service` that decides, publishes, stores and tells."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Any, Final

from benchmarks.drills.fleet_simulation.parts import Place
from benchmarks.drills.fleet_simulation.probing import Probes
from benchmarks.drills.simulation.controller import Controller
from controller.alerts.service_health import ServiceHealth
from controller.routing.policy import AFTER_DUE_S, GATHER_S
from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.lead import Lead
from controller.service.reloading import Reloader
from controller.service.report_reader import ReportReader
from monitor.config.settings import Settings
from monitor.health import Health
from monitor.storage.database import DatabaseError
from monitor.storage.postgres_writer import STATEMENT_S, PostgresWriter
from monitor.storage.probe_report_store import ReportInbox
from probes.observation import Observation

_TICK_S: Final = 2.0
_CALM_TICK_S: Final = 5.0
_RETRY_S: Final = 1.0
_LAST_ATTEMPTS: Final = 3
_DELIVER_S: Final = 1.0
_HOUSEKEEPING_S: Final = 30.0
_REPORTS_S: Final = 1.0
_STUCK_S: Final = 30.0
_SETTLED: Final = frozenset({Health.UP, Health.UNKNOWN})


class SimulatedLead:
    """As `Service`; ticks of the control loop are rarer, because an idle cycle costs as much as any other."""

    reloader: Reloader

    def __init__(
        self,
        machine: Place,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        lead: Lead,
    ) -> None:
        del environ
        self._machine = machine
        self._settings = settings
        self._clock = clock
        self.lead = lead
        self._database = WorkerThread("controller")
        self._observations: asyncio.Queue[Observation | None] = asyncio.Queue()
        self._batch: list[Observation] = []
        self._stored: tuple[Any, ...] = ()
        self.cycled_s = machine.monotonic()
        """When the last cycle ended."""
        self._opened = ExitStack()

    def __enter__(self) -> "SimulatedLead":
        machine, fence = self._machine, self.lead.fence
        with ExitStack() as opened:
            writer = PostgresWriter(
                self._settings.database,
                fence=fence,
                monotonic=machine.monotonic,
                connector=machine.connector(STATEMENT_S),
            )
            opened.callback(writer.close)
            writer.open()
            opened.callback(self._database.shutdown)
            self.slack = machine.fleet.slack_anew()
            self.controller = Controller(
                self._settings,
                self.lead.file,
                writer,
                self.slack,
                in_database=self._database.run,
                clock=self._clock,
                monotonic=machine.monotonic,
                endpoints=lambda: machine.endpoints(self._settings),
                lead=self.lead,
            )
            self.controller.go_on()
            self._opened = opened.pop_all()
        machine.lead = self
        return self

    def __exit__(self, *_: object) -> None:
        self._machine.lead = None
        self._opened.close()

    def stuck(self) -> str | None:
        """As of `Service`."""
        stands_s = self._machine.monotonic() - self.cycled_s
        return "no control cycle has ended" if stands_s > _STUCK_S else None

    def unstored(self) -> Sequence[Observation]:
        """As of `Service`."""
        left = [self._observations.get_nowait() for _ in range(self._observations.qsize())]
        return *self._batch, *self.controller.store.pending.observations, *filter(None, left)

    async def run(self, stop: asyncio.Event) -> None:
        """As of `Service`."""
        detection, settings = self.controller.cycle.detection, self._settings
        ours = [target for target in settings.targets if not target.monitored_from]
        self._probes = Probes(
            self._machine, ours, lambda: detection.detector, clock=self._clock, observe=self._observations.put_nowait
        )
        self._probes.start()
        self._probes.request(detection.resumed_probes)
        reports = ReportReader(
            regions=settings.regions,
            from_others=True,
            inbox=ReportInbox(self.controller.database.engine),
            observations=self._observations,
            targets=lambda: settings.targets,
            health=ServiceHealth(),
            recorder=BackgroundRecorder(store=self.controller.store, database=self._database, clock=self._clock),
            monotonic=self._machine.monotonic,
            every_s=_REPORTS_S,
        )
        async with asyncio.TaskGroup() as tasks:
            control = tasks.create_task(self._control())
            endless = [tasks.create_task(work) for work in (reports.run(), self._keep_house(), self._deliver(stop))]
            await stop.wait()
            self._probes.stop()
            self._observations.put_nowait(None)
            await control
            for task in endless:
                task.cancel()
        with suppress(DatabaseError):
            await self._database.run(self.controller.beat)

    async def _control(self) -> None:
        over, tick_s = False, _TICK_S
        while not over:
            arrived: list[Observation | None] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(tick_s):
                    arrived.append(await self._observations.get())
            if arrived and arrived != [None]:
                await asyncio.sleep(GATHER_S)
            while not self._observations.empty():
                arrived.append(self._observations.get_nowait())
            over = None in arrived
            self._batch += [each for each in arrived if each]
            attempts = _LAST_ATTEMPTS if over else 1
            while attempts and not await self._cycle():
                attempts -= 1
                await asyncio.sleep(_RETRY_S)
            tick_s = self._until_next_tick_s()
        with suppress(DatabaseError):
            await self._database.run(self.controller.cycle.detection.save_all, self._clock())

    async def _cycle(self) -> bool:
        batch = tuple(self._batch)
        try:
            bursts = await self._database.run(self.controller.run_cycle, batch)
        except DatabaseError:
            return False
        self._batch.clear()
        self._probes.request(bursts)
        self.cycled_s = self._machine.monotonic()
        self._machine.fleet.cycled(self._machine.number)
        return True

    def _until_next_tick_s(self) -> float:
        cycle = self.controller.cycle
        detector = cycle.detection.detector
        calm = all(state.health in _SETTLED for state in detector.health.values()) and not cycle.is_behind
        tick_s = _CALM_TICK_S if calm else _TICK_S
        if detector.due is not None:
            tick_s = min(tick_s, max(AFTER_DUE_S, (detector.due - self._clock()).total_seconds()))
        return tick_s

    async def _deliver(self, stop: asyncio.Event) -> None:
        """Where something is new, or after a while."""
        idle = 0
        while not stop.is_set():
            await asyncio.sleep(_DELIVER_S)
            idle += 1
            with suppress(DatabaseError):
                stored = await self._database.run(self.controller.stored)
                if stored != self._stored or idle >= 10:
                    idle, self._stored = 0, stored
                    self.slack.at_s = self._machine.fleet.timeline.now_s
                    await self.controller.worker.deliver_once()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            with suppress(DatabaseError):
                await self._database.run(lambda: self.controller.keep_house(prunes=False))
