"""The composition root: builds the service from its settings, runs it, stops it in good order."""

import asyncio
import gc
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Engine

from controller.alerts.channel import ChannelContext
from controller.alerts.heartbeat import ServiceHealth
from controller.alerts.registry import AlertingTasks
from controller.alerts.slack.buttons.listener import ButtonService
from controller.api.server import ApiServer
from controller.cycle.cycle import Cycle
from controller.history.store import RouteHistory
from controller.journal import Journal
from controller.routing.ballast import Ballast
from controller.routing.routing_file import RoutingFile, RoutingFileError
from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.control_loop import ControlLoop
from controller.service.housekeeping import Housekeeping
from controller.service.probing import Probing
from controller.service.static_page_writer import StaticPageWriter
from controller.service.traffic_intake import TrafficIntake
from monitor.budget import tracker as budget_tracker
from monitor.budget.summary import open_tracker, unread_tracker
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.connectivity.checker import ConnectivityChecker
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.formatting import plural
from monitor.status_pages.poller import StatusPagePoller, status_pages
from monitor.storage.buffered_store import TOLD_AFTER_S, BufferedStore
from monitor.storage.database import DatabaseError
from monitor.storage.lock import HeldError, LockError, instance_lock
from monitor.storage.store import Store
from monitor.storage.traffic_store import TrafficStore
from monitor.storage.writer import WriterDatabase
from probes import pricing
from probes.observation import Observation
from probes.prober import Prober
from probes.transport.fetch import ask_endpoints, fetch_page
from probes.transport.http_transport import tls_context

log = logging.getLogger(__name__)

T = TypeVar("T")

_PATIENCE_S = 4.0
_NEUTRAL_S = 3.0
_STATUS_PAGE_S = 10.0
#: How far back the last service's answers about our own network are of use.
_CONNECTIVITY_TRUSTED = timedelta(hours=1)
_LOOKUPS = 64
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

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._started_at = clock()
        self._opened = ExitStack()
        """What is to be closed, the last first."""
        self._database = WorkerThread("controller")
        self._slack = WorkerThread("slack")
        self._tls = tls_context(settings.network.ca_bundle)
        self._network_loss = NetworkLossDetector(
            settings.connectivity.endpoints, frozenset(p.name for p in settings.providers)
        )
        self._observations: asyncio.Queue[Observation | None] = asyncio.Queue()
        self._health = ServiceHealth()

    def __enter__(self) -> "Service":
        with ExitStack() as opened:
            published = self._settings.routing_file
            card = published.with_name(f"{published.name}.lock")
            folder = opened.enter_context(instance_lock(published.parent, card=card, folder=True))
            self._file = RoutingFile(published, ballast=Ballast(published), folder=folder)
            self._writer = WriterDatabase(self._settings.database)
            opened.callback(self._writer.close)
            self._open_database()
            opened.callback(self._slack.shutdown, cancel_futures=True)
            opened.callback(self._database.shutdown)
            self._build(self._writer.engine)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then lets the probes under way finish for some seconds, and stores the last."""
        # The names of status pages are looked up in these threads: a resolver that hangs must not hold up the rest.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup"))
        await pricing.warm_up()
        # The garbage of start-up is looked at once and never again: collecting it later would stall the loop.
        gc.collect()
        gc.freeze()
        self._record_traces()
        self._probing.start()
        await self._run_tasks(stop)
        await self._database.run(self._housekeeping.stopped)

    def _record_traces(self) -> None:
        if self._settings.otel is None:
            return
        from controller.tracing.exporter import Traces  # noqa: PLC0415 - an extra

        traces = Traces(self._settings.otel.endpoint, {target.id: target for target in self._settings.targets})
        self._cycle.on_decision, self._probing.on_observation = traces.decision, traces.probe
        self._opened.callback(traces.close)

    def _open_database(self) -> None:
        """Open it; without it go on only from a routing file, and never beside another process that writes it."""
        try:
            self._writer.open()
        except HeldError:
            raise
        except (DatabaseError, LockError) as error:
            if not self._file.read_targets():
                raise
            log.error("database_unusable_at_start: %s", error)
            self._writer.recover(self._clock())

    def _read(self, read: Callable[[], T], otherwise: T) -> T:
        """What is read, or written, at the start; where the database cannot be used, `otherwise`."""
        try:
            return read()
        except DatabaseError as error:
            if self._writer.is_usable():
                raise
            log.warning("not_read_at_start: %s", error)
            return otherwise

    def _build(self, engine: Engine) -> None:
        """Put the parts together, go on where the last service stopped, publish the routing file."""
        store = BufferedStore(self._writer)
        self._recorder = BackgroundRecorder(store=store, database=self._database, clock=self._clock)
        self._build_alerts(engine)
        self._build_monitoring(store)
        now = self._clock()
        self._budget = self._read(lambda: open_tracker(self._settings, store, now), None) or unread_tracker(
            self._settings, now
        )
        budget_events = self._budget.review(self._clock())
        self._resume(store, Journal(engine))
        self._traffic = TrafficIntake(settings=self._settings, recorder=self._recorder, store=TrafficStore(engine))
        self._cycle.detection.take_reports = self._traffic.take
        self._build_loops(RouteHistory(engine, self._settings))
        for event in budget_events:
            self._recorder.event(event.kind, "budget", event.text, notify=event.notify)
        self._recorder.throttling(budget_tracker.to_json(self._budget.throttling))
        self._read(lambda: self._housekeeping.started(self._watching()), None)

    def _build_alerts(self, engine: Engine) -> None:
        self._buttons = ButtonService(self._settings, engine, in_database=self._database.run, clock=self._clock)
        context = ChannelContext(
            settings=self._settings, tls=self._tls, in_thread=self._slack.run, button_routes=self._buttons.routes
        )
        self._channels = AlertingTasks(
            context,
            engine,
            in_database=self._database.run,
            trouble=self._trouble,
            cannot_write=self._cannot_write,
            clock=self._clock,
        )
        self._read(self._channels.forget_removed, None)

    def _build_monitoring(self, store: Store) -> None:
        """What watches our own network and the vendors' status pages."""
        settings, proxy = self._settings, self._settings.network.proxy
        endpoints = settings.connectivity.endpoints
        self._network = ConnectivityChecker(
            self._network_loss,
            lambda: ask_endpoints(endpoints, timeout_s=_NEUTRAL_S, tls=self._tls, proxy=proxy),
            keep=self._recorder.connectivity,
            notify=self._recorder.connectivity_note,
            clock=self._clock,
        )
        self._status_pages = StatusPagePoller(
            status_pages(settings.providers),
            lambda url, etag, modified: fetch_page(
                url, etag=etag, modified=modified, timeout_s=_STATUS_PAGE_S, tls=self._tls, proxy=proxy
            ),
            keep=self._recorder.vendor_report,
            clock=self._clock,
        )
        now = self._clock()
        trusted = now - _CONNECTIVITY_TRUSTED
        self._network_loss.resume(self._read(lambda: store.connectivity(after=trusted, before=now), []))
        self._status_pages.resume(self._read(store.vendor_states, {}))

    def _resume(self, store: Store, journal: Journal) -> None:
        """Run the first cycle from what is stored; raises RoutingFileError when its file cannot be written."""
        self._cycle = Cycle(self._budget.throttled_settings(), store, journal, self._file)
        self._cycle.start(self._clock())
        self._cycle.detection.stop_watching(self._budget.throttling.stopped, self._budget.stop_reason())
        self._cycle.run((), self._clock(), loss=self._network_loss.messages.loss)
        if self._cycle.publisher.error:
            raise RoutingFileError(self._cycle.publisher.error)
        self._read(lambda: journal.skip_stale_alerts(self._clock() - _STALE), 0)

    def _build_loops(self, routes: RouteHistory) -> None:
        """What probes, decides and keeps house while the service runs."""
        network, ui = self._settings.network, self._settings.ui
        self._static_page = ui.static and StaticPageWriter(
            config=self._settings.path, folder=ui.static, recorder=self._recorder
        )
        self._probing = Probing(
            settings=self._settings,
            budget=self._budget,
            cycle=self._cycle,
            prober=Prober(proxy=network.proxy, ca_bundle=network.ca_bundle, clock=self._clock),
            observations=self._observations,
            health=self._health,
            recorder=self._recorder,
        )
        self._control = ControlLoop(
            cycle=self._cycle,
            observations=self._observations,
            network=self._network,
            health=self._health,
            request=self._probing.request,
            changed=self._static_page.change if self._static_page else lambda: None,
            recorder=self._recorder,
        )
        self._housekeeping = Housekeeping(
            retention=self._settings.retention,
            routes=routes,
            recorder=self._recorder,
            replan=self._probing.schedule.replan,
            started_at=self._started_at,
        )

    def _build_api(self) -> ApiServer:
        return ApiServer(
            settings=self._settings,
            content=lambda: self._file.content,
            stuck=self._health.stuck,
            trouble=self._trouble,
            clock=self._clock,
            notify=lambda event, text: self._recorder.event(event, "API", text),
        )

    async def _run_tasks(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            control = tasks.create_task(self._control.run())
            endless = (
                self._housekeeping.run(),
                self._housekeeping.watch_clock(),
                self._network.watch(),
                self._status_pages.watch(),
                self._probing.watch_budget(),
                self._traffic.run(),
                self._build_api().run(),
                self._buttons.run(),
                *self._channels.tasks(stop),
                *([self._static_page.run()] if self._static_page else []),
            )
            others = [tasks.create_task(work) for work in endless]
            await stop.wait()
            await self._probing.schedule.stop(_PATIENCE_S)
            self._observations.put_nowait(None)
            await control
            for task in others:
                task.cancel()

    def _trouble(self) -> str | None:
        """Why the service is not well, for the heartbeat; None while it is."""
        return self._health.trouble(min(target.interval_s for target in self._budget.throttled_settings().targets))

    def _cannot_write(self) -> str | None:
        """That the database cannot be written, or that a disk holds up everything, once it has lasted for a while."""
        if stuck := self._health.stuck():
            disk = f"see whether the disk of {self._settings.routing_file} answers"
            return f"I cannot write, and move no route: {stuck}; {disk}"
        if self._writer.unusable_s() < TOLD_AFTER_S:
            return None
        return f"I cannot write; I still watch and route. {self._writer.unusable}"

    def _watching(self) -> str:
        settings = self._settings
        slack = f"Slack {settings.alerts.slack.channel or 'by webhook'}" if settings.alerts.slack else "no Slack"
        counts = f"{plural(len(settings.targets), 'target')}, {plural(len(settings.routes), 'route')}"
        dry = "dry run, the routes stay as configured; " if settings.controller.dry_run else ""
        return f"{dry}watching {counts}; routing file {settings.routing_file}, {settings.database}, {slack}"
