"""Runs control cycles with the observations that come in, and asks first whether our own network works."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime

from controller.alerts.heartbeat import ServiceHealth
from controller.cycle.cycle import Cycle
from controller.service.worker_thread import WorkerThread
from monitor.connectivity.blindness import Blindness
from monitor.connectivity.checker import ConnectivityChecker
from monitor.detection.pacing import BurstProbe
from monitor.storage.database import DatabaseError, DatabaseGoneError
from probes.observation import Observation

log = logging.getLogger(__name__)

#: A cycle is run at least this often.
_TICK_S = 0.5
#: How long observations are gathered for a cycle.
_GATHER_S = 0.1
_SHORTEST_WAIT_S = 0.02
_RETRY_S = 1.0
_LAST_ATTEMPTS = 3


class ControlLoop:
    """Cycle after cycle, at least twice a second, until the end marker (None) comes out of `observations`.

    `request` is handed the extra probes that each cycle asks for. Raises DatabaseGoneError.
    """

    def __init__(
        self,
        cycle: Cycle,
        observations: asyncio.Queue[Observation | None],
        *,
        blindness: Blindness,
        network: ConnectivityChecker,
        health: ServiceHealth,
        request: Callable[[Iterable[BurstProbe]], None],
        database: WorkerThread,
        clock: Callable[[], datetime],
    ) -> None:
        self._cycle = cycle
        self._observations = observations
        self._blindness = blindness
        self._network = network
        self._health = health
        self._request = request
        self._database = database
        self._clock = clock
        self._batch: list[Observation] = []
        """Those that no cycle has stored yet."""
        self._blind: set[Observation] = set()
        """Those of them made while our own network was down."""

    async def run(self) -> None:
        """Until the end marker; what cannot be stored then is tried three times, and lost."""
        over = False
        while not over:
            arrived, over = await self._arrived()
            # Asked while it matters: by the time a locked database is free again, our network may be back.
            self._blind.update(await self._cycling_meanwhile(self._network.find_blind(arrived)))
            self._batch.extend(arrived)
            attempts = _LAST_ATTEMPTS if over else 1
            while attempts and not await self._run_cycle():
                attempts -= 1
                await asyncio.sleep(_RETRY_S)
        if self._batch:
            log.error("observations_lost count=%d: the database could not be written until the end", len(self._batch))

    async def _cycling_meanwhile(
        self, question: Coroutine[None, None, frozenset[Observation]]
    ) -> frozenset[Observation]:
        """The answer; cycles go on meanwhile: an operator's override must not wait for our own network."""
        task = asyncio.create_task(question)
        try:
            while not (await asyncio.wait([task], timeout=_TICK_S))[0]:
                await self._run_cycle()
            return task.result()
        finally:
            task.cancel()

    async def _arrived(self) -> tuple[list[Observation], bool]:
        """The observations that arrived, waiting for the first a little; and whether the end marker was among them."""
        arrived: list[Observation | None] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._until_next_tick_s()):
                arrived.append(await self._observations.get())
        if arrived and arrived != [None]:
            # A cycle costs the same for one observation as for many: those that come in together share one.
            await asyncio.sleep(_GATHER_S)
        while not self._observations.empty():
            arrived.append(self._observations.get_nowait())
        return [observation for observation in arrived if observation], None in arrived

    def _until_next_tick_s(self) -> float:
        """How long to wait for observations; less than usual where a verdict only waits for its time."""
        due = self._cycle.due
        if due is None:
            return _TICK_S
        return min(_TICK_S, max(_SHORTEST_WAIT_S, (due - self._clock()).total_seconds()))

    async def _run_cycle(self) -> bool:
        """One control cycle; empties the batch, or keeps it for another try when it could not be stored."""
        batch, blind = tuple(self._batch), frozenset(self._blind)
        try:
            result = await self._database.run(self._cycle.run, batch, self._clock(), blind, self._blindness.loss)
        except DatabaseGoneError:
            raise
        except DatabaseError as error:
            log.error("cycle_failed waiting=%d: %s", len(batch), error)
            await self._database.run(self._cycle.keep_alive, self._clock())
            return False
        self._health.cycled(self._cycle.publish_error)
        self._batch.clear()
        self._blind.clear()
        self._request(result.extras)
        return True
