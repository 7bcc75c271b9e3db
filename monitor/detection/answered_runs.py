"""`ok` answers of one target that call for nothing, taken in together with the same result as one by one (pure).

A simulation makes nearly all of its probes so. The state is made when somebody asks for it.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from monitor.detection import limits, notes, pacing, recent_probes, state_machine
from monitor.detection.evidence import step_down
from monitor.detection.latency import LatencyPoint, extend_course, unsuspicious_answers
from monitor.detection.parameters import TargetParameters
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE, ProviderEvidence
from monitor.detection.state_machine import TimedAnswer
from monitor.detection.target_state import TargetState
from monitor.health import HEALTHY
from probes.observation import Observation, replaced

#: The answers of a target with evidence, and of one without, are foreseen so many at a time: the failure of a sibling
#: may make the rest useless.
_FORESEEN, _FORESEEN_CLEAN = 3, 256
#: While not much is known of a target, one answer for so many that are known, but at least as many as these.
_FORESEEN_OF, _FORESEEN_FIRST = 100, 32


class Answers(Protocol):
    """The next regular probes of a target, one an interval, as far as they are `ok`; the next one is the 0th."""

    def started_at(self, place: int) -> datetime:
        """When one begins."""

    def clean_times_s(self, count: int) -> list[float]:
        """How long so many of them take."""

    def clean_times(self, place: int) -> tuple[datetime, datetime]:
        """When one begins and ends."""

    def clean_timing(self, place: int) -> tuple[float, datetime]:
        """How long one takes, and when it ends."""

    def clean_observation(self, place: int) -> Observation:
        """What it observes."""


class _Run:
    """Answers of a target to its only check, of which nothing but a point of its course is kept."""

    def __init__(self, state: TargetState, parameters: TargetParameters) -> None:
        self.parameters = parameters
        self.accepted = state
        """The state that the detector has; the run may be ahead of it."""
        self.last_seen_at = state.last_seen_at or state.since
        self.undisturbed = _is_undisturbed(state)
        """Whether the target has not asked for fewer probes of late."""
        self.evidence = state.down.evidence
        """Of its failures, after these answers and without their trail."""
        self._begins = state
        self._check = parameters.checks[0]


class CleanRun(_Run):
    """The answers of a target without evidence to its only check: they change its times and what is usual, no more."""

    def __init__(self, state: TargetState, parameters: TargetParameters) -> None:
        super().__init__(state, parameters)
        self._count = 0
        self._last_started_at, self._extra_at = state.last_started_at, state.extra_at
        self._lateness, self._point = state.latency.lateness, state.latency.point(self._check)
        self._beside: tuple[Observation, ...] = ()
        """The answers of tests on fresh evidence."""

    def foresee(self, answers: Answers, count: int) -> int:
        """How many of these answers come before one that is suspiciously late, as far as it is looked."""
        foreseen = min(_FORESEEN_CLEAN, max(_FORESEEN_FIRST, self._point[2] // _FORESEEN_OF))
        times_s = answers.clean_times_s(min(count, foreseen))
        return unsuspicious_answers(self._point, times_s, self.parameters.late_threshold)

    def pass_over(self, answers: Answers, count: int) -> None:
        """Take in so many of the answers that were foreseen."""
        course = [self._point]
        extend_course(course, answers.clean_times_s(count), self.parameters.late_threshold)
        self._learn(course, answers.clean_timing)
        self._note(answers.started_at(0))
        self._count += count
        self._last_started_at, self.last_seen_at = answers.clean_times(count - 1)

    def add(self, answer: TimedAnswer) -> bool:
        """Take in one more answer, whenever it came; False where it is more than usual."""
        (started_at, took_s, at), course = answer, [self._point]
        extend_course(course, (took_s,), self.parameters.late_threshold)
        if len(course) == 1:
            return False
        self._learn(course, lambda _: (took_s, at))
        self._note(started_at)
        self._count += 1
        self._last_started_at, self.last_seen_at = started_at, at
        return True

    def _learn(self, course: Sequence[LatencyPoint], answer: Callable[[int], tuple[float, datetime]]) -> None:
        self._point = course[-1]
        if self._point[3] or self._lateness.answers:
            self._lateness = self._lateness.add_clean_answers(self._begins.target, self._check, course, answer)

    def add_afresh(self, answer: Observation) -> None:
        """Take in a good answer that a test on fresh evidence asked for."""
        if not self._begins.periods.value:
            self._extra_at = limits.with_extra(self._extra_at, answer.started_at)
            self._beside = (*self._beside, answer)
        else:
            self._begins = notes.note_afresh(self.state, answer, self.parameters, blind=False)
            self._extra_at = self._begins.extra_at

    def _note(self, started_at: datetime) -> None:
        interval_s = self.parameters.interval_s
        if limits.is_extra(started_at, self._last_started_at, self._begins.regular_at, interval_s):
            self._extra_at = limits.with_extra(self._extra_at, started_at)

    def next_s(self, _pool: ProviderEvidence | None) -> float | None:
        """Seconds until the next probe of a burst of its own: there is none."""
        return None

    @property
    def state(self) -> TargetState:
        """The state after these answers."""
        if self._count and self._last_started_at:
            latency = self._begins.latency.at_point(self._check, self._point, self._lateness)
            times = self._last_started_at, self.last_seen_at
            self._begins = self._begins.add_clean_probes(self._count, *times, latency, self.parameters.probe)
            self._count = 0
        if self._beside:
            self._begins = self._begins.replace(recent=recent_probes.add_beside(self._begins, self._beside))
            self._beside = ()
        if self._extra_at is not self._begins.extra_at:
            self._begins = self._begins.replace(extra_at=self._extra_at)
        return self._begins


class FadingRun(_Run):
    """The answers of a target that only take from the evidence that it fails, while any is left."""

    def __init__(self, state: TargetState, parameters: TargetParameters) -> None:
        super().__init__(state, parameters)
        self._answers = list[TimedAnswer]()
        self._course = [state.latency.point(self._check)]
        self._step = step_down(state.down.background.rate, parameters.p1)

    def foresee(self, answers: Answers, count: int) -> int:
        """How many of these answers leave evidence, come in time, and call for no extra probe."""
        _, at = answers.clean_timing(0)
        pool = None if self.parameters.alone else NO_PROVIDER_EVIDENCE
        if not self.undisturbed or not self._is_on_time(at) or self.next_s(pool) is not None:
            return 0
        left, most = self.evidence.value, 0
        while most < count and (left := left - self._step) > 0:
            most += 1
        course = self._course[-1:]
        extend_course(course, answers.clean_times_s(most), self.parameters.late_threshold, no_evidence=False)
        return len(course) - 1

    def pass_over(self, answers: Answers, count: int) -> None:
        """Take in so many of the answers that were foreseen."""
        for place in range(count):
            took_s, at = answers.clean_timing(place)
            self.add((answers.started_at(place), took_s, at))

    def add(self, answer: TimedAnswer) -> bool:
        """Take in one more answer, whenever it came; False where it does more."""
        evidence, value, (_, took_s, at) = self.evidence, self.evidence.value - self._step, answer
        if value <= 0 or not self._is_on_time(at):
            return False
        known = len(self._course)
        extend_course(self._course, (took_s,), self.parameters.late_threshold, no_evidence=False)
        if len(self._course) == known:
            return False
        probes, streak = evidence.probes + 1, evidence.clean_streak + 1
        self.evidence = replaced(evidence, value=value, probes=probes, clean_streak=streak)
        self._answers.append(answer)
        self.last_seen_at = at
        return True

    def add_afresh(self, answer: Observation) -> None:
        """Take in a good answer that a test on fresh evidence asked for."""
        self._begins = notes.note_afresh(self.state, answer, self.parameters, blind=False)

    def _is_on_time(self, at: datetime) -> bool:
        return abs((at - self.last_seen_at).total_seconds()) <= self.parameters.patience_s

    def next_s(self, pool: ProviderEvidence | None) -> float | None:
        """Seconds until the next probe of its own burst; None where there is none."""
        return pacing.own_burst_s(self.evidence, self.parameters, pool)

    @property
    def state(self) -> TargetState:
        """The state after these answers."""
        if self._answers:
            self._begins = state_machine.fade_all(self._begins, self._course, self._answers, self.parameters)
            self._course, self._answers = self._course[-1:], []
        return self._begins


AnsweredRun = CleanRun | FadingRun


def answered_run(state: TargetState, parameters: TargetParameters) -> AnsweredRun | None:
    """The run of a target whose answers change nothing but evidence; None for any other.

    Where a limit is low, each answer says whether it is replenished; while the provider asks for a rest, none comes.
    """
    if state.low_limit or state.resting_until:
        return None
    if state.no_evidence:
        return CleanRun(state, parameters)
    return FadingRun(state, parameters) if state_machine.fades(state, parameters.checks[0], parameters) else None


def uneventful_states(
    state: TargetState, answers: Answers, count: int, parameters: TargetParameters
) -> list[TargetState]:
    """The states after these answers of any other target, while they change no health and call for no extra probe."""
    states, pool = list[TargetState](), None if parameters.alone else NO_PROVIDER_EVIDENCE
    if state.low_limit or state.health not in HEALTHY or not _is_undisturbed(state):
        return states
    observations: Iterable[Observation] = map(answers.clean_observation, range(min(count, _FORESEEN)))
    for observation in observations:
        before, state = state, state_machine.observe(state, observation, parameters)
        if state.reason is not before.reason or pacing.target_burst_s(state, parameters, pool=pool) is not None:
            break
        states.append(state)
    return states


def _is_undisturbed(state: TargetState) -> bool:
    """Whether it is probed as others are, now and after the next answers."""
    at = state.last_seen_at or state.since
    return not state.resting_until and not limits.is_limited(state, max(at, state.limit_met_at or at))
