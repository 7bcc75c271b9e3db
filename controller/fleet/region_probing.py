"""Probes the targets of one region for a leader that is elsewhere, and hands what it sees to whoever reports it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.alerts.service_health import ServiceHealth
from controller.fleet.pacing_detection import PacingDetection
from controller.journal import Journal
from controller.open_files import most_probes, raise_open_files
from controller.routing.policy import GATHER_S
from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.configured_parts import endpoints_asked, keyed_prober
from controller.service.probing import Probing
from monitor.budget import tracker as budget_tracker
from monitor.budget.allocation import month_of
from monitor.budget.summary import open_tracker, unread_tracker
from monitor.budget.tracker import BudgetTracker
from monitor.config.settings import Settings
from monitor.connectivity.checker import ConnectivityChecker
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.connectivity.state import ConnectivityObservation
from monitor.storage.database import DatabaseError
from monitor.storage.probe_report import ReportedEvent
from monitor.storage.store import Store
from probes.observation import Observation, replaced
from probes.transport.http_transport import tls_context

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 4.0


class LoggingRecorder(BackgroundRecorder):
    """Of a machine that only probes: what happens there is logged, and only the leader writes to the database."""

    def event(self, kind: str, subject: str, text: str, *, notify: bool = False) -> None:
        """Log it."""
        del notify
        log.warning("%s subject=%s: %s", kind, subject, text)

    def connectivity(self, observation: ConnectivityObservation) -> None:
        """The report says what follows from it."""

    def throttling(self, pace: str) -> None:
        """It is the leader's."""


@dataclass(kw_only=True)
class _TellingRecorder(LoggingRecorder):
    """Also hands over what people must be told; they learn of it from the leader."""

    tell: Callable[[ReportedEvent], None]

    def event(self, kind: str, subject: str, text: str, *, notify: bool = False) -> None:
        """Log it, and hand it over."""
        super().event(kind, subject, text, notify=notify)
        if notify:
            self.tell(ReportedEvent(at=self.clock(), kind=kind, subject=subject, text=text))


@dataclass(kw_only=True)
class _FollowingProbing(Probing):
    """At the intervals that the leader has decided on: what it judges by must be what is probed."""

    journal: Journal
    pacing: PacingDetection

    async def _review_budget(self) -> None:
        """Learn what was decided and spent elsewhere; without the database as before."""
        now = self.recorder.clock()
        try:
            await self.recorder.database.run(self._learn, now)
        except DatabaseError:
            return
        paced = self._settings_by_use()
        if paced.targets != self._paced.targets:
            self._paced = paced
            self.schedule.update(self._ours(paced), self.wall())
            self.pacing.update_intervals(paced)

    def _learn(self, now: datetime) -> None:
        store = self.recorder.store
        self.pacing.routes = self.journal.routes()
        if self.settings.budget.usd_per_month is not None:
            begins = month_of(now).begins
            self.budget.learn_spent(store.spent(since=begins, until=now), begins)
            stored = store.throttling()
            throttling = budget_tracker.from_json(stored) if stored else None
            if throttling:
                self.budget.follow(throttling, now)


@dataclass(kw_only=True)
class RegionProbing:
    """The probes of one region, from `start` to `stop`."""

    settings: Settings
    region: str
    store: Store
    """Only read, and only where the database can be."""
    journal: Journal
    database: WorkerThread
    clock: Callable[[], datetime]
    report: Callable[[Sequence[Observation], datetime | None], None]
    """Is handed what was probed, and since when the network of this machine is lost; None while it works."""
    tell: Callable[[ReportedEvent], None]
    """Is handed what people must be told of the keys of providers."""
    _observations: asyncio.Queue[Observation | None] = field(default_factory=asyncio.Queue)

    async def run(self, until: asyncio.Event) -> None:
        """Until then, and some seconds longer for the probes that are under way."""
        recorder = LoggingRecorder(store=self.store, database=self.database, clock=self.clock)
        telling = _TellingRecorder(store=self.store, database=self.database, clock=self.clock, tell=self.tell)
        detection = PacingDetection(self.settings, self.region, self.clock())
        budget = await self.database.run(self._resume, detection)
        network = self._connectivity(recorder)
        probing = _FollowingProbing(
            settings=self.settings,
            budget=budget,
            cycle=detection,
            pacing=detection,
            journal=self.journal,
            prober=keyed_prober(self.settings, telling, lambda _provider, _key: None),
            observations=self._observations,
            health=ServiceHealth(),
            recorder=recorder,
            most_at_once=most_probes(raise_open_files()),
            monitored_from=self.region,
        )
        probing.start()
        async with asyncio.TaskGroup() as tasks:
            handing_over = tasks.create_task(self._hand_over(network, detection, probing))
            others = [tasks.create_task(work) for work in (network.watch(), probing.watch_budget())]
            await until.wait()
            await probing.schedule.stop(_PATIENCE_S)
            self._observations.put_nowait(None)
            await handing_over
            for task in others:
                task.cancel()

    def _resume(self, detection: PacingDetection) -> BudgetTracker:
        """What the leader has stored, as far as the database can be read."""
        now = self.clock()
        try:
            detection.resume(self.store)
            return open_tracker(self.settings, self.store, now)
        except DatabaseError as error:
            log.warning("not_read_at_start: %s", error)
            return unread_tracker(self.settings, now)

    def _connectivity(self, recorder: BackgroundRecorder) -> ConnectivityChecker:
        endpoints, providers = self.settings.connectivity.endpoints, self.settings.providers
        return ConnectivityChecker(
            NetworkLossDetector(endpoints, frozenset(provider.name for provider in providers)),
            endpoints_asked(self.settings, tls_context(self.settings.network.ca_bundle)),
            keep=recorder.connectivity,
            notify=recorder.connectivity_note,
            clock=self.clock,
        )

    async def _hand_over(self, network: ConnectivityChecker, detection: PacingDetection, probing: Probing) -> None:
        """What was probed, to the leader and to the pacing, until the end marker."""
        over = False
        while not over:
            arrived = [await self._observations.get()]
            await asyncio.sleep(GATHER_S)
            while not self._observations.empty():
                arrived.append(self._observations.get_nowait())
            over = None in arrived
            observations = [observation for observation in arrived if observation]
            blind = await network.find_blind(observations)
            loss = network.detector.messages.loss
            self.report(
                [replaced(each, failed_here=True) if each in blind else each for each in observations],
                loss.since if loss is not None and loss.until is None else None,
            )
            probing.request(detection.observe(observations, blind, self.clock()))
