"""`ok` answers of one target that call for nothing, taken in together with the same result as one by one (pure).

A simulation makes nearly all of its probes so. The state is made when somebody asks for it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from monitor.detection import limits, pacing, state_machine
from monitor.detection.evidence import step_down
from monitor.detection.latency import LatencyPoint, extend_course
from monitor.detection.parameters import TargetParameters
from monitor.detection.provider_pool import ProviderEvidence
from monitor.detection.target_state import TargetState
from probes.observation import Observation, replaced

Timing = Callable[[int], tuple[float, datetime]]
"""How long an answer took and when it ended, by its place."""


def is_clean(state: TargetState) -> bool:
    """Whether a `CleanRun` goes on from this state. Where a limit is low, each answer says whether it is replenished."""
    return state.no_evidence and state.low_limit is None


class CleanRun:
    """The answers of a target without evidence to its only check: they change its times and what is usual, no more."""

    def __init__(self, state: TargetState, parameters: TargetParameters) -> None:
        self.parameters = parameters
        self.accepted = state
        """The state that the detector has; the run may be ahead of it."""
        self.last_seen_at = state.last_seen_at or state.since
        self.undisturbed = is_undisturbed(state)
        self.evidence = state.down.evidence
        self._begins, self._count = state, 0
        self._last_started_at, self._extra_at = state.last_started_at, state.extra_at
        self._check = parameters.checks[0]
        self._lateness = state.latency.lateness
        self._course: list[LatencyPoint] = [state.latency.point(self._check)]
        self._times_s: list[float] = []
        """How long the answers take that the course foresees."""
        self._place = 0
        """Of the present point of the course."""

    def foresee(self, times_s: Sequence[float]) -> int:
        """How many of the next answers, which take so long, come before one that is suspiciously late."""
        known = len(self._times_s) - self._place
        if known < len(times_s):
            del self._course[: self._place], self._times_s[: self._place]
            self._place = 0
            extend_course(self._course, times_s[known:], self.parameters.late_threshold)
            known = len(self._course) - 1
            self._times_s[:] = times_s[:known]
        return min(known, len(times_s))

    def pass_over(self, count: int, first_at: datetime, last_at: datetime, timing: Timing) -> None:
        """Take in so many of the answers that were foreseen, one an interval; when the first and the last began."""
        place = self._place + count
        if self._course[place][3] or self._lateness.answers:
            course = self._course[self._place : place + 1]
            self._lateness = self._lateness.add_clean_answers(self._begins.target, self._check, course, timing)
        _, ended_at = timing(count - 1)
        self._note(first_at)
        self._place, self._count = place, self._count + count
        self._last_started_at, self.last_seen_at = last_at, ended_at

    def add(self, answer: Observation) -> bool:
        """Take in one more answer, whenever it came; False where it is more than usual."""
        if not _is_plain(answer, self._check):
            return False
        place, took_s, at = self._place, answer.duration_s, answer.finished_at
        if self._times_s[place : place + 1] != [took_s]:
            del self._course[place + 1 :], self._times_s[place:]
            extend_course(self._course, (took_s,), self.parameters.late_threshold)
            if len(self._course) == place + 1:
                return False
            self._times_s.append(took_s)
        self.pass_over(1, answer.started_at, answer.started_at, lambda _: (took_s, at))
        return True

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
            latency = self._begins.latency.at_point(self._check, self._course[self._place], self._lateness)
            times = self._last_started_at, self.last_seen_at
            state = self._begins.add_clean_probes(self._count, *times, latency, self.parameters.probe)
            noted = self._extra_at is self._begins.extra_at
            self._begins, self._count = state if noted else state.replace(extra_at=self._extra_at), 0
        return self._begins


class FadingRun:
    """The answers of a target that only take from the evidence that it fails, while any is left."""

    def __init__(self, state: TargetState, parameters: TargetParameters) -> None:
        self.parameters = parameters
        self.last_seen_at = state.last_seen_at or state.since
        self.undisturbed = is_undisturbed(state)
        self.evidence = state.down.evidence
        """Of its failures, after these answers and without their trail."""
        self._begins, self._answers = state, list[Observation]()
        self._check = parameters.checks[0]
        self._course: list[LatencyPoint] = [state.latency.point(self._check)]
        self._step = step_down(state.down.background.rate, parameters.p1)

    def add(self, answer: Observation) -> bool:
        """Take in one more answer; False where it does more."""
        evidence, value, at = self.evidence, self.evidence.value - self._step, answer.finished_at
        silent_s, known = (at - self.last_seen_at).total_seconds(), len(self._course)
        if value <= 0 or abs(silent_s) > self.parameters.patience_s or not _is_plain(answer, self._check):
            return False
        extend_course(self._course, (answer.duration_s,), self.parameters.late_threshold, no_evidence=False)
        if len(self._course) == known:
            return False
        probes, streak = evidence.probes + 1, evidence.clean_streak + 1
        self.evidence = replaced(evidence, value=value, probes=probes, clean_streak=streak)
        self._answers.append(answer)
        self.last_seen_at = at
        return True

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

    @property
    def has_answers(self) -> bool:
        """Whether any came in since its state was last asked for."""
        return bool(self._answers)


AnsweredRun = CleanRun | FadingRun


def fading_run(state: TargetState, parameters: TargetParameters) -> FadingRun | None:
    """The run of a target whose evidence of failures fades; None for any other."""
    if state.low_limit or not state_machine.fades(state, parameters.checks[0], parameters):
        return None
    return FadingRun(state, parameters)


def is_undisturbed(state: TargetState) -> bool:
    """Whether it has not asked for fewer probes of late."""
    return not state.resting_until and not limits.is_limited(state, state.last_seen_at or state.since)


def _is_plain(answer: Observation, check: str) -> bool:
    """Whether no more is known of it than how long it took."""
    return answer.check == check and answer.first_token_s is None and answer.limit_left is None
