"""A recorded past for tests: the service's control cycle in a made-up world, on a real database, in virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile
from controller.routing.spend_where_used import spend_where_used
from controller.simulation.loop import EPOCH
from controller.simulation.scenario import Scenario
from controller.simulation.simulated_target import SimulatedTarget
from controller.simulation.world import build_timelines, own_network_failures
from monitor.config.settings import Settings
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.detection.pacing import BurstProbe, phases
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.observation import Observation

_GATHER_S = 0.1
_TICK_S = 0.5
_QUIET_TICK_S = 30.0


@dataclass
class Recording:
    """The service's cycle on the database of these settings, driven through a scenario second by second.

    Cycles come with every observation, when a verdict is due, and now and then; those in between, which the service
    makes twice a second, could change nothing in these scenarios and would take minutes.
    """

    scenario: Scenario
    settings: Settings
    seed: int = 0
    stopped: Sequence[tuple[float, float]] = ()
    """When the service was not running; it starts anew after each."""

    def run(self) -> None:
        """From the scenario's start to its end; leaves the database as a service would."""
        self.engine = open_writer(self.settings.database)
        self.store, self.journal = Store(self.engine), Journal(self.engine)
        lives = [0.0, *(until_s for _, until_s in self.stopped)]
        ends = [*(from_s for from_s, _ in self.stopped), self.scenario.duration_s]
        self.lanes = self._lanes()
        for begin_s, end_s in zip(lives, ends, strict=True):
            self._live(begin_s, end_s)
        self.engine.dispose()

    def _lanes(self) -> dict[str, SimulatedTarget]:
        timelines, due_s = build_timelines(self.scenario, self.seed), phases(self.settings.targets)
        return {
            target.id: SimulatedTarget(
                target,
                timelines[target.id],
                self.scenario.background.latency,
                phase_s=due_s[target.id],
                cost_usd=None,
                seed=self.seed,
                epoch=EPOCH,
            )
            for target in self.settings.targets
        }

    def _live(self, begin_s: float, end_s: float) -> None:
        """One life of the service."""
        self.cycle = Cycle(self.settings, self.store, self.journal, RoutingFile(self.settings.routing_file))
        self.cycle.start(at(begin_s))
        self.network_loss = NetworkLossDetector(
            self.settings.connectivity.endpoints, frozenset(one.name for one in self.settings.providers)
        )
        self.network_loss.resume(self.store.connectivity(after=at(begin_s - 3600), before=at(begin_s)))
        self.heap: list[tuple[float, int, str, Any]] = []
        self.number, self.planned = count(), dict[str, int]()
        for lane in self.lanes.values():
            lane.in_flight = False
            while (due_s := lane.take_due_s()) < begin_s:
                pass
            self._push(due_s, "due", lane)
        self._push(begin_s, "tick", None)
        for extra in self.cycle.detection.resumed_probes:
            self._plan(extra, begin_s)
        while self.heap and self.heap[0][0] < end_s:
            now_s, number, what, about = heappop(self.heap)
            self._happen(now_s, number, what, about)

    def _happen(self, now_s: float, number: int, what: str, about: Any) -> None:
        if what == "due":
            self._push(about.take_due_s(), "due", about)
            self._probe(about, now_s)
        elif what == "extra":
            if self.planned.get(about.slot) == number:
                free = [self.lanes[one] for one in about.targets if about.afresh or not self.lanes[one].in_flight]
                if free:
                    self._probe(free[0], now_s, afresh=about.afresh)
        elif what == "once":
            self._cycle((), now_s)
        elif what == "tick":
            self._cycle((), now_s)
            self._push(now_s + (_TICK_S if self.cycle.detection.detector.due else _QUIET_TICK_S), "tick", None)
        else:
            lane, seen = about
            lane.in_flight = lane.in_flight and seen.afresh
            self._cycle((seen,), now_s + _GATHER_S)
            if self.cycle.detection.detector.due:
                self._push(
                    max(now_s + _GATHER_S, (self.cycle.detection.detector.due - EPOCH).total_seconds()), "once", None
                )

    def _probe(self, lane: SimulatedTarget, now_s: float, *, afresh: bool = False) -> None:
        if afresh or not lane.in_flight:
            lane.in_flight |= not afresh
            seen = lane.probe(now_s)
            # As the database keeps it.
            began_at = seen.started_at.replace(microsecond=seen.started_at.microsecond // 1000 * 1000)
            seen = replace(seen, started_at=began_at, afresh=afresh)
            self._push(now_s + seen.duration_s, "seen", (lane, seen))

    def _cycle(self, batch: tuple[Observation, ...], now_s: float) -> None:
        now = at(now_s)
        if self.network_loss.due(now) or self.network_loss.add_batch(batch, now):
            self.store.record_connectivity(self.network_loss.add_check(self._answering(now_s), now))
        for extra in self.cycle.run(batch, now, self.network_loss.find_blind(batch)):
            self._plan(extra, now_s)
        paced = spend_where_used(self.settings, self.cycle.routes)
        for target in paced.targets:
            lane = self.lanes[target.id]
            if lane.interval_s != target.interval_s:
                self.heap = [event for event in self.heap if event[2] != "due" or event[3] is not lane]
                lane.change_interval(target.interval_s, now_s + target.interval_s)
                self._push(lane.due_s, "due", lane)
                self.cycle.update_intervals(paced)
        heapify(self.heap)

    def _plan(self, extra: BurstProbe, now_s: float) -> None:
        self.planned[extra.slot] = self._push(now_s + extra.delay_s, "extra", extra)

    def _answering(self, now_s: float) -> frozenset[str]:
        dark = any(from_s <= now_s < until_s for (from_s, until_s), _ in own_network_failures(self.scenario))
        return frozenset() if dark else frozenset(self.settings.connectivity.endpoints)

    def _push(self, at_s: float, what: str, about: Any) -> int:
        number = next(self.number)
        heappush(self.heap, (at_s, number, what, about))
        return number


def at(seconds: float) -> datetime:
    """So long after the scenario's start."""
    return EPOCH + timedelta(seconds=seconds)
