"""Skips the probes of targets that nothing happens to: all are taken in at once when something may happen again.

The result is the same as one by one. While there is no evidence against its provider, and no extra probe is planned,
clean probes of a target concern no other target. Without evidence of its own, they change nothing but its times and
what is usual for it; else they take from its evidence. Each target resumes by itself before a probe that may not be
clean, change its health, or call for an extra probe: which that is follows from its random numbers, drawn ahead, and
from its own state machine. All targets of a provider resume when one of them fails. Control cycles look at the present
states.

The answers of a target without evidence are one run, in quiet time as in the bursts on its provider: the detector is
only given its state (`settle`) before something else is judged.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection import answered_runs, foresight, state_machine
from monitor.detection.answered_runs import AnsweredRun, CleanRun
from monitor.detection.detector import Detector
from monitor.detection.latency import LatencyPoint, extend_course
from monitor.detection.target_state import TargetState
from monitor.health import TargetHealth
from probes.observation import replaced

#: The probes of a target with evidence, and of one without, are foreseen so many at a time: the failure of a sibling
#: may make the rest useless.
_FORESEEN, _FORESEEN_CLEAN = 8, 25


@dataclass(slots=True)
class _Stretch:
    """The probes of one target that are skipped although there is evidence against it."""

    states: Sequence[TargetState] = ()
    """The states after each of them,"""
    begins: TargetState | None = None
    """or the one before them, where they only take from the evidence,"""
    course: Sequence[LatencyPoint] = ()
    """and the latency that is foreseen."""


class FastForward:
    """The targets of one seed whose probes are skipped at present, and the answers that the detector does not know."""

    def __init__(self, detector: Detector, targets: Mapping[str, SimulatedTarget]) -> None:
        self._detector = detector
        self._targets = targets
        self._skipped: dict[SimulatedTarget, CleanRun | _Stretch] = {}
        """The run that their probes are part of; what is foreseen where there is evidence."""
        self._runs: dict[SimulatedTarget, CleanRun] = {}
        self._ahead: dict[SimulatedTarget, CleanRun] = {}
        """The runs that are ahead of the detector."""

    def __bool__(self) -> bool:
        return bool(self._skipped)

    def __contains__(self, target: SimulatedTarget) -> bool:
        return target in self._skipped

    @property
    def targets(self) -> Collection[str]:
        """Their ids."""
        return {target.id for target in self._skipped}

    def add(self, target: SimulatedTarget, until_s: float, *, with_evidence: bool) -> float | None:
        """Skip this target, of which no probe is in flight; None where that cannot be, else when it resumes by itself.

        Not after `until_s`; a target with evidence against it only if `with_evidence`.
        """
        count = target.clean_before(min(until_s, target.clean_until_s()))
        if not count:
            return None
        if run := self._clean_run(target):
            count = run.foresee(target.clean_times_s(min(count, _FORESEEN_CLEAN)))
            self._skipped[target] = run
        elif with_evidence:
            count, self._skipped[target] = self._foresee_with_evidence(target, count)
        if not count or target not in self._skipped:
            self._skipped.pop(target, None)
            return None
        return target.due_after_s(count)

    def _foresee_with_evidence(self, target: SimulatedTarget, count: int) -> tuple[int, _Stretch]:
        state, parameters = self._detector.state_of(target.id), self._detector.parameters_of(target.id)
        if state.low_limit:
            return 0, _Stretch()
        _, next_at = target.clean_times(0)
        if fading := foresight.fading_probes(state, next_at, target.check, parameters):
            times_s, course = target.clean_times_s(min(count, fading)), [state.latency.point(target.check)]
            extend_course(course, times_s, parameters.late_threshold, no_evidence=False)
            return len(course) - 1, _Stretch(begins=state, course=course)
        observations = map(target.clean_observation, range(min(count, _FORESEEN)))
        states = foresight.uneventful_states(state, observations, parameters)
        return len(states), _Stretch(states=states)

    def runs(self, targets: Iterable[SimulatedTarget]) -> dict[str, AnsweredRun] | None:
        """The answers that these targets have given, by id; None where those of any do more than take from evidence."""
        runs = dict[str, AnsweredRun]()
        for target in targets:
            run = self._clean_run(target) or answered_runs.fading_run(
                self._detector.state_of(target.id), self._detector.parameters_of(target.id)
            )
            if run is None:
                return None
            runs[target.id] = run
        return runs

    def _clean_run(self, target: SimulatedTarget) -> CleanRun | None:
        """The run of a target without evidence that goes on from the state that the detector has of it."""
        state, parameters = self._detector.state_of(target.id), self._detector.parameters_of(target.id)
        run = self._runs.get(target)
        if run is None or run.accepted is not state or run.parameters is not parameters:
            if not answered_runs.is_clean(state):
                return None
            run = self._runs[target] = CleanRun(state, parameters)
        return run

    def note_answer(self, target: SimulatedTarget, run: AnsweredRun) -> None:
        """One more answer of this target was taken in by its run."""
        if isinstance(run, CleanRun):
            self._ahead[target] = run

    def settle(self, targets: Container[SimulatedTarget]) -> None:
        """Let the detector know the runs of these targets, as far as they have been gone through."""
        for target in [target for target in self._ahead if target in targets]:
            self._accept(self._ahead.pop(target))

    def _accept(self, run: CleanRun) -> None:
        run.accepted = run.state
        self._detector.accept(run.accepted)

    def update_states(self, now_s: float) -> None:
        """Let the detector know the evidence and the times of all that has ended by now; not yet what is usual."""
        for target in self._skipped:
            self.update_state(target, now_s)

    def update_state(self, target: SimulatedTarget, now_s: float) -> None:
        """The same of one target, if it is skipped."""
        run = self._skipped.get(target)
        if not run or not (count := target.clean_before(now_s)):
            return
        if isinstance(run, _Stretch):
            self._detector.accept(self._state_after(target, run, count))
            return
        began_at, at = target.clean_times(count - 1)
        self._ahead[target] = run
        run.accepted = replaced(run.state, last_started_at=began_at, last_seen_at=at, last_ok_at=at)
        self._detector.accept(run.accepted)

    def health(self, now_s: float) -> Mapping[str, TargetHealth]:
        """The health of each target at this instant, by id; each is found when it is asked for."""
        return _HealthNow(self, self._detector, self._targets, now_s)

    def resume(self, now_s: float, targets: Container[SimulatedTarget] | None = None) -> list[SimulatedTarget]:
        """Go through the probes of these targets, or of all, that have ended by now; returns those skipped until now."""
        resumed = [target for target in self._skipped if targets is None or target in targets]
        for target in resumed:
            run = self._skipped.pop(target)
            if not (count := target.clean_before(now_s)):
                continue
            if isinstance(run, _Stretch):
                self._detector.accept(self._state_after(target, run, count))
            else:
                run.pass_over(count, target.started_at(0), target.started_at(count - 1), target.clean_timing)
                self._ahead[target] = run
            target.take_clean(count)
        return resumed

    def _state_after(self, target: SimulatedTarget, stretch: _Stretch, count: int) -> TargetState:
        if not stretch.begins:
            return stretch.states[count - 1]
        answers = [target.clean_observation(place) for place in range(count)]
        parameters = self._detector.parameters_of(target.id)
        return state_machine.fade_all(stretch.begins, stretch.course[: count + 1], answers, parameters)


class _HealthNow(Mapping[str, TargetHealth]):
    """The health of targets at one instant: most routes stay without a look at any but their first candidate."""

    def __init__(
        self, skipped: FastForward, detector: Detector, targets: Mapping[str, SimulatedTarget], now_s: float
    ) -> None:
        self._skipped, self._detector, self._targets, self._now_s = skipped, detector, targets, now_s

    def __getitem__(self, target: str) -> TargetHealth:
        self._skipped.update_state(self._targets[target], self._now_s)
        return self._detector.health_of(target)

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)
