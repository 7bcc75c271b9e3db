"""One peer in one world: its probes, its verdicts, and where they send the routes.

The world is the simulator's, and so is the moment at which each target is asked. The router is the simplest there is: a
route goes to its first candidate that the rule calls healthy, and stays where it is when there is none.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from benchmarks.detection.peers import Peer, Probing
from benchmarks.detection.rules import NEVER, Rule
from benchmarks.detection.scenarios import INTERVAL_S
from controller.simulation.scenario import LatencyDistribution, Scenario
from controller.simulation.world import Segment, Timeline
from monitor.config.route import Route
from monitor.detection.pacing import phases
from probes.outcome import Outcome

#: Requests a second and route, for the rules that judge them.
TRAFFIC_RPS = 2.0

_CONNECT_S = 5.0

Moves = dict[str, list[tuple[float, str]]]
"""Per route: since when (seconds) it points at which target; the first entry is the start."""

_World = tuple[Scenario, Mapping[str, Timeline]]


class Routes:
    """Where every route points, and every move it made."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = routes
        self.moves: Moves = {route.name: [(0.0, route.candidates[0])] for route in routes}

    def judge(self, at_s: float, rules: Mapping[str, Rule]) -> None:
        """Send every route where the verdicts say."""
        for route in self._routes:
            best = next((target for target in route.candidates if not rules[target].unhealthy), None)
            if best is not None and best != self.moves[route.name][-1][1]:
                self.moves[route.name].append((at_s, best))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run came to."""

    moves: Moves
    probes: int
    """HTTP requests made for probing."""


def run(
    peer: Peer, scenario: Scenario, timelines: Mapping[str, Timeline], seed: int, *, rps: float = TRAFFIC_RPS
) -> Run:
    """One run; the same arguments give the same. `rps`: requests a second and route where the rule judges them."""
    dice = Random(f"{seed} {peer.name}")
    routes = Routes(scenario.settings.routes)
    shared: set[object] = set()
    units = {t.id: t.provider.name if peer.by_provider else t.id for t in scenario.settings.targets}
    made = {unit: peer.make(dice, shared) for unit in dict.fromkeys(units.values())}
    rules = {target: made[unit] for target, unit in units.items()}
    if peer.passive:
        _serve((scenario, timelines), rules, routes, dice, rps)
        return Run(moves=routes.moves, probes=0)
    probes = _Probes(peer, (scenario, timelines), rules, routes, dice).go()
    return Run(moves=routes.moves, probes=probes)


def _serve(world: _World, rules: Mapping[str, Rule], routes: Routes, dice: Random, rps: float) -> None:
    """Requests at random moments, each to the target that its route points at; no retries, and no time to answer."""
    scenario, timelines = world
    names = list(routes.moves)
    made = list(dict.fromkeys(rules.values()))
    views = {target: _View(timeline) for target, timeline in timelines.items()}
    at_s = dice.expovariate(rps * len(names))
    while at_s < scenario.duration_s:
        for rule in made:
            while rule.due_s <= at_s:
                due_s, before = rule.due_s, rule.unhealthy
                rule.tick(due_s)
                if rule.unhealthy is not before:
                    routes.judge(due_s, rules)
        target = routes.moves[names[0] if len(names) == 1 else dice.choice(names)][-1][1]
        rule, before = rules[target], rules[target].unhealthy
        rule.observe(at_s, dice.random() < views[target].at(at_s).request_failure_rate)
        if rule.unhealthy is not before:
            routes.judge(at_s, rules)
        at_s += dice.expovariate(rps * len(names))


class _View:
    """A timeline read forwards."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline, self._piece, self._until_s = timeline, timeline.segments[0], timeline.ends_s[0]

    def at(self, at_s: float) -> Segment:
        """The piece at this time; times must not fall, and after the end the last piece goes on."""
        if at_s >= self._until_s:
            end_s = self._timeline.ends_s[-1]
            self._piece, self._until_s = (
                self._timeline.at(at_s) if at_s < end_s else (self._timeline.segments[-1], math.inf)
            )
        return self._piece


class _Probes:
    """The probes of one run. Slots are numbered through: all places of all targets, one interval after the other.

    Which first tries fail is drawn ahead, so that quiet stretches can be skipped: while every rule is settled and
    nothing but good answers is on its way, the next slot that matters is `memory` before the next failure.
    """

    def __init__(self, peer: Peer, world: _World, rules: Mapping[str, Rule], routes: Routes, dice: Random) -> None:
        scenario, self._timelines = world
        self._probing, self._rules, self._routes, self._dice = peer.probing, rules, routes, dice
        self._latency = scenario.background.latency
        self._end_s = scenario.duration_s
        self._sources = sorted(_sources(peer.probing, scenario, dice))
        self._slots = int(scenario.duration_s / INTERVAL_S) * len(self._sources)
        self._memory = math.ceil(peer.memory_s / INTERVAL_S + 1) * len(self._sources) if peer.memory_s else 0
        self._failing = self._first_tries_that_fail()
        self._ticking = [rule for rule in dict.fromkeys(rules.values()) if rule.due_s != NEVER]
        self._look_s = self._next_look_s()
        self._busy = {rule for rule in rules.values() if not rule.settled}
        self._arriving: list[tuple[float, int, str, int, bool]] = []
        self._failures_arriving = self._retries = 0

    def go(self) -> int:
        """Until the end; how many requests that took."""
        slot = upcoming = 0
        failing = [*self._failing, self._slots]
        while slot < self._slots:
            while failing[upcoming] < slot:
                upcoming += 1
            if not self._busy and not self._failures_arriving:
                slot = max(slot, min(self._slots - 1, failing[upcoming] - self._memory))
            at_s = self._at_s(slot)
            self._arrive_until(at_s)
            self._probe(slot, at_s, failed=failing[upcoming] == slot)
            slot += 1
        self._arrive_until(self._end_s)
        return self._slots + self._retries

    def _at_s(self, slot: int) -> float:
        cycle, source = divmod(slot, len(self._sources))
        return cycle * INTERVAL_S + self._sources[source][0]

    def _first_tries_that_fail(self) -> list[int]:
        """The slots, by gaps that are geometrically distributed within each piece of a target's time."""
        slots: list[int] = []
        for number, (phase_s, target, _) in enumerate(self._sources):
            begin_s = 0.0
            timeline = self._timelines[target]
            for piece, end_s in zip(timeline.segments, timeline.ends_s, strict=True):
                cycle = max(0, math.ceil((begin_s - phase_s) / INTERVAL_S)) - 1
                end = min((end_s - phase_s) / INTERVAL_S, self._slots / len(self._sources))
                rate = self._fails(piece)
                while (cycle := cycle + self._gap(rate)) < end:
                    slots.append(cycle * len(self._sources) + number)
                begin_s = end_s
        return sorted(slots)

    def _gap(self, rate: float) -> int:
        if rate <= 0 or rate >= 1:
            return 1 if rate >= 1 else self._slots
        return 1 + int(math.log(1 - self._dice.random()) / math.log1p(-rate))

    def _fails(self, piece: Segment) -> float:
        """The chance that one try gets an error that counts, or no answer in time."""
        return 1 - (1 - piece.failure_rate) * (1 - self._late(piece)) - self._ignored(piece)

    def _ignored(self, piece: Segment) -> float:
        """The chance that one try gets an error that this peer takes for no result."""
        return sum(
            (
                upper - lower
                for (lower, _), (upper, outcome) in pairwise([(0.0, Outcome.OK), *piece.outcomes])
                if outcome in self._probing.ignores
            ),
            0.0,
        )

    def _late(self, piece: Segment) -> float:
        return self._latency.longer_than(self._probing.deadline_s, factor=piece.latency_factor)

    def _probe(self, slot: int, at_s: float, *, failed: bool) -> None:
        """Ask, try again where the peer does, and let the result come in when it is known."""
        _, target, place = self._sources[slot % len(self._sources)]
        took_s = self._takes_s(target, at_s, failed=failed)
        for pause_s in self._probing.pause_s:
            if not failed:
                break
            self._retries += 1
            took_s += pause_s
            failed = self._dice.random() < self._fails(self._piece(target, at_s + took_s))
            took_s += self._takes_s(target, at_s + took_s, failed=failed)
        if not failed and self._is_no_result(self._piece(target, at_s)):
            return
        self._failures_arriving += failed
        heapq.heappush(self._arriving, (at_s + took_s, slot, target, place, failed))

    def _is_no_result(self, piece: Segment) -> bool:
        """Whether a try that did not fail ended in something that the peer ignores."""
        ignored = self._ignored(piece) if self._probing.ignores else 0.0
        return ignored > 0 and self._dice.random() * (1 - self._fails(piece)) < ignored

    def _piece(self, target: str, at_s: float) -> Segment:
        return self._timelines[target].at(min(at_s, math.nextafter(self._end_s, 0)))[0]

    def _takes_s(self, target: str, at_s: float, *, failed: bool) -> float:
        """How long one try takes: an error as long as an answer, no connection until its deadline, silence likewise."""
        piece = self._piece(target, at_s)
        if failed and self._dice.random() * self._fails(piece) >= piece.failure_rate - self._ignored(piece):
            return self._probing.deadline_s
        if failed and piece.outcomes[0][1] is Outcome.TIMEOUT:
            return self._probing.deadline_s
        if failed and piece.outcomes[0][1] is Outcome.UNREACHABLE:
            return _CONNECT_S
        return min(self._probing.deadline_s, _answer_s(self._latency, piece.latency_factor, self._dice))

    def _arrive_until(self, until_s: float) -> None:
        """Let results come in and rules take their looks, in order."""
        while True:
            in_s = self._arriving[0][0] if self._arriving else NEVER
            if in_s > until_s and self._look_s > until_s:
                return
            if self._look_s < in_s:
                self._look()
            else:
                at_s, _, target, place, failed = heapq.heappop(self._arriving)
                self._failures_arriving -= failed
                rule = self._rules[target]
                before = rule.unhealthy
                rule.observe(at_s, failed, place)
                self._after(rule, at_s, before=before)

    def _look(self) -> None:
        """The rule whose look is due takes it."""
        rule, at_s = min(self._ticking, key=lambda rule: rule.due_s), self._look_s
        before = rule.unhealthy
        rule.tick(at_s)
        self._look_s = self._next_look_s()
        self._after(rule, at_s, before=before)

    def _next_look_s(self) -> float:
        return min((rule.due_s for rule in self._ticking), default=NEVER)

    def _after(self, rule: Rule, at_s: float, *, before: bool) -> None:
        """Note whether the rule may be skipped over, and let a new verdict move the routes."""
        if rule.settled:
            self._busy.discard(rule)
        else:
            self._busy.add(rule)
        if rule.unhealthy is not before:
            self._routes.judge(at_s, self._rules)


def _answer_s(latency: LatencyDistribution, factor: float, dice: Random) -> float:
    return factor * dice.lognormvariate(latency.mu, latency.sigma)


def _sources(probing: Probing, scenario: Scenario, dice: Random) -> list[tuple[float, str, int]]:
    """Phase, target and place of each source; the first place asks when Hotspare does."""
    asked_s = phases(scenario.settings.targets)
    return [
        (asked_s[target.id] if probing.in_phase or not place else dice.uniform(0, INTERVAL_S), target.id, place)
        for target in scenario.settings.targets
        for place in range(probing.places)
    ]
