"""Probes of one machine in virtual time: those that are due, and the extra ones that a detector asks for."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from benchmarks.drills.fleet_simulation.parts import Place
from controller.fleet.pacing_detection import PacingDetection
from controller.journal import Journal
from controller.routing.policy import GATHER_S
from controller.service.background import WorkerThread
from monitor.config.settings import Settings
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.detection.detector import Detector
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.pacing import BurstProbe, is_resting, phases
from monitor.storage.database import DatabaseError
from monitor.storage.probe_report import ReportedEvent
from monitor.storage.store import Store
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.target import Target

_ENDPOINTS_EVERY_S: Final = 5.0


class Probes:
    """Those of these targets; `observe` is handed what they have observed."""

    def __init__(
        self,
        machine: Place,
        targets: Collection[Target],
        detector: Callable[[], Detector],
        *,
        clock: Callable[[], datetime],
        observe: Callable[[Observation], object],
    ) -> None:
        self._machine = machine
        self._targets = targets
        self._detector = detector
        self._clock = clock
        self._observe = observe
        self._in_flight: set[str] = set()
        self._planned: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Future[Any]] = set()

    def start(self) -> None:
        """Begin with each in turn."""
        loop = asyncio.get_running_loop()
        for target, due_s in phases(tuple(self._targets)).items():
            loop.call_later(due_s, self._due, target)

    def stop(self) -> None:
        """Make no other."""
        self._targets = ()
        for handle in self._planned.values():
            handle.cancel()

    def request(self, bursts: Iterable[BurstProbe]) -> None:
        """Make these extra probes, in place of those that were planned for the same."""
        loop = asyncio.get_running_loop()
        for burst in bursts:
            if before := self._planned.pop(burst.slot, None):
                before.cancel()
            self._planned[burst.slot] = loop.call_later(burst.delay_s, self._extra, burst)

    def _due(self, target: str) -> None:
        interval_s = next((each.interval_s for each in self._targets if each.id == target), None)
        if interval_s is None:
            return
        asyncio.get_running_loop().call_later(interval_s, self._due, target)
        if target not in self._in_flight:
            self._begin(target)

    def _extra(self, burst: BurstProbe) -> None:
        self._planned.pop(burst.slot, None)
        ours = {each.id for each in self._targets}
        known = [each for each in burst.targets if each in ours and self._detector().knows(each)]
        free = (each for each in known if burst.afresh or each not in self._in_flight)
        if (target := next(free, None)) is not None:
            self._begin(target, afresh=burst.afresh)

    def _begin(self, target: str, *, afresh: bool = False) -> None:
        detector, machine = self._detector(), self._machine
        if is_resting(detector.state_of(target), self._clock()):
            return
        hang_s, at_s = detector.hang_s(target), machine.fleet.timeline.now_s
        limit_s = hang_s if afresh else float("inf")
        observation = machine.fleet.world.answer(target, at_s, self._clock(), limit_s, machine.number)
        if afresh:
            observation = replaced(observation, afresh=True)
        else:
            self._in_flight.add(target)
        loop = asyncio.get_running_loop()
        loop.call_later(observation.duration_s, self._end, observation, at_s)
        if not afresh and observation.duration_s > max(hang_s, SHORTEST_HANG_S):
            hanging = replaced(observation, outcome=Outcome.TIMEOUT, duration_s=hang_s, under_way=True)
            loop.call_later(hang_s, self._observe, hanging)

    def _end(self, observation: Observation, began_s: float) -> None:
        if not observation.afresh:
            self._in_flight.discard(observation.target)
        self._observe(self._machine.as_seen(observation, began_s))


class SimulatedRegionProbing:
    """As `RegionProbing`."""

    def __init__(
        self,
        machine: Place,
        *,
        settings: Settings,
        region: str,
        store: Store,
        journal: Journal,
        database: WorkerThread,
        clock: Callable[[], datetime],
        report: Callable[[Sequence[Observation], datetime | None], None],
        tell: Callable[[ReportedEvent], None],
    ) -> None:
        del journal, tell
        self._machine = machine
        self._settings, self._region = settings, region
        self._store, self._database = store, database
        self._clock, self._report = clock, report
        self._arrived: asyncio.Queue[Observation] = asyncio.Queue()

    async def run(self, until: asyncio.Event) -> None:
        """As of `RegionProbing`."""
        detection = PacingDetection(self._settings, self._region, self._clock())
        with suppress(DatabaseError):
            await self._database.run(detection.resume, self._store)
        providers = frozenset(provider.name for provider in self._settings.providers)
        loss = NetworkLossDetector(self._settings.connectivity.endpoints, providers)
        ours = [target for target in self._settings.targets if target.monitored_from == self._region]
        probes = Probes(
            self._machine, ours, lambda: detection.detector, clock=self._clock, observe=self._arrived.put_nowait
        )
        probes.start()
        handing_over = asyncio.create_task(self._hand_over(loss, detection, probes))
        try:
            await until.wait()
        finally:
            probes.stop()
            handing_over.cancel()

    async def _hand_over(self, loss: NetworkLossDetector, detection: PacingDetection, probes: Probes) -> None:
        while True:
            observations: list[Observation] = []
            try:
                async with asyncio.timeout(_ENDPOINTS_EVERY_S):
                    observations.append(await self._arrived.get())
            except TimeoutError:
                pass
            await asyncio.sleep(GATHER_S)
            while not self._arrived.empty():
                observations.append(self._arrived.get_nowait())
            now = self._clock()
            if loss.add_batch(observations, now) or loss.due(now):
                loss.add_check(self._machine.endpoints(self._settings), now)
            blind = loss.find_blind(observations)
            loss.messages.take_notes()
            lost = loss.messages.loss
            seen = [replaced(each, failed_here=True) if each in blind else each for each in observations]
            if seen and self._machine.process:
                self._machine.fleet.reported(self._machine.process, seen)
            self._report(seen, lost.since if lost is not None and lost.until is None else None)
            probes.request(detection.observe(observations, blind, now))
