"""One seed from its start to its end: the service's own judge, pacing, blindness and policy, driven by events.

What the service does by APScheduler, queues and its clock, happens here at the same times:

1. Probes are due at their phases and intervals. One that is due while another of its target is under way is skipped.
2. A probe's observation is judged when the probe ends; where it may be our own network's fault, the neutral endpoints
   are asked before.
3. Extra probes are counted from that moment; a new one takes the place of the one planned in its slot.
4. A change of health makes a control cycle, as much later as the service gathers observations. Where time alone may
   change a verdict, there is a cycle every half second after it.
5. Silence is looked for once an interval, and twice a second as soon as a target is late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush, heapreplace
from itertools import count
from math import ceil, inf
from random import Random
from typing import Any

from controller.routing import policy
from controller.routing.decision import Decision, RouteState
from controller.simulation.scenario import Scenario
from controller.simulation.simulated_target import SimulatedTarget
from controller.simulation.world import Timeline, own_network_failures
from monitor.connectivity.blindness import Blindness
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe, phases
from probes.observation import Observation
from probes.outcome import Effect, Outcome

#: What the scenario's zero is to the service's objects.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

_TICK_S = 0.5
_GATHER_S = 0.1
_SOON_S = 0.02
_LATE_INTERVALS = 2
_HOUR_S = 3600.0

_DUE, _SEEN, _EXTRA, _CYCLE, _LOOK = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What happened in one seed."""

    decisions: tuple[tuple[float, Decision], ...]
    """With the second at which each was taken."""
    probes: int
    """How many were made."""
    usd: float
    """What they cost, as far as prices are known."""


def run_seed(scenario: Scenario, timelines: Mapping[str, Timeline], seed: int) -> RunResult:
    """One seed of the scenario in this world. Same arguments, same course."""
    return _SeedRun(scenario, timelines, seed).run()


class _SeedRun:
    """One seed under way. Events are (when, a number that keeps equal times in order, what, about whom)."""

    def __init__(self, scenario: Scenario, timelines: Mapping[str, Timeline], seed: int) -> None:
        self._scenario = scenario
        self._settings = scenario.settings
        self._lanes = _lanes(scenario, timelines, seed)
        self._judge = Detector(self._settings, EPOCH)
        self._neutral = _Neutral(scenario, seed)
        self._throttled = False
        """Whether any provider has ever asked us to slow down; before, none can be resting."""
        self._states: dict[str, RouteState] = {}
        self._decisions: list[tuple[float, Decision]] = []
        self._heap: list[tuple[float, int, int, Any]] = []
        self._number = count()
        self._planned: dict[str, int] = {}
        """The number of the extra probe planned in each slot; any other has been replaced."""
        self._cycle_at_s: float | None = None
        self._looked_every_s = min(lane.interval_s for lane in self._lanes.values())

    def run(self) -> RunResult:
        """To the end of the scenario."""
        for lane in self._lanes.values():
            self._push(lane.next_due_s(), _DUE, lane)
        self._push(self._looked_every_s, _LOOK, None)
        self._cycle(0.0)
        self._events()
        lanes = self._lanes.values()
        probes, usd = sum(lane.asked for lane in lanes), sum(lane.usd for lane in lanes)
        return RunResult(decisions=tuple(self._decisions), probes=probes, usd=usd)

    def _events(self) -> None:
        """Event after event; long, because a regular probe of quiet times passes through this one function."""
        heap, number, until_s = self._heap, self._number, self._scenario.duration_s
        judge, observe, extras = self._judge, self._judge.observe, self._judge.burst_probes
        blind = self._neutral.blind if self._neutral.matter else None
        while heap[0][0] < until_s:
            now_s, serial, kind, what = heap[0]
            if kind != _DUE:
                heappop(heap)
                self._other(now_s, serial, kind, what)
                continue
            heapreplace(heap, (what.next_due_s(), next(number), _DUE, what))
            if what.under_way or (self._throttled and self._resting(what, now_s)):
                continue
            seen = what.probe(now_s)
            end_s = now_s + seen.duration_s
            if seen.outcome is not Outcome.OK or end_s >= heap[0][0] or end_s >= until_s:
                what.under_way = True
                heappush(heap, (end_s, next(number), _SEEN, (what, seen)))
                continue
            # Nothing happens before it ends: it need not wait for its turn.
            what.seen_at_s = end_s
            if blind:
                blind(seen, end_s)
            if observe(seen) or judge.due is not None:
                self._cycle_by(end_s + _GATHER_S)
            if planned := extras(what.id):
                self._plan(planned, end_s)

    def _other(self, now_s: float, serial: int, kind: int, what: Any) -> None:
        if kind == _SEEN:
            self._seen(now_s, *what)
        elif kind == _EXTRA:
            self._extra(now_s, serial, what)
        elif kind == _CYCLE:
            if now_s == self._cycle_at_s:
                self._cycle(now_s)
        else:
            self._look(now_s)

    def _seen(self, now_s: float, lane: SimulatedTarget, seen: Observation) -> None:
        """A probe has ended."""
        lane.under_way = False
        lane.seen_at_s = now_s
        self._throttled |= seen.outcome.effect is Effect.THROTTLED
        blind = self._neutral.matter and self._neutral.blind(seen, now_s)
        if self._judge.observe(seen, blind=blind) or self._judge.due is not None:
            self._cycle_by(now_s + _GATHER_S)
        due = self._judge.due
        if due is not None:
            self._cycle_by(max(now_s, (due - EPOCH).total_seconds()) + _SOON_S)
        self._plan(self._judge.burst_probes(lane.id), now_s)

    def _plan(self, extras: Sequence[BurstProbe], now_s: float) -> None:
        for extra in extras:
            serial = self._push(now_s + extra.delay_s, _EXTRA, extra)
            self._planned[extra.slot] = serial

    def _extra(self, now_s: float, serial: int, extra: BurstProbe) -> None:
        """An extra probe is due, unless another has taken its place."""
        if self._planned.get(extra.slot) != serial:
            return
        del self._planned[extra.slot]
        free = (lane for lane in map(self._lanes.__getitem__, extra.targets) if not lane.under_way)
        lane = next(free, None)
        if lane is None or self._resting(lane, now_s):
            return
        lane.under_way = True
        seen = lane.probe(now_s)
        self._push(now_s + seen.duration_s, _SEEN, (lane, seen))

    def _cycle(self, now_s: float) -> None:
        """What a control cycle decides, and when the next one is needed at the latest."""
        self._cycle_at_s = None
        now = _instant(now_s)
        self._judge.tick(now)
        generation = len(self._decisions) + 1
        verdicts = policy.decide_all(
            self._settings, self._states, self._judge.health, now=now, generation=generation
        ).values()
        for decision in [verdict.decision for verdict in verdicts if verdict.decision]:
            self._states[decision.route] = decision.state()
            self._decisions.append((now_s, decision))
        if not all(verdict.settled for verdict in verdicts):
            self._cycle_by(now_s + _TICK_S)
        if self._judge.due is not None:
            ticks = ceil((self._judge.due - now).total_seconds() / _TICK_S)
            self._cycle_by(now_s + max(1, ticks) * _TICK_S)

    def _cycle_by(self, at_s: float) -> None:
        if self._cycle_at_s is None or at_s < self._cycle_at_s:
            self._cycle_at_s = at_s
            self._push(at_s, _CYCLE, None)

    def _look(self, now_s: float) -> None:
        """Whether a target has fallen silent."""
        late = any(now_s - lane.seen_at_s > _LATE_INTERVALS * lane.interval_s for lane in self._lanes.values())
        if late and self._judge.tick(_instant(now_s)):
            self._cycle_by(now_s)
        self._push(now_s + (_TICK_S if late else self._looked_every_s), _LOOK, None)

    def _resting(self, lane: SimulatedTarget, now_s: float) -> bool:
        return self._judge.is_resting(lane.id, _instant(now_s))

    def _push(self, at_s: float, kind: int, what: object) -> int:
        serial = next(self._number)
        heappush(self._heap, (at_s, serial, kind, what))
        return serial


class _Neutral:
    """The neutral endpoints of the made-up world, and what the service makes of them."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._endpoints = scenario.settings.connectivity_endpoints
        self._failing = own_network_failures(scenario)
        self._dice = Random(f"{seed} neutral endpoints")  # noqa: S311 - a simulation
        self._blindness = Blindness(self._endpoints, frozenset(p.name for p in scenario.settings.providers))
        self.matter = bool(self._failing) or not self._endpoints
        """False where they always answer: nothing can then be taken for our own network's failure."""
        always = not self._endpoints
        self._from_s = 0.0 if always else min((since_s for (since_s, _), _ in self._failing), default=0.0) - _HOUR_S
        self._until_s = inf if always else max((until_s for (_, until_s), _ in self._failing), default=0.0) + _HOUR_S

    def blind(self, seen: Observation, ended_s: float) -> bool:
        """Whether this observation is taken for that. To be told of all of them, in the order in which they end.

        Longer than an hour before and after our network fails, the endpoints have always answered and always do.
        """
        if not self._from_s <= ended_s <= self._until_s:
            return False
        return self._blindness.follow(seen, self._answering)

    def _answering(self, now: datetime) -> frozenset[str]:
        now_s = (now - EPOCH).total_seconds()
        failing = next((rate for (from_s, until_s), rate in self._failing if from_s <= now_s < until_s), 0.0)
        if not failing:
            return frozenset(self._endpoints)
        return frozenset(endpoint for endpoint in self._endpoints if self._dice.random() >= failing)


def _lanes(scenario: Scenario, timelines: Mapping[str, Timeline], seed: int) -> dict[str, SimulatedTarget]:
    due_s = phases(scenario.settings.targets)
    return {
        target.id: SimulatedTarget(
            target,
            timelines[target.id],
            scenario.background.latency,
            phase_s=due_s[target.id],
            cost_usd=scenario.probe_usd.get(target.id),
            seed=seed,
            epoch=EPOCH,
        )
        for target in scenario.settings.targets
    }


def _instant(at_s: float) -> datetime:
    return EPOCH + timedelta(seconds=at_s)
