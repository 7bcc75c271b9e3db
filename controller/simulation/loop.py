"""Runs one seed from its start to its end: the service's own detector, pacing, blindness and policy, driven by events.

What the service does by APScheduler, queues and its clock happens here at the same times:

1. Probes are due at their phases and intervals. One that is due while another of its target is in flight is skipped.
2. An observation is handed to the detector when the probe ends; where our own network may be the cause, the neutral
   endpoints are asked first.
3. The delay of burst probes counts from that moment; a new one replaces the one planned in its slot.
4. A change of health causes a control cycle, after the time for which the service gathers observations. Where time
   alone may change a verdict, a cycle follows every half second.
5. Silent targets are looked for once an interval, and twice a second as soon as a target is late.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush, heapreplace
from math import ceil
from typing import Any

from controller.routing import policy
from controller.routing.decision import Decision
from controller.routing.policy import AFTER_DUE_S, TICK_S
from controller.routing.refuge import begin_to_fail, refuge_probes
from controller.routing.spend_where_used import spend_where_used
from controller.simulation.burst_forward import BurstForward
from controller.simulation.event_queue import BURST, CYCLE, DUE, OBSERVED, SILENCE, TRAFFIC, EventQueue
from controller.simulation.fast_forward import FastForward, is_worthwhile
from controller.simulation.needed_cycles import NeededCycles
from controller.simulation.neutral_endpoints import NeutralEndpoints
from controller.simulation.reported_traffic import ReportedTraffic
from controller.simulation.scenario import Scenario
from controller.simulation.silence_checks import SilenceChecks
from controller.simulation.simulated_target import SimulatedTarget, by_provider, simulated_targets
from controller.simulation.world import Timeline
from monitor.detection.detector import Detector
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.pacing import FIRST_WITHIN_S, BurstProbe, early_phases, is_resting, phases
from monitor.health import Transition
from probes.observation import Observation, replaced
from probes.outcome import Effect, Outcome

#: The scenario's second 0, as the service's objects see it.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Decisions = Sequence[tuple[float, Decision]]
"""Decisions, with the second at which each was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What happened in one seed."""

    decisions: Decisions
    probes: int
    """How many were made."""
    usd: float
    """What they cost, as far as prices are known."""


def run_seed(
    scenario: Scenario,
    timelines: Mapping[str, Timeline],
    seed: int,
    on_probe: Callable[[Observation], None] | None = None,
    ends_after: Callable[[Decisions], bool] | None = None,
) -> RunResult:
    """Run one seed of the scenario in this world. The same arguments give the same result.

    `on_probe` is called with every observation, as its probe begins. That takes many times as long, since no quiet
    time is then skipped; the result is the same. After each decision, `ends_after` says of all up to it whether nothing
    else is wanted: the run then ends before the scenario.
    """
    return _SeedRun(scenario, timelines, seed, on_probe, ends_after).run()


class _SeedRun:
    """One seed being run."""

    def __init__(
        self,
        scenario: Scenario,
        timelines: Mapping[str, Timeline],
        seed: int,
        on_probe: Callable[[Observation], None] | None = None,
        ends_after: Callable[[Decisions], bool] | None = None,
    ) -> None:
        self._scenario = scenario
        self._settings = scenario.settings
        self._targets = simulated_targets(scenario, timelines, seed, EPOCH)
        self._detector = Detector(self._settings, EPOCH)
        self._endpoints = NeutralEndpoints(scenario, seed, EPOCH)
        self._stuck = False
        """Whether a route stands on a target that fails: every probe that is not of quiet times is then decided on."""
        self._needed_cycles = NeededCycles(self._settings.routes, every=on_probe is not None)
        self._throttled = False
        """Whether any provider has ever asked us to slow down; before, no target can be resting."""
        self._all = tuple(self._targets.values())
        self._siblings = by_provider(self._all)
        self._fast_forward = FastForward(self._detector, self._targets)
        self._traffic = self._reported_traffic(timelines, seed) if scenario.traffic_reported else None
        self._states: dict[str, Decision] = {}
        self._decisions: list[tuple[float, Decision]] = []
        self._on_probe = on_probe
        self._may_skip = on_probe is None and is_worthwhile(scenario)
        self._ends_after = ends_after
        self._until_s = scenario.duration_s
        self._events = EventQueue(self._all)
        self._silence = SilenceChecks(self._all, self._fast_forward, self._events)
        parts = self._detector, self._fast_forward, self._targets, self._events
        self._bursts = BurstForward(*parts, self._silence)
        self._cycle_at_s: float | None = None
        self._now_s = 0.0
        """When the event takes place that is being handled."""

    def _reported_traffic(self, timelines: Mapping[str, Timeline], seed: int) -> ReportedTraffic:
        return ReportedTraffic(
            *(self._scenario, timelines, seed),
            detector=self._detector,
            epoch=EPOCH,
            push=lambda at_s, stream: self._events.push(at_s, TRAFFIC, stream),
            prepare=lambda target: self._resume(self._now_s, self._siblings[self._targets[target].provider]),
        )

    def run(self) -> RunResult:
        """Run to the end of the scenario."""
        for name, due_s in early_phases(self._settings.targets).items():
            if self._targets[name].interval_s > FIRST_WITHIN_S:
                self._plan([BurstProbe(slot=name, targets=(name,), delay_s=due_s)], 0.0)
        self._cycle(0.0)
        self._run_events()
        probes, usd = sum(target.probes for target in self._all), sum(target.usd for target in self._all)
        return RunResult(decisions=tuple(self._decisions), probes=probes, usd=usd)

    def _run_events(self) -> None:
        """Handle event after event; one long function, because every regular probe of quiet times passes through it."""
        heap, until_s, may_skip = self._events.heap, self._until_s, self._may_skip
        skipped, observe, burst_probes = self._fast_forward, self._detector.observe, self._detector.burst_probes
        is_blind = self._endpoints.is_blind if self._endpoints.can_fail else None
        while True:
            now_s, serial, kind, subject = heap[0]
            if now_s >= until_s:
                if not skipped:
                    return
                self._resume(until_s)
                continue
            if may_skip and kind in {DUE, BURST} and self._skips_burst(kind, subject, now_s):
                continue
            if kind != DUE:
                heappop(heap)
                self._handle(now_s, serial, kind, subject)
                until_s = self._until_s
                continue
            if may_skip and (resumes_s := self._skipped_until_s(subject, now_s)):
                heapreplace(heap, (resumes_s, serial, DUE, subject))
                continue
            heapreplace(heap, (subject.take_due_s(), serial, DUE, subject))
            if subject.in_flight or (self._throttled and self._resting(subject, now_s)):
                continue
            observation = self._probe(subject, now_s)
            end_s = now_s + observation.duration_s
            hangs = observation.duration_s > SHORTEST_HANG_S
            if observation.outcome is not Outcome.OK or end_s >= heap[0][0] or end_s >= until_s or hangs:
                subject.in_flight = True
                self._events.push(end_s, OBSERVED, (subject, observation))
                if hangs:
                    self._notice_hanging(subject, observation, now_s)
                continue
            # Nothing happens before it ends: it need not wait for its turn.
            subject.observed_at_s = end_s
            self._settle(subject)
            if is_blind:
                is_blind(observation, end_s)
            changed = observe(observation)
            self._gather(subject, changed, end_s)
            if (planned := burst_probes(subject.id)) or changed:
                self._plan(planned, end_s, begin_to_fail((observation,), changed, self._detector))

    def _skipped_until_s(self, target: SimulatedTarget, now_s: float) -> float | None:
        """Skip the regular probes of this target from the one that is due now on; None where they are to be made."""
        self._fast_forward.resume_by_itself(target, now_s)
        if target.in_flight or self._events.awaits(target.id) or not self._detector.judges_alone(target.id):
            return None
        until_s = min(self._until_s, self._endpoints.next_failure_s(now_s))
        return self._fast_forward.add(target, until_s, with_evidence=not self._stuck)

    def _skips_burst(self, kind: int, subject: Any, now_s: float) -> bool:
        """Go quickly through what follows from a failure at a provider, where that is possible."""
        provider = subject.provider if kind == DUE else self._targets[subject.targets[0]].provider
        if self._stuck or self._traffic or (kind == DUE and not self._detector.has_evidence(provider)):
            return False
        until_s = min(self._until_s, self._endpoints.next_failure_s(now_s))
        return self._bursts.skip(provider, self._siblings[provider], until_s)

    def _resume(self, now_s: float, targets: Collection[SimulatedTarget] | None = None) -> None:
        """Probe these targets again, or all, because something happens that concerns them."""
        resumed = self._fast_forward.resume(now_s, targets)
        self._fast_forward.settle(self._all if targets is None else targets)
        if resumed:
            self._events.plan_regular(resumed)

    def _probe(self, target: SimulatedTarget, now_s: float, *, afresh: bool = False) -> Observation:
        observation = target.probe(now_s, partial(self._hang_s, target) if afresh else None)
        if afresh:
            observation = replaced(observation, afresh=True)
        if self._on_probe:
            self._on_probe(observation)
        return observation

    def _handle(self, now_s: float, serial: int, kind: int, subject: Any) -> None:
        self._now_s = now_s
        if kind == OBSERVED:
            self._observe(now_s, *subject)
        elif kind == BURST:
            self._probe_extra(now_s, serial, subject)
        elif kind == CYCLE:
            if now_s == self._cycle_at_s:
                self._cycle(now_s)
        elif kind == SILENCE:
            self._check_silence(now_s, serial)
        elif self._traffic:
            self._act(now_s, *self._traffic.take_in(now_s, serial, subject))

    def _act(self, now_s: float, changed: Collection[Transition], asked: Sequence[BurstProbe]) -> None:
        """Follow what traffic shows."""
        if changed:
            self._cycle_by(self._needed_cycles.gathered_s(now_s))
        if asked or changed:
            self._plan(asked, now_s, begin_to_fail((), changed, self._detector))

    def _observe(self, now_s: float, target: SimulatedTarget, observation: Observation) -> None:
        """A probe has ended."""
        if observation.outcome is not Outcome.OK or observation.afresh:
            self._resume(now_s, self._siblings[target.provider])
        else:
            self._settle(target)
        if not (observation.afresh or observation.under_way):
            target.in_flight = False
        target.observed_at_s = now_s
        self._throttled |= observation.outcome.effect is Effect.THROTTLED
        blind = self._endpoints.can_fail and self._endpoints.is_blind(observation, now_s)
        changed = self._detector.observe(observation, blind=blind)
        self._gather(target, changed, now_s)
        if (due := self._detector.due) is not None:
            self._cycle_by(max(now_s, (due - EPOCH).total_seconds()) + AFTER_DUE_S)
        failing = begin_to_fail((observation,), changed, self._detector)
        self._plan(self._detector.burst_probes(target.id), now_s, failing)
        if self._traffic and observation.afresh:
            self._act(now_s, *self._traffic.observe_probe(observation, blind=blind))

    def _settle(self, target: SimulatedTarget) -> None:
        """Let the detector know all that a good answer of this target is judged by."""
        shared = self._detector.has_evidence(target.provider)
        self._fast_forward.settle(self._siblings[target.provider] if shared else (target,))

    def _plan(self, bursts: Sequence[BurstProbe], now_s: float, failing: Collection[str] = ()) -> None:
        for burst in (*bursts, *(self._refuge_probes(failing, bursts, now_s) if failing else ())):
            self._events.plan(burst, now_s + burst.delay_s)

    def _refuge_probes(
        self, failing: Collection[str], bursts: Sequence[BurstProbe], now_s: float
    ) -> tuple[BurstProbe, ...]:
        health = self._fast_forward.health(now_s)
        probes = refuge_probes(self._settings, self._states, health, failing, planned=bursts, now=_instant(now_s))
        if probes:
            self._resume(now_s, [self._targets[probe.targets[0]] for probe in probes])
        return probes

    def _probe_extra(self, now_s: float, serial: int, burst: BurstProbe) -> None:
        """A burst probe is due, unless another has replaced it."""
        if not self._events.is_planned(serial, burst):
            return
        self._events.take(burst)
        if burst.afresh:
            self._probe_afresh(now_s, self._targets[burst.targets[0]])
            return
        free = (target for target in map(self._targets.__getitem__, burst.targets) if not target.in_flight)
        target = next(free, None)
        if target is None or self._resting(target, now_s):
            return
        target.in_flight = True
        observation = self._probe(target, now_s)
        self._events.push(now_s + observation.duration_s, OBSERVED, (target, observation))
        self._notice_hanging(target, observation, now_s)

    def _notice_hanging(self, target: SimulatedTarget, observation: Observation, now_s: float) -> None:
        """The detector is told when a probe that begins now takes longer than its target ever does."""
        if observation.duration_s <= SHORTEST_HANG_S:
            return
        hang_s = self._hang_s(target)
        if observation.duration_s > hang_s:
            hanging = replaced(observation, outcome=Outcome.TIMEOUT, duration_s=hang_s, under_way=True)
            self._events.push(now_s + hang_s, OBSERVED, (target, hanging))

    def _hang_s(self, target: SimulatedTarget) -> float:
        self._fast_forward.settle((target,))
        return self._detector.hang_s(target.id)

    def _probe_afresh(self, now_s: float, target: SimulatedTarget) -> None:
        if not self._resting(target, now_s):
            self._resume(now_s, self._siblings[target.provider])
            observation = self._probe(target, now_s, afresh=True)
            self._events.push(now_s + observation.duration_s, OBSERVED, (target, observation))

    def _cycle(self, now_s: float) -> None:
        """Decide as a control cycle does, and plan the next one for when it is needed at the latest."""
        self._cycle_at_s = None
        now = _instant(now_s)
        self._fast_forward.settle(self._stepped(self._all))
        self._detector.tick(now, quiet=self._fast_forward.targets)
        generation = len(self._decisions) + 1
        verdicts = policy.decide_all(
            self._settings,
            self._states,
            self._fast_forward.health(now_s),
            now=now,
            generation=generation,
            blind=self._detector.blind,
        ).values()
        self._stuck = any(verdict.stuck for verdict in verdicts)
        if self._stuck:
            self._resume(now_s)
        for decision in [verdict.decision for verdict in verdicts if verdict.decision]:
            self._states[decision.route] = decision
            self._decisions.append((now_s, decision))
            if self._traffic:
                self._traffic.redirect(decision, now_s)
            self._spend_where_used(now_s)
            if self._ends_after and self._ends_after(self._decisions):
                self._until_s = now_s
        self._needed_cycles.look(self._states, self._fast_forward.health(now_s))
        if not all(verdict.settled for verdict in verdicts):
            self._cycle_by(now_s + TICK_S)
        if self._detector.due is not None:
            ticks = ceil((self._detector.due - now).total_seconds() / TICK_S)
            self._cycle_by(now_s + max(1, ticks) * TICK_S)

    def _spend_where_used(self, now_s: float) -> None:
        """Probe at the intervals that are right for the routes as they stand, as the service's scheduler does."""
        paced = spend_where_used(self._scenario.settings, self._states, self._scenario.probe_usd)
        if paced.targets == self._settings.targets:
            return
        self._resume(now_s)
        self._settings = paced
        self._detector.update_intervals(paced)
        due_s = phases(paced.targets)
        for target, interval_s in ((self._targets[each.id], each.interval_s) for each in paced.targets):
            if interval_s != target.interval_s:
                waits_s = max(0.0, interval_s - target.interval_s)
                target.change_interval(interval_s, min(now_s + due_s[target.id], target.due_s + waits_s))
        self._events.plan_regular(self._all)

    def _gather(self, target: SimulatedTarget, changed: Sequence[Transition], now_s: float) -> None:
        """Let a cycle follow a probe of this target, which changed health so, if it may find anything."""
        # While a route is stuck, any probe may show that it is better off elsewhere.
        compared = self._stuck and not self._detector.state_of(target.id).no_evidence
        if compared or self._detector.due is not None or self._needed_cycles.may_move(changed):
            self._cycle_by(self._needed_cycles.gathered_s(now_s))
        elif changed:
            self._needed_cycles.leave_out(now_s)

    def _cycle_by(self, at_s: float) -> None:
        if self._cycle_at_s is None or at_s < self._cycle_at_s:
            self._cycle_at_s = at_s
            self._events.push(at_s, CYCLE, None)

    def _check_silence(self, now_s: float, place: int) -> None:
        """Tell the detector the time when a target is late."""
        next_s = self._silence.next_s(now_s)
        self._needed_cycles.any_late = next_s is None
        if next_s is None:
            for target in self._all:
                self._fast_forward.update_state(target, now_s)
            if self._detector.tick(_instant(now_s)):
                self._cycle_by(now_s)
        heappush(self._events.heap, (next_s or now_s + TICK_S, place, SILENCE, None))

    def _stepped(self, targets: Collection[SimulatedTarget]) -> list[SimulatedTarget]:
        """Those of them whose probes are not skipped now."""
        return [target for target in targets if target not in self._fast_forward]

    def _resting(self, target: SimulatedTarget, now_s: float) -> bool:
        return is_resting(self._detector.state_of(target.id), _instant(now_s))


def _instant(at_s: float) -> datetime:
    return EPOCH + timedelta(seconds=at_s)
