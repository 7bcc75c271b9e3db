"""The composition root: builds the service from its settings, runs it, stops it in good order."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine

from controller.alerts.service_health import ServiceHealth
from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.open_files import most_probes, raise_open_files
from controller.routing.routing_file import RoutingFileError, own_file
from controller.service import service_sentences
from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.housekeeping import Housekeeping
from controller.service.lead import Lead
from controller.service.reloading import ConfigurationInForce, Reloader
from controller.service.report_reader import ReportReader
from controller.service.wanted_api import WantedApi
from monitor.budget import tracker as budget_tracker
from monitor.budget.summary import open_tracker, unread_tracker
from monitor.budget.tracker import BudgetEvent, BudgetTracker
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.connectivity.messages import NetworkLoss
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.database import DatabaseError
from monitor.storage.held_file import held_file_of
from monitor.storage.lock import HeldError, LockError
from monitor.storage.probe_report_store import ReportInbox
from monitor.storage.store import Store
from monitor.storage.writer import writer_database
from probes import pricing
from probes.observation import Observation
from probes.target import Target

if TYPE_CHECKING:
    from controller.api.server import ApiServer
    from controller.service.configured_parts import ConfiguredParts

log = logging.getLogger(__name__)

T = TypeVar("T")

_PATIENCE_S = 4.0
#: How far back the last service's answers about our own network are of use.
_CONNECTIVITY_TRUSTED = timedelta(hours=1)
_LOOKUPS = 64
#: Collections of the middle generation between two of everything; Python makes ten.
_YOUNG_PER_FULL_COLLECTION = 100
#: Incidents that were resolved longer ago than this before people could be told are not told any more.
_STALE = timedelta(hours=24)


class Service:
    """Probes, judges, decides, publishes and alerts, until it is asked to stop.

    `with Service(settings) as service: await service.run(stop)`. Entering takes the locks, opens the database, goes on
    where the last service stopped and publishes the routing file; it raises LockError, DatabaseError or
    RoutingFileError, each with a message for people. Where a routing file of ours is published already, a database
    that cannot be used is no obstacle: the service goes on from the file.

    The event loop only probes and waits. Whatever touches the database or the routing file runs on one thread of its
    own, whatever talks to Slack on another, so that neither ever delays a probe.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], datetime] = utc_now,
        lead: Lead | None = None,
    ) -> None:
        """`environ` has the variables of a configuration that is read anew; `lead`: others stand by for this one."""
        self._lead = lead
        self._is_built = False
        self._settings = settings
        self._clock = clock
        self._started_at = clock()
        self._opened = ExitStack()
        """What is to be closed, the last first."""
        self._database = WorkerThread("controller")
        self._slack = WorkerThread("slack")
        self._environ = environ
        self._traced: dict[str, Target] = {}
        self._observations: asyncio.Queue[Observation | None] = asyncio.Queue()
        self._health = ServiceHealth()

    def __enter__(self) -> "Service":
        with ExitStack() as opened:
            self._file = self._lead.file if self._lead else opened.enter_context(own_file(self._settings.routing_file))
            self._writer = writer_database(self._settings.database, self._lead.fence if self._lead else None)
            opened.callback(self._writer.close)
            self._open_database()
            opened.callback(self._slack.shutdown, cancel_futures=True)
            opened.callback(self._database.shutdown)
            self._build(self._writer.engine)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def stuck(self) -> str | None:
        """That nothing is decided or published, in a few words; None while it is."""
        return self._health.stuck()

    def unstored(self) -> Sequence[Observation]:
        """What was observed and not stored, once `run` has ended: of who was deposed another machine takes it."""
        left = [self._observations.get_nowait() for _ in range(self._observations.qsize())]
        return *self._control.unstored, *self._store.pending.observations, *filter(None, left)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then lets the probes under way finish for some seconds, and stores the last."""
        # The names of status pages are looked up in these threads: a resolver that hangs must not hold up the rest.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup"))
        await pricing.warm_up()
        # The garbage of start-up is looked at once and never again: collecting it later would stall the loop.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        # Full collections hold up all threads, for a tenth of a second where thousands of clients are connected.
        gc.set_threshold(*gc.get_threshold()[:2], _YOUNG_PER_FULL_COLLECTION)
        self._record_traces()
        self._probing.start()
        await self._run_tasks(stop)
        await self._database.run(self._housekeeping.stopped)

    def _record_traces(self) -> None:
        if self._settings.otel is None:
            return
        from controller.tracing.exporter import Traces  # noqa: PLC0415 - an extra

        self._traced |= {target.id: target for target in self._settings.targets}
        traces = Traces(self._settings.otel.endpoint, self._traced, self._settings.network)
        self._cycle.on_decision, self._probing.on_observation = traces.decision, traces.probe
        self._reports.on_observation = traces.probe
        self._opened.callback(traces.close)

    def _open_database(self) -> None:
        """Open it; without it go on only from a routing file, and never beside another process that writes it."""
        try:
            self._writer.open()
        except HeldError:
            raise
        except (DatabaseError, LockError) as error:
            if self._lead or not self._file.read_targets():
                raise
            log.error("database_unusable_at_start: %s", error)
            self._writer.recover(self._clock())

    def _read(self, read: Callable[[], T], otherwise: T) -> T:
        """What is read, or written, at the start; where the database cannot be used, `otherwise`."""
        try:
            return read()
        except DatabaseError as error:
            # Others may have led meanwhile: whoever is to lead must have read everything.
            if (self._lead and not self._is_built) or self._writer.is_usable():
                raise
            log.warning("not_read_at_start: %s", error)
            return otherwise

    def _build(self, engine: Engine) -> None:
        """Go on where the last service stopped, publish the routing file, and put together what follows from it."""
        self._store = store = BufferedStore(self._writer)
        now = self._clock()
        self._recorder = BackgroundRecorder(store=store, database=self._database, clock=self._clock)
        loss = self._network_loss_detector(self._settings)
        self._budget = self._open_budget(self._settings)
        budget_events = self._budget.review(now)
        self._resume(store, Journal(engine, self._lead.fence if self._lead else None), loss.messages.loss)
        self._build_parts(engine)
        self._build_loops(loss)
        self._record_budget(budget_events)
        self._read(lambda: self._housekeeping.started(service_sentences.watching(self._settings)), None)
        self._is_built = True

    def _build_parts(self, engine: Engine) -> None:
        """What asks, listens and sends."""
        # Half of the time to a first routing file was the import of what it does without.
        from controller.service.configured_parts import PartsContext, build_parts  # noqa: PLC0415
        from controller.service.parts_runner import PartsRunner  # noqa: PLC0415

        self._context = PartsContext(
            engine=engine,
            recorder=self._recorder,
            in_slack=self._slack.run,
            trouble=self._trouble,
            cannot_write=self._cannot_write,
            clock=self._clock,
            lead=self._lead,
            use_key=lambda provider, key: self._database.submit(
                "key_lost", self._cycle.publisher.use_key, provider, key
            ),
        )
        self._api = WantedApi(self._settings, self._make_api)
        self._parts = build_parts(self._settings, self._context)
        self._runner = PartsRunner(lambda: self._parts)
        self._read_parts(self._parts)
        self._cycle.detection.take_reports = self._parts.traffic.take

    def _make_api(self, settings: Settings) -> "ApiServer":
        from controller.api.server import ApiServer  # noqa: PLC0415 - as in `WantedApi`

        return ApiServer(
            settings=settings,
            content=lambda: self._file.content,
            stuck=self._health.stuck,
            trouble=self._trouble,
            clock=self._clock,
            notify=lambda event, text: self._recorder.event(event, "API", text),
        )

    def _read_parts(self, parts: "ConfiguredParts") -> None:
        """What is stored of them."""
        self._read(parts.channels.forget_removed, None)
        parts.status_pages.resume(self._read(self._recorder.store.vendor_states, {}))

    def _open_budget(self, settings: Settings) -> BudgetTracker:
        now = self._clock()
        tracker = self._read(lambda: open_tracker(settings, self._recorder.store, now), None)
        return tracker or unread_tracker(settings, now)

    def _record_budget(self, events: Iterable[BudgetEvent]) -> None:
        for event in events:
            self._recorder.event(event.kind, "budget", event.text, notify=event.notify)
        self._recorder.throttling(budget_tracker.to_json(self._budget.throttling))

    def _network_loss_detector(self, settings: Settings) -> NetworkLossDetector:
        """One that knows what the last hour has shown."""
        now = self._clock()
        # With regions whoever probes asks the endpoints: what is lost here says nothing of anybody's probes.
        endpoints = () if settings.regions else settings.connectivity.endpoints
        loss = NetworkLossDetector(endpoints, frozenset(p.name for p in settings.providers))
        trusted = now - _CONNECTIVITY_TRUSTED
        loss.resume(self._read(lambda: self._recorder.store.connectivity(after=trusted, before=now), []))
        return loss

    def _resume(self, store: Store, journal: Journal, loss: NetworkLoss | None) -> None:
        """Run the first cycle from what is stored; raises RoutingFileError when its file cannot be written."""
        held = held_file_of(self._settings.routing_file)
        self._cycle = Cycle(self._budget.throttled_settings(), store, journal, self._file, held)
        if self._lead:
            self._cycle.publisher.epoch = self._lead.epoch
            self._cycle.publisher.share = self._lead.share_on(self._writer.engine)
        self._cycle.start(self._clock())
        self._cycle.detection.stop_watching(self._budget.throttling.stopped, self._budget.stop_reason())
        self._cycle.run((), self._clock(), loss=loss)
        if self._cycle.publisher.error:
            raise RoutingFileError(self._cycle.publisher.error)
        self._read(lambda: journal.skip_stale_alerts(self._clock() - _STALE), 0)

    def _build_loops(self, loss: NetworkLossDetector) -> None:
        """What probes, decides, keeps house and reads the configuration anew while the service runs."""
        # As in `_build_parts`.
        from controller.service.control_loop import ControlLoop  # noqa: PLC0415
        from controller.service.probing import Probing  # noqa: PLC0415
        from monitor.connectivity.checker import ConnectivityChecker  # noqa: PLC0415

        self._network = ConnectivityChecker(
            loss,
            self._parts.ask_endpoints,
            keep=self._recorder.connectivity,
            notify=self._recorder.connectivity_note,
            clock=self._clock,
        )
        self._probing = Probing(
            settings=self._settings,
            budget=self._budget,
            cycle=self._cycle,
            prober=self._parts.prober,
            observations=self._observations,
            health=self._health,
            recorder=self._recorder,
            most_at_once=most_probes(raise_open_files()),
        )
        self._control = ControlLoop(
            cycle=self._cycle,
            observations=self._observations,
            network=self._network,
            health=self._health,
            request=self._probing.request,
            changed=self._changed,
            recorder=self._recorder,
        )
        self._reports = ReportReader(
            regions=self._settings.regions,
            from_others=self._lead is not None,
            inbox=ReportInbox(self._writer.engine),
            observations=self._observations,
            targets=lambda: self._probing.paced,
            health=self._health,
            recorder=self._recorder,
        )
        self.configuration = ConfigurationInForce(self._settings, self._started_at)
        self._housekeeping = Housekeeping(
            retention=self._settings.retention,
            routes=self._parts.routes,
            configuration=self.configuration,
            recorder=self._recorder,
            replan=self._probing.schedule.replan,
            started_at=self._started_at,
        )
        self.reloader = Reloader(
            configuration=self.configuration,
            environ=self._environ,
            apply=self._apply,
            beat=self._housekeeping.beat,
            recorder=self._recorder,
        )

    def _changed(self) -> None:
        if self._parts.static_page:
            self._parts.static_page.change()

    async def _run_tasks(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            control = tasks.create_task(self._control.run())
            endless = (
                self._housekeeping.run(),
                self._housekeeping.prune(),
                self._housekeeping.watch_clock(),
                self._network.watch(),
                self._probing.watch_budget(),
                self._reports.run(),
                self._runner.run(tasks, stop),
                self._api.run(),
                self.reloader.run(),
            )
            others = [tasks.create_task(work) for work in endless]
            await stop.wait()
            await self._probing.schedule.stop(_PATIENCE_S)
            self._observations.put_nowait(None)
            await control
            for task in others:
                task.cancel()

    async def _apply(self, settings: Settings) -> None:
        """Go on with other settings, whole, and with all that is known; raises DatabaseError with nothing changed."""
        from controller.service.configured_parts import build_parts  # noqa: PLC0415 - as in `_build_parts`

        same = settings.traffic == self._settings.traffic
        # In a thread: certificates are read and contexts are made, which must not stall the loop that times the probes.
        traffic = self._parts.traffic if same else None
        parts = await asyncio.to_thread(build_parts, settings, self._context, traffic)
        self._probing.schedule.pause()
        try:
            budget_events, loss = await self._database.run(self._switch, parts)
            parts.traffic.watch(settings)
            self._settings, self._parts = settings, parts
            self._traced |= {target.id: target for target in settings.targets}
            self._api.reconfigure(settings)
            self._network.reconfigure(loss, parts.ask_endpoints)
            self._probing.reconfigure(settings, self._budget, parts.prober)
            self._housekeeping.retention, self._housekeeping.routes = settings.retention, parts.routes
            self._reports.regions = settings.regions
        finally:
            self._probing.schedule.resume()
        self._record_budget(budget_events)
        self._runner.replace()

    def _switch(self, parts: "ConfiguredParts") -> tuple[Sequence[BudgetEvent], NetworkLossDetector]:
        """The part of it that belongs to the database's thread."""
        settings, now = parts.settings, self._clock()
        loss, budget = self._network.detector, self._open_budget(settings)
        if settings.connectivity != self._settings.connectivity:
            loss = self._network_loss_detector(settings)
        budget.go_on_from(self._budget)
        events = budget.review(now)
        self._read_parts(parts)
        self._cycle.reconfigure(budget.throttled_settings(), now)
        # From here on nothing can fail.
        loss.watch_providers(frozenset(provider.name for provider in settings.providers))
        self._cycle.detection.stop_watching(budget.throttling.stopped, budget.stop_reason())
        self._cycle.detection.take_reports = parts.traffic.take
        self._budget = budget
        return events, loss

    def _trouble(self) -> str | None:
        """Why the service is not well, for the heartbeat; None while it is."""
        return self._health.trouble(min(target.interval_s for target in self._budget.throttled_settings().targets))

    def _cannot_write(self) -> str | None:
        return service_sentences.cannot_write(self._settings, self._writer, self._health.stuck())
