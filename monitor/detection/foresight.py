"""What clean probes will do to a target that is judged alone, before they are made: a simulation skips them (pure)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from monitor.detection import limits, pacing, provider_bursts, provider_pool, state_machine
from monitor.detection.evidence import step_down
from monitor.detection.latency import extend_course
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


class AnsweredRun:
    """The `ok` answers of one target while they change nothing but its evidence: taken in together, as one by one."""

    def __init__(self, state: TargetState, parameters: TargetParameters, *, fades: bool) -> None:
        self._begins, self._parameters = state, parameters
        self._check = parameters.checks[0]
        self._course = [state.latency.point(self._check)]
        self._answers: list[Observation] = []
        self.fades = fades
        """Whether they take from evidence that it fails; else there is none."""
        self.evidence = state.down.evidence
        """The evidence after them, without their trail."""
        self.last_seen_at = state.last_seen_at or state.since
        self._step = step_down(state.down.background.rate, parameters.p1) if fades else 0.0

    def add(self, answer: Observation) -> bool:
        """Take in one more answer; False where it is more than evidence."""
        if answer.check != self._check or answer.first_token_s is not None or answer.limit_left:
            return False
        parameters, before, at = self._parameters, len(self._course), answer.finished_at
        if self.fades:
            evidence, value = self.evidence, self.evidence.value - self._step
            if value <= 0 or not self._is_on_time(at):
                return False
        threshold, no_evidence = parameters.late_threshold, not self.fades
        extend_course(self._course, (answer.duration_s,), threshold, no_evidence=no_evidence)
        if len(self._course) == before:
            return False
        if self.fades:
            probes, streak = evidence.probes + 1, evidence.clean_streak + 1
            self.evidence = replaced(evidence, value=value, probes=probes, clean_streak=streak)
        self._answers.append(answer)
        self.last_seen_at = at
        return True

    def _is_on_time(self, at: datetime) -> bool:
        return abs((at - self.last_seen_at).total_seconds()) <= self._parameters.patience_s

    def next_s(self, pool: ProviderEvidence | None) -> float | None:
        """Seconds from the last answer until the next probe of the target's own burst; None where there is none."""
        return pacing.own_burst_s(self.evidence, self._parameters, pool) if self.fades else None

    @property
    def result(self) -> TargetState | None:
        """The state after these answers; None without any."""
        answers, state, parameters = self._answers, self._begins, self._parameters
        if not answers:
            return None
        if self.fades:
            return state_machine.fade_all(state, self._course, answers, parameters)
        starts = [answer.started_at for answer in answers]
        state = limits.note_starts(state, starts, parameters.interval_s, in_quiet=True)
        return state_machine.observe_clean(state, self._check, self._course, answers.__getitem__, parameters)


class AnsweredBurst:
    """What follows a failure at a provider while all probes are answered in time, so that no verdict comes.

    The evidence is that of `Detector.observe`; the states of the targets and the trail of the provider's are only made
    in the end.
    """

    def __init__(
        self,
        pool: ProviderEvidence | None,
        provider: ProviderParameters | None,
        members: Mapping[str, TargetParameters],
        runs: dict[str, AnsweredRun],
    ) -> None:
        self.members = members
        self._begins, self._provider, self._runs = pool, provider, runs
        self._answers: list[Observation] = []
        self._pool = pool
        """The evidence against the provider, None where it has one target: without its trail, and without what it would
        be without each target, unless several have failed."""
        self._several = bool(pool and min(pool.without.values(), default=0.0))

    def add_answer(self, answer: Observation) -> bool:
        """Take in one more `ok` answer of the schedule or of a burst; False where it is more than evidence."""
        if not self._runs[answer.target].add(answer):
            return False
        if self.has_evidence and self._pool and self._provider:
            self._answers.append(answer)
            if provider_pool.counts(self._pool, answer, self._provider):
                self._pool = self._weigh(self._pool, answer, self._provider)
        return True

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
        return self._pool is not None and bool(self._pool.evidence.value)

    @property
    def ends_next(self) -> bool:
        """Whether there may be no further probe of the provider's burst after one more answer."""
        if not (self._pool and self._provider and self._pool.evidence.value):
            return True
        evidence = self._pool.evidence
        over = evidence.clean_streak >= BURST_CLEAN_PROBES or evidence.probes >= LONGEST_BURST
        return over or evidence.value <= step_down(self._pool.p0, self._provider.p1)

    def next_s(self) -> float | None:
        """Seconds from the answer until the next probe of the provider's burst; None where there is none."""
        return pacing.provider_burst_s(self._pool, self._provider) if self._pool and self._provider else None

    def next_of_target_s(self, target: str) -> float | None:
        """The same of the burst of the target that was just asked."""
        return self._runs[target].next_s(self._pool)

    def next_probe(self) -> BurstProbe:
        """The next probe of the provider's burst, where there is to be one."""
        if not (self._pool and self._provider):
            raise ValueError("a provider with one target has no burst")
        evidence = {target: self._runs[target].evidence.value for target in self._provider.members}
        last_seen_at = {target: self._runs[target].last_seen_at for target in self._provider.members}
        return provider_bursts.next_probe(self._pool, self._provider, last_seen_at, evidence)

    def take(self, target: str) -> TargetState | None:
        """The state of a target after its answers so far, which are then forgotten; None where there are none."""
        return self._runs[target].result

    def go_on(self, state: TargetState) -> bool:
        """Go on from this state of a target; False where answers change more than evidence."""
        parameters = self.members[state.target]
        run = _answered_run(state, parameters)
        self._runs[state.target] = run or AnsweredRun(state, parameters, fades=False)
        return run is not None

    @property
    def states(self) -> list[TargetState]:
        """The states after these answers, of the targets that gave any."""
        return [state for state in (run.result for run in self._runs.values()) if state]

    @property
    def pool(self) -> ProviderEvidence | None:
        """The evidence against the provider after these answers."""
        if self._several or self._pool is self._begins or not (self._pool and self._provider and self._begins):
            return self._pool
        pool = self._begins
        for answer in self._answers if self._pool.evidence.value else ():
            pool = provider_pool.add_success(pool, answer, self._provider)
        return pool if self._pool.evidence.value else NO_PROVIDER_EVIDENCE


def answered_burst(
    pool: ProviderEvidence | None,
    provider: ProviderParameters | None,
    members: Mapping[str, TargetParameters],
    states: Mapping[str, TargetState],
) -> AnsweredBurst | None:
    """What follows a failure at this provider, where good answers change nothing but evidence."""
    if pool and 0 < pool.threshold <= pool.evidence.value:
        return None
    if provider and pool and pool.evidence.value and len(members) < len(provider.members):
        return None
    runs = dict[str, AnsweredRun]()
    for target, parameters in members.items():
        run = _answered_run(states[target], parameters)
        if run is None or (provider and parameters.interval_s < provider.failed_s):
            return None
        runs[target] = run
    return AnsweredBurst(pool, provider, members, runs)


def _answered_run(state: TargetState, parameters: TargetParameters) -> AnsweredRun | None:
    if state.resting_until or state.low_limit or limits.is_limited(state, state.last_seen_at or state.since):
        return None
    if state.no_evidence:
        return AnsweredRun(state, parameters, fades=False)
    fades = state_machine.fades(state, parameters.checks[0], parameters)
    return AnsweredRun(state, parameters, fades=True) if fades else None


def _pool(parameters: TargetParameters) -> ProviderEvidence | None:
    return None if parameters.alone else NO_PROVIDER_EVIDENCE
