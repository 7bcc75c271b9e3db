"""The detector: the state of all targets and providers, one observation at a time (pure).

The service, `simulate` and `replay` drive the same object, so that the latter two decide as the service does.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from monitor.config.settings import Settings
from monitor.connectivity.state import blind_regions
from monitor.detection import (
    blip_lengths,
    foresight,
    fresh_tests,
    limits,
    notes,
    pacing,
    provider_bursts,
    provider_pool,
    refusals,
    state_machine,
    verdict_rules,
)
from monitor.detection.answered_runs import AnsweredRun
from monitor.detection.detector_state import DetectorState
from monitor.detection.evidence import Evidence
from monitor.detection.foresight import AnsweredBurst
from monitor.detection.fresh_tests import FreshTests, ReportedFailure
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import TargetParameters, parameters_by_target
from monitor.detection.present_health import PresentHealth
from monitor.detection.provider_bursts import PlannedBursts
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE
from monitor.detection.provider_tests import ProviderTests
from monitor.detection.records import DetectorRecords, DueVerdicts
from monitor.detection.target_state import TargetState
from monitor.health import NO_VERDICT, Health, TargetHealth, Transition
from probes.context_check import CONTEXT
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome


class Detector:
    """Judges the targets of these settings, all of them unknown at `now`. Not thread-safe."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._parameters = parameters_by_target(settings)
        self._providers = ProviderTests(settings, self._parameters)
        states = {target: TargetState(target=target, since=now) for target in self._parameters}
        self.records = DetectorRecords(states, dict.fromkeys(self._providers.parameters, NO_PROVIDER_EVIDENCE))
        self._states, self._pools = self.records.targets, self.records.pools
        self.fresh = FreshTests()
        self._bursts = PlannedBursts()
        self._due = DueVerdicts()
        """When a verdict that only waits for `min_outage` is made, by target or provider."""
        self._health = PresentHealth(self._states)
        self._asked_afresh: set[str] = set()
        """Targets whose last observation was of a test on fresh evidence: it moves no burst probe that is planned."""
        self._clean: str | None = None
        """The target just observed, if it needs no burst."""
        self.blind = frozenset[str]()
        """Where our own network was down when the last probe failed, and none was answered since; empty text: here."""

    def observe(self, observation: Observation, *, blind: bool = False) -> tuple[Transition, ...]:
        """Weigh one more observation, and return the transitions. One of an unknown target changes nothing.

        `blind`: our own network was found to be down when it was made, so that a failure of undecided blame counts for
        nothing.
        """
        target = observation.target
        parameters = self._parameters.get(target)
        if parameters is None:
            return ()
        if observation.limit_left or self._states[target].low_limit:
            self.accept(limits.note_limit(self._states[target], observation))
        if observation.check == CONTEXT or observation.afresh or observation.under_way:
            return self._observe_beside(observation, blind=blind)
        self._asked_afresh.discard(target)
        provider = self._providers.name_of[target]
        if observation.outcome.effect is Effect.THROTTLED:
            noted = limits.note_start(self._states[target], observation.started_at, parameters.interval_s)
            self._spare_siblings(noted, observation)
        if blind or self.blind:
            self.blind = blind_regions(self.blind, observation, blind=blind)
        before = self._states[target]
        blip_s = self.blip_s(observation) if observation.outcome.effect is Effect.DOWN else 0.0
        after = state_machine.observe(before, observation, parameters, blind=blind, blip_s=blip_s)
        alone = provider not in self._due and not self._is_suspected(target)
        self._clean = target if alone and after.no_evidence else None
        if observation.outcome is Outcome.OK and after.reason is before.reason and target not in self._due:
            # Only times have changed: nearly every probe ends here.
            self.accept(after)
            if alone:
                return ()
            changed: tuple[Transition, ...] = ()
        else:
            judged = refusals.judged(before, after, observation, self._states, self._parameters)
            changed = tuple(made for new in judged for made in self._update(self._states[new.target], new))
        of_key = bool(changed) and observation.outcome in verdict_rules.OF_THE_KEY
        if of_key and provider in self._pools and after.health is Health.MISCONFIGURED:
            # The siblings share the key, so that one probe of each confirms the same of it.
            for sibling in self._siblings(target):
                self._states[sibling.target] = verdict_rules.suspect_sibling(sibling, observation.outcome)
        changed += self._weigh_for_provider(observation, blind=blind)
        if observation.outcome.effect is Effect.DOWN and not (blind and observation.outcome.blame is Blame.UNDECIDED):
            self.ask_afresh(observation)
        return changed

    def ask_afresh(self, failed: Observation, reported: ReportedFailure | None = None) -> None:
        """Begin a test on fresh evidence with this failure (`reported`: of its target alone), where one makes sense."""
        state, parameters = self._states[failed.target], self._parameters[failed.target]
        exempt = state.out_of_service or state.health is Health.RECOVERING or state.is_reported(failed.check)
        if exempt or self.blip_s(failed) or limits.is_limited(state, failed.finished_at):
            return
        provider, members = self._providers.name_of[failed.target], None
        pool = None if reported or failed.target in self.fresh else self._pools.get(provider)
        if pool is not None and not pacing.fails_alone(state.down.evidence, pool):
            if not (pool.evidence.value or failed.under_way):
                return
            members = self._providers.within[provider]
        if self.fresh.is_under_way(members or parameters, failed.finished_at):
            return
        if members:
            targets = provider_bursts.testable_targets(members, self._states, self.fresh, failed.finished_at)
            if len(targets) > 1:
                rates = provider_bursts.background_rates(members.members, self._states)
                self.fresh.begin(failed, targets, members, fresh_tests.provider_model(members, targets, rates))
                return
        # Alone at its provider, or the only one that is in service.
        self.fresh.begin(failed, [failed.target], parameters, fresh_tests.model_of(state, parameters), reported)

    def hang_s(self, target: str) -> float:
        """Seconds after which a probe of this target takes longer than it ever does; infinite where nobody knows."""
        return fresh_tests.hang_s(self._states[target], self._parameters[target])

    def _observe_beside(self, observation: Observation, *, blind: bool) -> tuple[Transition, ...]:
        """Weigh what comes beside the regular probes; the check `context` is no evidence, and moves no burst probe."""
        self._clean, target = None, observation.target
        if observation.check == CONTEXT:
            self.accept(notes.note_context(self._states[target], observation, blind=blind))
            self._asked_afresh.add(target)
        elif observation.afresh:
            return self._observe_afresh(observation, blind=blind)
        elif not blind and observation.duration_s >= self.hang_s(target):
            self.ask_afresh(observation)  # it is still under way: that is no failure yet
        return ()

    def _observe_afresh(self, observation: Observation, *, blind: bool) -> tuple[Transition, ...]:
        """Weigh a probe that a test on fresh evidence asked for; it changes nothing but that test."""
        target, at, self._clean = observation.target, observation.finished_at, None
        self.accept(
            state := notes.note_afresh(self._states[target], observation, self._parameters[target], blind=blind)
        )
        self._asked_afresh.add(target)
        provider = self._providers.name_of[target]
        name = self.fresh.test_of(target, provider)
        if observation.outcome.effect is Effect.THROTTLED:
            self._spare_siblings(state, observation)
        if blind or state.out_of_service or state.health is Health.RECOVERING:
            self.fresh.end(name)
        test = self.fresh.add_probe(name, observation)
        if test is None:
            return ()
        if not test.is_conclusive:
            for failing in test.persistent:
                self.fresh.go_on(test, self._states[failing], self._parameters[failing], observation)
            return ()
        members = self._providers.within[provider].members if name == provider else ()
        if members:
            self._pools[provider] = NO_PROVIDER_EVIDENCE
            self._due.plan(provider, None)
        reason = fresh_tests.verdict_reason(test, at, provider=provider, members=len(members))
        return self.mark_down(members or (target,), at, reason, test.evidence, test.needed)

    def _spare_siblings(self, state: TargetState, refused: Observation) -> None:
        """Spare all targets of a provider where bursts on them may have met their limit.

        `state`: of the one whose probe was refused, that probe among its starts.
        """
        members = self._siblings(state.target)
        intervals_s = (self._parameters[member.target].interval_s for member in members)
        states = (state if member.target == state.target else member for member in members)
        if len(members) > 1 and (burst_at := limits.met_by_bursts(states, intervals_s, refused)):
            for member in members:
                self._states[member.target] = limits.spared(member, burst_at)

    def _siblings(self, target: str) -> list[TargetState]:
        members = self._providers.within.get(self._providers.name_of[target])
        return [self._states[name] for name in members.members] if members else [self._states[target]]

    def blip_s(self, failed: Observation) -> float:
        """How long the longest blip of a provider is, as its targets have learned it; 0: as it is configured."""
        at, blips = failed.finished_at, self._parameters[failed.target].blips
        return blip_lengths.learned_s((state.periods for state in self._siblings(failed.target)), at, blips)

    def judges_alone(self, target: str) -> bool:
        """Whether its clean probes concern no other: no evidence against its provider, and no verdict that is due."""
        return not self._due and not self._is_suspected(target)

    def _is_suspected(self, target: str) -> bool:
        """Whether there is evidence against its provider, as its region sees it or as several do."""
        return any(self.has_evidence(name) for name in self._providers.names_of[target])

    def has_evidence(self, provider: str) -> bool:
        """Whether there is evidence against the whole provider."""
        return bool(self._pools.get(provider, NO_PROVIDER_EVIDENCE).evidence.value)

    def parameters_of(self, target: str) -> TargetParameters:
        """What it needs to know of a target; raises KeyError when there is none of that id."""
        return self._parameters[target]

    def accept(self, state: TargetState) -> None:
        """Go on from this state of a target: as `monitor.detection.foresight` foresees it, while it `judges_alone`."""
        self._asked_afresh.discard(state.target)
        self._states[state.target] = state
        self._health.stale.add(state.target)

    def answered_burst(
        self, provider: str, find_runs: Callable[[], dict[str, AnsweredRun] | None]
    ) -> AnsweredBurst | None:
        """What follows a failure at this provider with its targets, while answers only take from evidence."""
        if self._due or self.blind or self._providers.across.parameters:
            return None
        pool, parameters = self._pools.get(provider), self._providers.within.get(provider)
        return foresight.answered_burst(provider, pool, parameters, find_runs, self.fresh)

    def accept_burst(self, provider: str, burst: AnsweredBurst, planned_for: datetime | None) -> None:
        """Go on from after this burst, whose targets are in the states that are `accept`ed, and its next probe."""
        if (pool := burst.pool) is not None:
            self._pools[provider] = pool
            self._plan_provider_verdict(provider)
        if planned_for:
            self._bursts.replan(provider, planned_for)

    def tick(self, now: datetime, *, quiet: Container[str] = ()) -> tuple[Transition, ...]:
        """The transitions that time brings without observations: verdicts that come due, and silent targets.

        It brings none to those that are known to be `quiet` and on schedule.
        """
        changed: tuple[Transition, ...] = ()
        for target in self._states.take_due(now, quiet):
            after = state_machine.tick(before := self._states[target], now, self._parameters[target])
            if after is not before:
                changed += self._update(before, after)
            self._states.plan(after, now, self._parameters[target])
        for provider in self.records.take_suspected():
            self._pools[provider] = self._providers.current(provider, self.records, now)
            self._plan_provider_verdict(provider)
            changed += self._provider_verdict(provider, now)
        return changed

    def stop_watching(self, target: str, now: datetime, reason: str) -> tuple[Transition, ...]:
        """The transitions when this target is not probed any more; a standing verdict stays."""
        before = self._states[target]
        after = state_machine.stop_watching(before, now, reason)
        return () if after is before else self._update(before, after)

    @property
    def health(self) -> Mapping[str, TargetHealth]:
        """The present health of each target, by id."""
        return self._health.of_all(self._states, self._parameters)

    def take_changed(self) -> frozenset[str]:
        """The targets whose health, its time or its reason are others than at the last call."""
        self._health.of_all(self._states, self._parameters)
        return self._health.take_changed()

    def health_of(self, target: str) -> TargetHealth:
        """The present health of one target; raises KeyError when there is none of that id."""
        return self._health.of(self._states[target], self._parameters[target])

    @property
    def due(self) -> datetime | None:
        """When `tick` will make a verdict if nothing is observed until then; None when it will not."""
        return min(self._due.values()) if self._due else None

    def burst_probes(self, target: str) -> tuple[BurstProbe, ...]:
        """The extra probes to plan after an observation of this target."""
        if target is self._clean:
            return ()
        state, provider = self._states[target], self._providers.name_of[target]
        pool, planned = self._pools.get(provider), [*self.fresh.take_wanted()]
        quiet = state.health is Health.UP and not state.suspicion and not limits.is_unsettled(state)
        if (quiet and not (pool and pool.evidence.value)) or target in self._asked_afresh:
            return tuple(planned)
        at = state.last_seen_at or state.since
        limited = self._siblings(target) if limits.is_limited(state, at) else []
        sharing = sum(limits.is_limited(sibling, at) for sibling in limited) or 1
        delay_s = pacing.target_burst_s(state, self._parameters[target], pool=pool, sharing=sharing)
        if delay_s is not None:
            planned.append(BurstProbe(slot=target, targets=(target,), delay_s=delay_s))
        if members := self._providers.within.get(provider):
            if state.health is Health.MISCONFIGURED:
                planned += provider_bursts.confirming_probes(members, self._states)
            next_probe = provider_bursts.plan_burst(self._pools[provider], members, self._states)
            planned += self._bursts.plan(members, next_probe, self._parameters[target].interval_s, at)
        return tuple(planned)

    def state_of(self, target: str) -> TargetState:
        """The state of a target; raises KeyError when there is none of that id."""
        return self._states[target]

    def snapshot(self) -> DetectorState:
        """All that it remembers now; later observations do not change the value."""
        return DetectorState(targets=dict(self._states), providers=dict(self._pools), fresh=self.fresh.snapshot())

    def restore(self, snapshot: DetectorState) -> None:
        """Go on from this state. Targets and providers that the settings do not have are left out."""
        self._go_back_to(replace(snapshot, providers=snapshot.pools(self._providers.parameters)))

    def undo(self) -> None:
        """Go back to how everything was when `records` were marked."""
        self._go_back_to(self.records.former)

    def _go_back_to(self, known: DetectorState) -> None:
        for target, state in known.targets.items():
            if target in self._parameters:
                self._store(state)
        for provider, pool in known.providers.items():
            self._pools[provider] = pool
            self._plan_provider_verdict(provider)
        self.fresh.restore(known.fresh)

    def go_on_from(self, former: "Detector", stored: DetectorState) -> None:
        """Go on with all that the detector of other settings knows of these targets; of others, with what is stored.

        A test under way goes on where all its targets are still there.
        """
        known = former.snapshot()
        self.restore(known.carried_over(stored, self._parameters, self._providers.within))
        self.blind = former.blind

    def knows(self, target: str) -> bool:
        """Whether it judges this target."""
        return target in self._parameters

    def update_intervals(self, settings: Settings) -> None:
        """Judge the same targets at other intervals, with all that is known of them."""
        self._parameters = parameters_by_target(settings)
        self._providers = ProviderTests(settings, self._parameters)
        self.restore(self.snapshot())

    def _update(self, before: TargetState, after: TargetState) -> tuple[Transition, ...]:
        """Store the state of a target that its own evidence has changed; the transition, if it is one."""
        target = after.target
        self._store(after)
        if after.health is before.health:
            return ()
        provider = self._providers.name_of[target]
        if provider in self._pools and after.health not in NO_VERDICT and before.health in NO_VERDICT:
            self._pools[provider] = provider_pool.remove_target(self._pools[provider], target)
            self._plan_provider_verdict(provider)
        changed = state_machine.transition(before, after, self._parameters[target])
        return (changed,) if changed else ()

    def _store(self, state: TargetState) -> None:
        target, parameters = state.target, self._parameters[state.target]
        self._states[target] = state
        self._health.stale.add(target)
        self._due.plan(target, state_machine.verdict_due_at(state, parameters))

    def _weigh_for_provider(self, observation: Observation, *, blind: bool) -> tuple[Transition, ...]:
        """Weigh an observation against its whole provider."""
        changed: tuple[Transition, ...] = ()
        blip_s = self.blip_s(observation) if observation.outcome.effect is Effect.DOWN else 0.0
        for name in self._providers.names_of[observation.target]:
            if name in self._pools:
                pool = self._providers.weigh(name, observation, self.records, blind=blind, blip_s=blip_s)
                self._pools[name] = pool
                self._plan_provider_verdict(name)
                changed += self._provider_verdict(name, observation.finished_at)
        return changed

    def _plan_provider_verdict(self, name: str) -> None:
        self._providers.plan_verdict(name, self.records, self._due)

    def _provider_verdict(self, provider: str, now: datetime) -> tuple[Transition, ...]:
        """Mark all targets of the provider down, if the evidence suffices and has lasted long enough."""
        due = self._due.get(provider)
        if due is None or now < due:
            return ()
        pool, parameters = self._pools[provider], self._providers.parameters[provider]
        reason = provider_pool.verdict_reason(provider, pool, parameters, now)
        self._pools[provider] = NO_PROVIDER_EVIDENCE
        self._due.plan(provider, None)
        condemned = self._providers.condemned(provider, pool, self._states)
        return self.mark_down(condemned, now, reason, pool.evidence, pool.threshold)

    def mark_down(
        self, targets: Iterable[str], now: datetime, reason: str, evidence: Evidence, threshold: float
    ) -> tuple[Transition, ...]:
        """Mark these targets down by evidence that is not of their own CUSUM."""
        changed: tuple[Transition, ...] = ()
        for target in targets:
            self.fresh.end(target)
            before, parameters = self._states[target], self._parameters[target]
            after = verdict_rules.mark_down(before, now, parameters, reason, evidence=evidence, threshold=threshold)
            changed += self._update(before, after)
        trail = evidence.trail
        return tuple(replace(moved, evidence=evidence.value, threshold=threshold, trail=trail) for moved in changed)
