"""What clean probes will do to a target that is judged alone, before they are made: a simulation skips them (pure)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from monitor.detection import limits, pacing, provider_bursts, provider_pool, state_machine
from monitor.detection.evidence import step_down
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import (
    BURST_CLEAN_PROBES,
    LONGEST_BURST,
    ProviderParameters,
    TargetParameters,
)
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE, ProviderEvidence
from monitor.detection.target_state import TargetState
from monitor.health import HEALTHY
from probes.observation import Observation, replaced


def noted(state: TargetState, started_at: datetime, parameters: TargetParameters) -> TargetState:
    """The state with the start of the first clean probe of several, one an interval, where that is beside them.

    Without evidence the probes change nothing else but the target's times and its latency.
    """
    if limits.is_extra(state, started_at, parameters.interval_s):
        return limits.note_start(state, started_at, parameters.interval_s)
    return state


def fading_probes(state: TargetState, next_at: datetime, check: str, parameters: TargetParameters) -> int:
    """How many clean probes of this check, one an interval, only take from the evidence that the target fails.

    The next of them ends then. None where one would also call for an extra probe.
    """
    if state.resting_until or not state_machine.fades(state, check, parameters):
        return 0
    if limits.is_limited(state, state.last_seen_at or next_at) or not state_machine.is_on_time(
        state, next_at, parameters
    ):
        return 0
    evidence, p0, pool = state.down.evidence, state.down.background.rate, _pool(parameters)
    if pacing.target_burst_s(state.replace(check_failures=()), parameters, pool=pool) is not None:
        return 0
    left, step, probes = evidence.value, step_down(p0, parameters.p1), 0
    while (left := left - step) > 0:
        probes += 1
    return probes


def uneventful_states(
    state: TargetState, observations: Iterable[Observation], parameters: TargetParameters
) -> list[TargetState]:
    """The states after these `ok` observations, while they change no health and call for no extra probe."""
    states, pool = list[TargetState](), _pool(parameters)
    limited = limits.is_limited(state, state.last_seen_at or state.since)
    if state.health not in HEALTHY or state.resting_until or limited:
        return states
    for observation in observations:
        before, state = state, state_machine.observe(state, observation, parameters)
        if state.reason is not before.reason or pacing.target_burst_s(state, parameters, pool=pool) is not None:
            break
        states.append(state)
    return states


class AnsweredBurst:
    """What follows a failure at a provider while all probes are answered in time, so that no verdict comes.

    The evidence is that of `Detector.observe`; the trail of the provider's is mostly only made in the end.
    """

    def __init__(
        self,
        pool: ProviderEvidence | None,
        provider: ProviderParameters | None,
        members: Mapping[str, TargetParameters],
    ) -> None:
        self.pool = self._begins = pool
        """The evidence against the provider, None where it has one target: without the trail, and without what it would
        be without each target, unless several have failed."""
        self.members = members
        self._provider = provider
        self._answers: list[Observation] = []
        self._several = bool(pool and min(pool.without.values(), default=0.0))

    def add_answer(self, before: TargetState, answer: Observation) -> TargetState | None:
        """The state after one more `ok` answer of the schedule or of a burst; None where it is more than evidence."""
        parameters = self.members[answer.target]
        after = state_machine.observe(before, answer, parameters)
        if after.reason is not before.reason:
            return None
        if self.pool and self._provider and self.pool.evidence.value:
            self._answers.append(answer)
            if provider_pool.counts(self.pool, answer, self._provider):
                self.pool = self._weigh(self.pool, answer, self._provider)
        return after

    def _weigh(self, pool: ProviderEvidence, answer: Observation, provider: ProviderParameters) -> ProviderEvidence:
        if self._several:
            return provider_pool.add_success(pool, answer, provider)
        evidence, value = pool.evidence, pool.evidence.value - step_down(pool.p0, provider.p1)
        if value <= 0:
            return NO_PROVIDER_EVIDENCE
        probes, streak = evidence.probes + 1, evidence.clean_streak + 1
        return replaced(pool, evidence=replaced(evidence, value=value, probes=probes, clean_streak=streak))

    @property
    def has_evidence(self) -> bool:
        """Whether there is any evidence against the whole provider."""
        return self.pool is not None and bool(self.pool.evidence.value)

    @property
    def ends_next(self) -> bool:
        """Whether there may be no further probe of the provider's burst after one more answer."""
        if not (self.pool and self._provider and self.pool.evidence.value):
            return True
        evidence = self.pool.evidence
        over = evidence.clean_streak >= BURST_CLEAN_PROBES or evidence.probes >= LONGEST_BURST
        return over or evidence.value <= step_down(self.pool.p0, self._provider.p1)

    def next_s(self) -> float | None:
        """Seconds from the answer until the next probe of the provider's burst; None where there is none."""
        return pacing.provider_burst_s(self.pool, self._provider) if self.pool and self._provider else None

    def next_of_target_s(self, after: TargetState) -> float | None:
        """The same of the burst of the target that was just asked."""
        if after.no_evidence:
            return None
        return pacing.target_burst_s(after, self.members[after.target], pool=self.pool)

    def next_probe(self, states: Mapping[str, TargetState]) -> BurstProbe:
        """The next probe of the provider's burst, where there is to be one."""
        if not (self.pool and self._provider):
            raise ValueError("a provider with one target has no burst")
        (burst,) = provider_bursts.plan_burst(self.pool, self._provider, states)
        return burst

    @property
    def result(self) -> ProviderEvidence | None:
        """The evidence against the provider after these answers."""
        if self._several or self.pool is self._begins or not (self.pool and self._provider and self._begins):
            return self.pool
        pool = self._begins
        for answer in self._answers if self.pool.evidence.value else ():
            pool = provider_pool.add_success(pool, answer, self._provider)
        return pool if self.pool.evidence.value else NO_PROVIDER_EVIDENCE


def answered_burst(
    pool: ProviderEvidence | None,
    provider: ProviderParameters | None,
    members: Mapping[str, TargetParameters],
    states: Mapping[str, TargetState],
) -> AnsweredBurst | None:
    """What follows a failure at this provider, where good answers change nothing but evidence."""
    if pool and 0 < pool.threshold <= pool.evidence.value:
        return None
    for target, known in members.items():
        state = states[target]
        at = state.last_seen_at or state.since
        if state.resting_until or state.low_limit or limits.is_limited(state, at):
            return None
        if not (state.no_evidence or state_machine.fades(state, known.checks[0], known)):
            return None
        if provider and known.interval_s < provider.failed_s:
            return None
    return AnsweredBurst(pool, provider, members)


def _pool(parameters: TargetParameters) -> ProviderEvidence | None:
    return None if parameters.alone else NO_PROVIDER_EVIDENCE
