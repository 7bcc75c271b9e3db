"""What decides, publishes and delivers in one process: as `Service` puts it together, without threads and probes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import text

from benchmarks.drills.simulation.world import RememberingSlack
from controller.alerts.channel import RunInThread
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.slack.planning_input import SINK
from controller.cycle.cycle import Cycle
from controller.history.store import RouteHistory
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile, RoutingFileError
from controller.service.lead import Lead
from monitor.config.settings import Settings
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.detection.pacing import BurstProbe
from monitor.liveness import ServiceBeat
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.database import DatabaseError
from monitor.storage.held_file import HeldFile
from monitor.storage.writer_database import WriterDatabase
from probes.observation import Observation

T = TypeVar("T")

_TRUSTED: Final = timedelta(hours=1)
_STALE: Final = timedelta(hours=24)


class Controller:
    """From the open database to the delivery of messages."""

    def __init__(
        self,
        settings: Settings,
        file: RoutingFile,
        database: WriterDatabase,
        slack: RememberingSlack,
        *,
        in_database: RunInThread,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        endpoints: Callable[[], frozenset[str]],
        lead: Lead | None = None,
    ) -> None:
        """`endpoints` says which of the neutral ones answer now; `lead` as of `Service`."""
        self._clock = clock
        self._started_at = clock()
        self._endpoints = endpoints
        self.database = database
        engine = database.engine
        self.store, self.journal = BufferedStore(database), Journal(engine, lead.fence if lead else None)
        published = settings.routing_file
        held = HeldFile(published.with_name(f"{published.name}.held"))
        self.cycle = Cycle(settings, self.store, self.journal, file, held)
        if lead:
            self.cycle.publisher.epoch = lead.epoch
            self.cycle.publisher.share = lead.share_on(engine)
        self.deliveries = DeliveryStore(engine, SINK)
        self.worker = DeliveryWorker(
            slack,
            self.deliveries,
            in_database=in_database,
            may_send=lead.fence.is_fresh if lead else lambda: True,
            clock=clock,
            monotonic=monotonic,
        )
        self._must_read = lead is not None
        self._history = RouteHistory(engine, settings)
        asked = () if settings.regions else settings.connectivity.endpoints
        self._loss = NetworkLossDetector(asked, frozenset(provider.name for provider in settings.providers))

    def go_on(self) -> None:
        """Go on where the last one stopped, and publish; raises as `Service` does."""
        now = self._clock()
        self._loss.resume(self._read(lambda: self.store.connectivity(after=now - _TRUSTED, before=now), []))
        self.cycle.start(now)
        self.cycle.run((), now, loss=self._loss.messages.loss)
        if self.cycle.publisher.error:
            raise RoutingFileError(self.cycle.publisher.error)
        self._read(lambda: self.journal.skip_stale_alerts(self._clock() - _STALE), 0)
        self._read(self.beat, None)
        self._must_read = False

    def run_cycle(self, batch: tuple[Observation, ...]) -> tuple[BurstProbe, ...]:
        """What `ControlLoop` does with a batch: is our own network at fault, then one cycle. Raises DatabaseError."""
        now = self._clock()
        asked = self._loss.add_batch(batch, now)
        if asked or self._loss.due(now):
            self.store.record_connectivity(self._loss.add_check(self._endpoints(), now))
        blind = self._loss.find_blind(batch)
        for note in self._loss.messages.take_notes():
            self.store.add_event(now, note.kind, "network", note.text, notify=note.notify)
        return self.cycle.run(batch, now, blind, self._loss.messages.loss)

    def keep_house(self, *, prunes: bool) -> None:
        """A sign of life, sums and pruning; raises DatabaseError."""
        self.beat()
        now = self._clock()
        if prunes:  # not right after the clock was set forward, as `Housekeeping` has it
            self.store.prune(now - timedelta(days=14))
        self._history.sum_up(now)

    def beat(self) -> None:
        """A sign of life."""
        beat = ServiceBeat(
            pid=1, host="simulated", version="1", started_at=self._started_at, beat_at=self._clock(), stopped_at=None
        )
        self.store.beat(beat)

    def stored(self) -> tuple[Any, ...]:
        """What people may have to be told of; it changes with each incident, revision and event."""
        query = "SELECT (SELECT SUM(revision) FROM incidents), (SELECT COUNT(*) FROM events)"
        with self.database.engine.connect() as connection:
            return tuple(connection.execute(text(query)).one())

    def _read(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except DatabaseError:
            if self._must_read or self.database.is_usable():
                raise
            return otherwise
