"""The composition root: builds the service from its settings, runs it, stops it in good order."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import ParamSpec, TypeVar

from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.heartbeat import ServiceHealth
from controller.alerts.registry import ChannelRegistry, secrets_of
from controller.alerts.slack.buttons.listening import ButtonService
from controller.alerts.slack.client import SlackSender
from controller.alerts.slack.message_values import SINK
from controller.alerts.slack.outbox import Outbox
from controller.alerts.slack.webhook import SlackWebhookSender
from controller.cycle.cycle import Cycle
from controller.incidents.tracker import BLIND_FOR
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile, RoutingFileError
from monitor import formatting as words
from monitor.budget import enforcer as allowance
from monitor.budget import tracker as purse
from monitor.budget.enforcer import BudgetEnforcer
from monitor.budget.tracker import BudgetEvent
from monitor.clock import utc_now
from monitor.connectivity.blindness import Blindness
from monitor.connectivity.checker import ConnectivityChecker
from monitor.connectivity.messages import ConnectivityNote
from monitor.connectivity.state import ConnectivityObservation
from monitor.detection import pacing
from monitor.scheduler import ProbeScheduler
from monitor.settings import Settings, SlackSettings
from monitor.status_pages.poller import StatusPagePoller
from monitor.status_pages.reading import VendorStateChange
from monitor.storage.database import DatabaseError, DatabaseGoneError, database_path, open_writer
from monitor.storage.lock import InstanceLock
from monitor.storage.store import ServiceBeat, Store
from probes import pricing
from probes.observation import Observation
from probes.outcome import Outcome
from probes.prober import Prober, tls_context
from probes.target import Check, Target
from probes.transport import connectivity
from probes.transport import fetch as webpage
from probes.transport.fetch import Page

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_HOST = socket.gethostname()
_VERSION = version("hotspare")
_TICK_S = 0.5
_GATHER_S = 0.1
_SOON_S = 0.02
_BEAT_S = 5.0
_RETRY_S = 1.0
_LAST_ATTEMPTS = 3
_PATIENCE_S = 5.0
_NEUTRAL_S = 3.0
_STATUS_PAGE_S = 10.0
#: How far back the last service's word on our network is of use.
_TRUST = timedelta(hours=1)
_LOOKUPS = 64
_STEP_S = 2.0
_SKIPS_SAID_EVERY_S = 600.0
#: Incidents that were resolved longer ago than this before people could be told are not told any more.
_STALE = timedelta(hours=24)


class Service:
    """Probes, judges, decides, publishes and tells, until it is asked to stop.

    `with Service(settings) as service: await service.run(stop)`. Entering takes the locks, opens the database, goes on
    where the last service stopped and publishes the routing file; it raises LockError, DatabaseError or
    RoutingFileError, each with a message for people.

    The event loop only probes and waits. Whatever touches the database or the routing file runs on one thread of its
    own, whatever talks to Slack on another, so that neither ever delays a probe.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._started_at = clock()
        self._open = ExitStack()
        self._controller = ThreadPoolExecutor(1, thread_name_prefix="controller")
        self._telling = ThreadPoolExecutor(1, thread_name_prefix="slack")
        self._prober = Prober(proxy=settings.network.proxy, ca_bundle=settings.network.ca_bundle, clock=clock)
        self._tls = tls_context(settings.network.ca_bundle)
        self._blindness = Blindness(settings.connectivity_endpoints, frozenset(p.name for p in settings.providers))
        self._network = ConnectivityChecker(
            self._blindness, self._answering, keep=self._keep_connectivity, tell=self._tell, clock=clock
        )
        self._vendors = StatusPagePoller(
            settings.providers, self._status_page, keep=self._keep_vendor_report, clock=clock
        )
        self._schedule = ProbeScheduler(settings.targets, self._probe, self._skipped)
        self._skips: dict[str, tuple[float, int]] = {}
        """For each target when a skip was last noted, and how many there have been since."""
        self._seen: asyncio.Queue[Observation | None] = asyncio.Queue()
        self._vitals = ServiceHealth()

    def __enter__(self) -> "Service":
        with ExitStack() as opened:
            opened.enter_context(InstanceLock(database_path(self._settings.database)))
            opened.enter_context(InstanceLock(self._settings.routing_file))
            engine = open_writer(self._settings.database)
            opened.callback(engine.dispose)
            self._store, self._journal = Store(engine), Journal(engine)
            self._deliveries = DeliveryStore(engine, SINK)
            self._elsewhere = ChannelRegistry(
                self._settings,
                engine,
                in_database=self._in_controller,
                trouble=self._trouble,
                tls=self._tls,
                clock=self._clock,
            )
            self._elsewhere.tidy()
            self._listening = ButtonService(self._settings, engine, in_database=self._in_controller, clock=self._clock)
            news = self._open_purse()
            self._cycle = Cycle(
                self._purse.settings(), self._store, self._journal, RoutingFile(self._settings.routing_file)
            )
            self._cycle.start(self._clock())
            self._cycle.unwatch(*allowance.stopped(self._purse))
            self._blindness.resume(self._store.connectivity(after=self._clock() - _TRUST, before=self._clock()))
            self._vendors.resume(self._store.vendors.latest())
            self._cycle.run((), self._clock(), loss=self._blindness.loss)
            if self._cycle.publish_error:
                raise RoutingFileError(self._cycle.publish_error)
            self._journal.forget_untold(self._clock() - _STALE)
            for one in news:
                self._note(one.kind, "budget", one.text, tell=one.tell)
            self._keep_pace(purse.to_json(self._purse.pace))
            self._say("service_started", f"version {_VERSION}, pid {os.getpid()}, {self._watching()}")
            self._beat()
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.shutdown()
        self._telling.shutdown(cancel_futures=True)
        self._open.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then lets the probes under way finish for up to five seconds, and stores the last.

        Raises DatabaseGoneError as soon as the database has been deleted or replaced: to go on would be to watch
        without deciding, and to say that all is well.
        """
        # The names of status pages are looked up in these threads: a resolver that hangs must not hold up the rest.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup"))
        await asyncio.to_thread(pricing.warm_up)
        # The garbage of start-up is looked at once and never again: collecting it later would stall the loop.
        gc.collect()
        gc.freeze()
        self._schedule.start(self._clock())
        self._look_early()
        try:
            await self._work(stop)
        except BaseExceptionGroup as group:
            gone, rest = group.split(DatabaseGoneError)
            if gone is None or rest is not None:
                raise
            await self._schedule.stop(0)
            raise gone.exceptions[0] from None
        await self._in_controller(self._finish)

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            control = tasks.create_task(self._control())
            others = [
                tasks.create_task(watching)
                for watching in (
                    self._keep_house(),
                    self._network.watch(),
                    self._vendors.watch(),
                    self._allowance.watch(),
                    self._listening.run(),
                )
            ]
            if self._settings.slack:
                others.append(tasks.create_task(self._outbox(self._settings.slack).run(stop)))
            others += [tasks.create_task(telling) for telling in self._elsewhere.tasks(stop)]
            await stop.wait()
            await self._schedule.stop(_PATIENCE_S)
            self._seen.put_nowait(None)
            await control
            for task in others:
                task.cancel()

    def _trouble(self) -> str | None:
        """Why a dead-man service is not to hear that all is well."""
        return self._vitals.trouble(min(target.interval_s for target in self._purse.settings().targets))

    async def _answering(self) -> frozenset[str]:
        """The neutral endpoints that answer right now."""
        settings = self._settings
        return await connectivity.answered(
            settings.connectivity_endpoints, timeout_s=_NEUTRAL_S, tls=self._tls, proxy=settings.network.proxy
        )

    async def _status_page(self, url: str, etag: str | None, modified: str | None) -> Page:
        """A vendor's status page, or that it has not changed."""
        return await webpage.fetch(
            url,
            etag=etag,
            modified=modified,
            timeout_s=_STATUS_PAGE_S,
            tls=self._tls,
            proxy=self._settings.network.proxy,
        )

    async def _keep_vendor_report(self, report: VendorStateChange) -> bool:
        """Store what a status page says now; False, and a line in the log, when that failed."""
        try:
            await self._in_controller(self._store.vendors.record, report)
        except DatabaseError as error:
            log.error("vendor_report_lost page=%s: %s", report.url, error)
            return False
        return True

    async def _probe(self, target: Target, check: Check) -> None:
        """One probe, unless the provider has asked us to rest, or the budget is spent."""
        self._vitals.probed()
        if pacing.resting(self._cycle.record_of(target.id), self._clock()) or not self._allowance.begins(target.id):
            return
        seen = None
        try:
            seen = await self._prober.probe(target, check)
        finally:
            self._allowance.ended(target.id, seen)
        if seen.outcome is not Outcome.OK:
            log.info("probe_failed target=%s outcome=%s: %s", seen.target, seen.outcome, seen.detail)
        self._seen.put_nowait(seen)

    async def _control(self) -> None:
        """Cycle after cycle, at least twice a second, with what was seen since the last one; until the end marker."""
        batch: list[Observation] = []
        blind: set[Observation] = set()
        over = False
        while not over:
            arrived, over = await self._arrived()
            # Asked while it matters: by the time a locked database is free again, our network may be back.
            blind.update(await self._meanwhile(self._network.blind(arrived), batch, blind))
            batch.extend(arrived)
            attempts = _LAST_ATTEMPTS if over else 1
            while attempts and not await self._one_cycle(batch, blind):
                attempts -= 1
                await asyncio.sleep(_RETRY_S)
        if batch:
            log.error("observations_lost count=%d: the database could not be written until the end", len(batch))

    async def _meanwhile(
        self, asking: Coroutine[None, None, frozenset[Observation]], batch: list[Observation], blind: set[Observation]
    ) -> frozenset[Observation]:
        """What `asking` says; cycles go on while it lasts: an operator's hand must not wait for our own network."""
        task = asyncio.create_task(asking)
        try:
            while not (await asyncio.wait([task], timeout=_TICK_S))[0]:
                await self._one_cycle(batch, blind)
            return task.result()
        finally:
            task.cancel()

    async def _arrived(self) -> tuple[list[Observation], bool]:
        """What was seen, waiting for the first a little; and whether the end marker was among it."""
        arrived: list[Observation | None] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._until_next_tick_s()):
                arrived.append(await self._seen.get())
        if arrived and arrived != [None]:
            # A cycle costs the same for one observation as for many: those that come in together share one.
            await asyncio.sleep(_GATHER_S)
        while not self._seen.empty():
            arrived.append(self._seen.get_nowait())
        return [seen for seen in arrived if seen], None in arrived

    def _until_next_tick_s(self) -> float:
        """How long to wait for observations; less than usual where a verdict only waits for its time."""
        due = self._cycle.due
        return _TICK_S if due is None else min(_TICK_S, max(_SOON_S, (due - self._clock()).total_seconds()))

    async def _one_cycle(self, batch: list[Observation], blind: set[Observation]) -> bool:
        """One control cycle; empties the batch, or keeps it for another try when it could not be stored."""
        try:
            loss = self._blindness.loss
            report = await self._in_controller(self._cycle.run, tuple(batch), self._clock(), frozenset(blind), loss)
        except DatabaseGoneError:
            raise
        except DatabaseError as error:
            log.error("cycle_failed waiting=%d: %s", len(batch), error)
            await self._in_controller(self._cycle.keep_alive, self._clock())
            return False
        self._vitals.cycled(self._cycle.publish_error)
        batch.clear()
        blind.clear()
        for extra in report.extras:
            granted = self._allowance.granted(extra)
            if granted:
                self._schedule.quick(extra.slot, granted, self._clock() + timedelta(seconds=extra.delay_s))
        return True

    def _open_purse(self) -> list[BudgetEvent]:
        """Go on with the money that the last service left; raises DatabaseError."""
        now = self._clock()
        self._purse = allowance.open_purse(self._settings, self._store.ledger, now)
        news = self._purse.review(now)
        self._schedule.repace(self._purse.settings().targets, now)
        self._allowance = BudgetEnforcer(
            self._purse,
            changed=self._repace,
            stopped=self._unwatch,
            keep=self._keep_pace,
            tell=lambda one: self._note(one.kind, "budget", one.text, tell=one.tell),
            clock=self._clock,
        )
        return news

    async def _repace(self, settings: Settings) -> None:
        """Probe at other intervals from now on, and judge by them."""
        self._schedule.repace(settings.targets, self._clock())
        await self._in_controller(self._cycle.repace, settings, self._clock())

    async def _unwatch(self, targets: frozenset[str], reason: str) -> None:
        await self._in_controller(self._cycle.unwatch, targets, reason)

    def _look_early(self) -> None:
        """Ask targets at stretched intervals once at their own ones, where nothing recent is known of them."""
        now, due_s = self._clock(), pacing.phases(self._settings.targets)
        for configured, paced in zip(self._settings.targets, self._purse.settings().targets, strict=True):
            seen_at = self._cycle.record_of(paced.id).last_seen_at
            known = seen_at is not None and abs((now - seen_at).total_seconds()) < paced.interval_s
            if paced.interval_s > configured.interval_s and not known:
                self._schedule.quick(paced.id, (paced.id,), now + timedelta(seconds=due_s[paced.id]))

    async def _keep_house(self) -> None:
        """Give signs of life, forget what is past its retention in small steps, and notice a clock that jumps."""
        apart = self._clock_against_monotonic()
        while True:
            step_s, apart = self._clock_against_monotonic() - apart, self._clock_against_monotonic()
            if abs(step_s) > _STEP_S:
                self._note("clock_stepped", _HOST, f"the clock was set by {step_s:+.0f} s: every probe is planned anew")
                self._schedule.replan(self._clock())
            try:
                await self._in_controller(self._beat)
                before = self._clock() - timedelta(seconds=self._settings.retention_raw_s)
                await self._in_controller(self._store.prune, before)
                await self._in_controller(self._store.vendors.prune, before)
            except DatabaseError as error:
                log.error("housekeeping_failed: %s", error)
            await asyncio.sleep(_BEAT_S)

    def _clock_against_monotonic(self) -> float:
        return self._clock().timestamp() - time.monotonic()

    def _outbox(self, slack: SlackSettings) -> Outbox:
        network, secrets = self._settings.network, secrets_of(self._settings)
        url = slack.webhook_url
        sender = (
            SlackWebhookSender(url, network=network, secrets=secrets)
            if url
            else SlackSender(slack, network=network, secrets=secrets)
        )
        return Outbox(
            self._deliveries,
            sender,
            slack,
            routes=self._listening.routes,
            in_database=self._in_controller,
            in_thread=self._in_telling,
            clock=self._clock,
        )

    def _watching(self) -> str:
        settings = self._settings
        slack = f"Slack {settings.slack.channel or 'by webhook'}" if settings.slack else "no Slack"
        counts = f"{words.plural(len(settings.targets), 'target')}, {words.plural(len(settings.routes), 'route')}"
        dry = "dry run, the routes stay as configured; " if settings.controller.dry_run else ""
        return f"{dry}watching {counts}; routing file {settings.routing_file}, {settings.database}, {slack}"

    def _say(self, kind: str, text: str) -> None:
        """Log and keep what the service itself does; raises DatabaseError."""
        log.info("%s: %s", kind, text)
        self._store.add_event(self._clock(), kind, _HOST, text)

    def _skipped(self, target_id: str, why: str) -> None:
        """Note the first skip of a target, then at most one in ten minutes, with the number of those in between."""
        said_at, unsaid = self._skips.get(target_id, (float("-inf"), 0))
        if time.monotonic() - said_at < _SKIPS_SAID_EVERY_S:
            self._skips[target_id] = said_at, unsaid + 1
            return
        self._skips[target_id] = time.monotonic(), 0
        self._note(
            "probe_skipped", target_id, f"{why}; {unsaid} more since the last time this was said" if unsaid else why
        )

    def _note(self, kind: str, subject: str, text: str, *, tell: bool = False) -> None:
        """Log an event and keep it, without waiting for the database; with `tell`, for people in Slack as well."""
        log.warning("%s subject=%s: %s", kind, subject, text)
        self._controller.submit(self._keep_event, self._clock(), kind, subject, text, tell=tell)

    def _keep_event(self, at: datetime, kind: str, subject: str, text: str, *, tell: bool) -> None:
        try:
            self._store.add_event(at, kind, subject, text, tell=tell)
        except DatabaseError as error:
            log.error("event_lost kind=%s: %s", kind, error)

    def _tell(self, note: ConnectivityNote) -> None:
        # A long loss has an incident, which says the same.
        tell = note.tell and note.lasted_s < BLIND_FOR.total_seconds()
        self._note(note.kind, "network", note.text, tell=tell)

    def _keep_connectivity(self, said: ConnectivityObservation) -> None:
        """Keep what the neutral endpoints said, before the cycle that judges by it; without waiting."""
        self._controller.submit(self._store_connectivity, said)

    def _store_connectivity(self, said: ConnectivityObservation) -> None:
        try:
            self._store.record_connectivity(said)
        except DatabaseError as error:
            log.error("connectivity_lost: %s", error)

    def _keep_pace(self, pace: str) -> None:
        """Keep how what costs money is probed, without waiting."""
        self._controller.submit(self._store_pace, pace)

    def _store_pace(self, pace: str) -> None:
        try:
            self._store.ledger.keep_pace(pace, self._clock())
        except DatabaseError as error:
            log.error("pace_lost: %s", error)

    def _beat(self, stopped_at: datetime | None = None) -> None:
        self._store.beat(
            ServiceBeat(
                pid=os.getpid(),
                host=_HOST,
                version=_VERSION,
                started_at=self._started_at,
                beat_at=self._clock(),
                stopped_at=stopped_at,
            )
        )

    def _finish(self) -> None:
        """The last words, so that nobody takes a stop in good order for a crash."""
        try:
            self._say("service_stopped", "in good order")
            self._beat(stopped_at=self._clock())
        except DatabaseError as error:
            log.error("last_words_lost: %s", error)

    async def _in_controller(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._controller, lambda: work(*args, **kwargs))

    async def _in_telling(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._telling, lambda: work(*args, **kwargs))
