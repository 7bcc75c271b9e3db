"""Runs control cycles with the observations that come in, and asks first whether our own network works."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

from controller.alerts.service_health import ServiceHealth
from controller.cycle.cycle import Cycle
from controller.routing.policy import AFTER_DUE_S, GATHER_S, TICK_S
from controller.service.background import BackgroundRecorder
from monitor.connectivity.checker import ConnectivityChecker
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe
from monitor.health import Health
from monitor.storage.database import DatabaseError
from probes.observation import Observation
from probes.outcome import Outcome

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_LAST_ATTEMPTS = 3


def is_news(observation: Observation, detector: Detector) -> bool:
    """Whether anything may follow from it before the next tick: not from a good answer of a target that is up."""
    if observation.outcome is not Outcome.OK or detector.due is not None:
        return True
    target = observation.target
    return not detector.knows(target) or detector.state_of(target).health is not Health.UP


@dataclass(kw_only=True)
class ControlLoop:
    """Cycle after cycle, at least twice a second, until the end marker (None) comes out of `observations`."""

    cycle: Cycle
    observations: asyncio.Queue[Observation | None]
    network: ConnectivityChecker
    health: ServiceHealth
    request: Callable[[Iterable[BurstProbe]], None]
    """Is handed the extra probes that each cycle asks for."""
    changed: Callable[[], None] = lambda: None
    """Is called on the event loop after a cycle that changed a health, a route or an override."""
    recorder: BackgroundRecorder
    _batch: list[Observation] = field(default_factory=list)
    """Those that no cycle has stored yet."""
    _blind: set[Observation] = field(default_factory=set)
    """Those of them made while our own network was down."""

    @property
    def unstored(self) -> Sequence[Observation]:
        """Those that no cycle has stored."""
        return tuple(self._batch)

    async def run(self) -> None:
        """Until the end marker; what cannot be stored then is tried three times, and lost."""
        over = False
        while not over:
            arrived, over = await self._arrived()
            # Asked while it matters: by the time a locked database is free again, our network may be back.
            self._blind.update(await self._cycling_meanwhile(self.network.find_blind(arrived)))
            self._batch.extend(arrived)
            attempts = _LAST_ATTEMPTS if over else 1
            while attempts and not await self._run_cycle():
                attempts -= 1
                await asyncio.sleep(_RETRY_S)
        with contextlib.suppress(DatabaseError):  # what waits is read again from what was stored before
            await self.recorder.database.run(self.cycle.detection.save_all, self.recorder.clock())
        if self._batch:
            log.error("observations_lost count=%d: the database could not be written until the end", len(self._batch))
        if self.cycle.is_behind:
            log.error("ended_without_database: what was observed is lost; decisions wait beside the routing file")

    async def _cycling_meanwhile(
        self, question: Coroutine[None, None, frozenset[Observation]]
    ) -> frozenset[Observation]:
        """The answer; cycles go on meanwhile: an operator's override must not wait for our own network."""
        task = asyncio.create_task(question)
        try:
            while not (await asyncio.wait([task], timeout=TICK_S))[0]:
                await self._run_cycle()
            return task.result()
        finally:
            task.cancel()

    async def _arrived(self) -> tuple[list[Observation], bool]:
        """The observations that arrived, and whether the end marker was among them.

        It waits for the first, and for those that come in soon after it: `GATHER_S` where one of them is news, else
        until the next tick.
        """
        arrived: list[Observation | None] = []
        loop = asyncio.get_running_loop()
        tick_s = loop.time() + TICK_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._until_next_tick_s()):
                arrived.append(await self.observations.get())
        # A cycle costs the same for one observation as for many: those that come in together share one.
        while arrived and None not in arrived:
            await asyncio.sleep(GATHER_S)
            arrived += self._waiting()
            detector = self.cycle.detection.detector
            if loop.time() >= tick_s or any(is_news(each, detector) for each in arrived if each):
                break
        arrived += self._waiting()
        return [observation for observation in arrived if observation], None in arrived

    def _waiting(self) -> list[Observation | None]:
        """What is in the queue by now."""
        return [self.observations.get_nowait() for _ in range(self.observations.qsize())]

    def _until_next_tick_s(self) -> float:
        """How long to wait for observations; less than usual where a verdict only waits for its time."""
        due = self.cycle.detection.detector.due
        if due is None:
            return TICK_S
        return min(TICK_S, max(AFTER_DUE_S, (due - self.recorder.clock()).total_seconds()))

    async def _run_cycle(self) -> bool:
        """One control cycle; empties the batch, or keeps it for another try when it could not be stored."""
        revision = self.cycle.revision
        batch, blind, loss = tuple(self._batch), frozenset(self._blind), self.network.detector.messages.loss
        try:
            bursts = await self.recorder.database.run(self.cycle.run, batch, self.recorder.clock(), blind, loss)
        except DatabaseError as error:
            log.error("cycle_failed waiting=%d: %s", len(batch), error)
            return False
        self.health.cycled(self.cycle.publisher.error, behind=self.cycle.is_behind)
        self._batch.clear()
        self._blind.clear()
        if self.cycle.revision != revision:
            self.changed()
        self.request(bursts)
        return True
