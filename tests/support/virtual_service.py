"""The service in virtual time: simulated answers in; the real control cycle, database, routing file and Slack delivery.

What the service does with APScheduler, queues and its clock happens here in one thread, at the times of a clock that is
set by hand. Slack is the demo's server on loopback.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import text

from controller.alerts.channel import RunInThread
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.slack.channel import SlackChannel
from controller.alerts.slack.planning_input import SINK
from controller.cycle.cycle import Cycle
from controller.demo.fake_slack import FakeSlack
from controller.journal import Journal
from controller.routing.policy import AFTER_DUE_S, GATHER_S, TICK_S
from controller.routing.routing_file import RoutingFile
from controller.status.overview import Overview, read
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.pacing import BurstProbe, is_resting, phases
from monitor.health import Health
from monitor.liveness import ServiceBeat
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.target import Target

T = TypeVar("T")

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
#: What a probe of this target observes that starts then.
Answer = Callable[[Target, datetime], Observation]
_LOOK_S = 1.0
_IDLE_LOOK_S = 30.0
_CALM_TICK_S = 5.0
_DUE, _OBSERVED, _EXTRA, _CYCLE, _DELIVER = range(5)
_SETTLED = frozenset({Health.UP, Health.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message, an edit or a reply, as Slack took it."""

    at: datetime
    ts: str
    headline: str
    """The text of the notification."""
    blocks: tuple[dict[str, Any], ...]
    edited: bool
    thread: str | None
    broadcast: bool

    @property
    def is_new(self) -> bool:
        """Whether the channel showed something new, which notifies people."""
        return not self.edited and (self.thread is None or self.broadcast)

    @property
    def body(self) -> str:
        """Every text of its blocks, line by line."""
        parts = [part for block in self.blocks for part in (block.get("elements") or [block.get("text")])]
        return "\n".join(part["text"] for part in parts if "text" in part and isinstance(part["text"], str))


async def _at_once(function: Callable[[], T], /) -> T:
    return function()


class VirtualService:
    """Everything between the answers of providers and Slack; seconds count from when it `began`."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        answer: Answer,
        slack: FakeSlack,
        *,
        tick_s: float = TICK_S,
        gather_s: float = GATHER_S,
        buttons: bool = False,
        began: datetime = NOON,
    ) -> None:
        """A cycle comes `tick_s` after the last while anything is not well, and `gather_s` after an observation."""
        self.settings = settings
        self.at_s = 0.0
        self._began = began
        self.told: list[Told] = []
        self.on_told: Callable[[Told], None] = lambda _told: None
        """Is called with each message, as soon as Slack has taken it."""
        self.on_journal: Callable[[], None] = lambda: None
        """Is called after each control cycle in which incidents changed."""
        self._answer = answer
        self._tick_s, self._gather_s = tick_s, gather_s
        self._slack = slack
        slack.clock = self._timestamp
        self.engine = open_writer(f"sqlite:///{folder}/hotspare.db")
        self.store, self.journal = Store(self.engine), Journal(self.engine)
        self.file = RoutingFile(settings.routing_file)
        self.cycle = Cycle(settings, self.store, self.journal, self.file)
        self._worker = self._new_worker(_at_once, settings.routes if buttons else None)
        self._targets = {target.id: target for target in settings.targets}
        self._in_flight: set[str] = set()
        self._batch: list[Observation] = []
        self._planned: dict[str, tuple[int, BurstProbe]] = {}
        self._events: list[tuple[float, int, int, Any]] = []
        self._number = count()
        self._cycle_at_s: float | None = None
        self._versions: dict[str, int] = {}
        self._journal_state: tuple[Any, ...] = ()
        for target_id, due_s in phases(settings.targets).items():
            self._push(due_s, _DUE, target_id)
        self.cycle.start(self.now)
        self._cycle_by(0.0)
        self._push(_LOOK_S, _DELIVER, _IDLE_LOOK_S)

    @property
    def now(self) -> datetime:
        """The time of the service's clock."""
        return self._began + timedelta(seconds=self.at_s)

    def _timestamp(self) -> float:
        return self.now.timestamp()

    def run(self, until_s: float, happened: Callable[[], bool] = lambda: False) -> bool:
        """Go on until it has happened, which is looked at after each cycle and delivery, or until then.

        Says whether it has.
        """
        while self._events[0][0] < until_s:
            self.at_s, serial, kind, subject = heappop(self._events)
            self._handle(kind, serial, subject)
            if kind in {_CYCLE, _DELIVER} and happened():
                return True
        self.at_s = until_s
        return False

    def overview(self) -> Overview:
        """What page and status show now."""
        beat = ServiceBeat(pid=1, host="demo", version="1", started_at=NOON, beat_at=self.now, stopped_at=None)
        self.store.beat(beat)
        return read(self.settings, self.engine, self.now)

    def serving(self, route: str) -> str | None:
        """Where the routing file points."""
        return self.file.read_targets().get(route)

    def deliver(self) -> None:
        """Tell what is due."""
        asyncio.run(self._deliver())

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def _new_worker(self, in_thread: RunInThread, buttons: Sequence[Route] | None) -> DeliveryWorker:
        slack = self.settings.alerts.slack
        assert slack
        return DeliveryWorker(
            SlackChannel(slack, in_thread=in_thread, button_routes=lambda: buttons),
            DeliveryStore(self.engine, SINK),
            in_database=in_thread,
            clock=lambda: self.now,
            monotonic=lambda: self.at_s,
        )

    async def _deliver(self) -> None:
        await self._worker.deliver_once()
        for told in self._news():
            self.told.append(told)
            self.on_told(told)

    def _news(self) -> Iterator[Told]:
        for message in self._slack.everything:
            known = self._versions.get(message.ts, 0)
            self._versions[message.ts] = len(message.versions)
            for number, version in enumerate(message.versions[known:], known):
                yield Told(
                    at=self.now,
                    ts=message.ts,
                    headline=version.text,
                    blocks=version.blocks,
                    edited=number > 0,
                    thread=message.thread,
                    broadcast=bool(message.post.get("reply_broadcast")),
                )

    def _handle(self, kind: int, serial: int, subject: Any) -> None:
        if kind == _DUE:
            self._push(self.at_s + self._targets[subject].interval_s, _DUE, subject)
            if subject not in self._in_flight:
                self._probe(subject)
        elif kind == _OBSERVED:
            self._observe(subject)
        elif kind == _EXTRA:
            self._probe_extra(serial, subject)
        elif kind == _CYCLE:
            if self.at_s == self._cycle_at_s:
                self._cycle()
        else:
            self.deliver()
            if subject is not None:
                self._push(self.at_s + subject, _DELIVER, subject)

    def _probe(self, target_id: str) -> None:
        detector = self.cycle.detection.detector
        if is_resting(detector.state_of(target_id), self.now):
            return
        observation = self._answer(self._targets[target_id], self.now)
        self._in_flight.add(target_id)
        self._push(self.at_s + observation.duration_s, _OBSERVED, observation)
        hang_s = detector.hang_s(target_id)
        if observation.duration_s > max(hang_s, SHORTEST_HANG_S):
            hanging = replaced(observation, outcome=Outcome.TIMEOUT, duration_s=hang_s, under_way=True)
            self._push(self.at_s + hang_s, _OBSERVED, hanging)

    def _observe(self, observation: Observation) -> None:
        if not (observation.under_way or observation.afresh):
            self._in_flight.discard(observation.target)
        self._batch.append(observation)
        self._cycle_by(self.at_s + self._gather_s)

    def _probe_extra(self, serial: int, burst: BurstProbe) -> None:
        planned, _ = self._planned.get(burst.slot, (None, None))
        if planned != serial:
            return
        del self._planned[burst.slot]
        free = (each for each in burst.targets if burst.afresh or each not in self._in_flight)
        target_id = next(free, None)
        if target_id is None or is_resting(self.cycle.detection.detector.state_of(target_id), self.now):
            return
        if burst.afresh:
            observation = replaced(self._answer(self._targets[target_id], self.now), afresh=True)
            hang_s = self.cycle.detection.detector.hang_s(target_id)
            if observation.duration_s > hang_s:
                observation = replaced(observation, outcome=Outcome.TIMEOUT, duration_s=hang_s)
            self._push(self.at_s + observation.duration_s, _OBSERVED, observation)
        else:
            self._probe(target_id)

    def _cycle(self) -> None:
        self._cycle_at_s = None
        batch, self._batch = tuple(self._batch), []
        for burst in self.cycle.run(batch, self.now):
            self._planned[burst.slot] = self._push(self.at_s + burst.delay_s, _EXTRA, burst), burst
        detector = self.cycle.detection.detector
        calm = all(state.health in _SETTLED for state in detector.health.values())
        tick_s = max(_CALM_TICK_S, self._tick_s) if calm else self._tick_s
        if detector.due is not None:
            tick_s = min(tick_s, max(AFTER_DUE_S, (detector.due - self.now).total_seconds()))
        self._cycle_by(self.at_s + tick_s)
        if (state := self._stored()) != self._journal_state:
            self._journal_state = state
            self.on_journal()
            self._push(self.at_s + _LOOK_S, _DELIVER, None)

    def _stored(self) -> tuple[Any, ...]:
        """What people may have to be told of; it changes with each incident, revision and event."""
        query = "SELECT (SELECT TOTAL(revision) FROM incidents), (SELECT COUNT(*) FROM events)"
        with self.engine.connect() as connection:
            return tuple(connection.execute(text(query)).one())

    def _cycle_by(self, at_s: float) -> None:
        if self._cycle_at_s is None or at_s < self._cycle_at_s:
            self._cycle_at_s = at_s
            self._push(at_s, _CYCLE, None)

    def _push(self, at_s: float, kind: int, subject: object) -> int:
        serial = next(self._number)
        heappush(self._events, (at_s, serial, kind, subject))
        return serial
