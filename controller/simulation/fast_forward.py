"""Skips the probes of targets that nothing happens to: all are taken in at once when something may happen again.

The result is the same as one by one. While there is no evidence against its provider, and no extra probe is planned,
clean probes of a target concern no other target. Without evidence of its own, they change nothing but its times and
what is usual for it; else they take from its evidence. Each target resumes by itself before a probe that may not be
clean, change its health, or call for an extra probe: which that is follows from its random numbers, drawn ahead, and
from its own state machine. All targets of a provider resume when one of them fails. Control cycles look at the present
states.
"""

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection import foresight, limits, state_machine
from monitor.detection.detector import Detector
from monitor.detection.latency import LatencyPoint, extend_course
from monitor.detection.target_state import TargetState
from monitor.health import TargetHealth
from probes.observation import replaced

#: The probes of a target with evidence, and of one without, are foreseen so many at a time: the failure of a sibling
#: may make the rest useless.
_FORESEEN, _FORESEEN_CLEAN = 8, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """The probes of one target that are skipped."""

    count: int
    begins: TargetState
    """The state before them."""
    fades: bool = False
    """Whether they take from its evidence; else there is none, or the `states` say more."""
    states: Sequence[TargetState] = ()
    """After each of them."""


class FastForward:
    """The targets of one seed whose probes are skipped at present."""

    def __init__(self, detector: Detector, targets: Mapping[str, SimulatedTarget]) -> None:
        self._detector = detector
        self._targets = targets
        self._skipped: dict[SimulatedTarget, _Stretch] = {}
        self._courses: dict[SimulatedTarget, tuple[int, float, bool, list[LatencyPoint]]] = {}
        """How latency is foreseen to go on, from after so many probes of the target, for which threshold, and whether
        they teach what is usual."""

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
        state, parameters = self._detector.state_of(target.id), self._detector.parameters_of(target.id)
        if state.low_limit or not (count and (with_evidence or state.no_evidence)):
            return None  # where a limit is low, the next answer says whether it is replenished
        states: Sequence[TargetState] = ()
        _, next_at = target.clean_times(0)
        fading = 0
        if state.no_evidence:
            first_at = target.started_at(0)
            state = limits.note_starts(state, (first_at,), parameters.interval_s, in_quiet=True)
            count = self._foreseen(target, state, min(count, _FORESEEN_CLEAN))
        elif fading := foresight.fading_probes(state, next_at, target.check, parameters):
            count = self._foreseen(target, state, min(count, fading), no_evidence=False)
        else:
            observations = map(target.clean_observation, range(min(count, _FORESEEN)))
            states = foresight.uneventful_states(state, observations, parameters)
            count = len(states)
        if not count:
            return None
        self._skipped[target] = _Stretch(count=count, begins=state, fades=bool(fading), states=states)
        return target.due_after_s(count)

    def update_states(self, now_s: float) -> None:
        """Let the detector know the evidence and the times of all that has ended by now; not yet what is usual."""
        for target in self._skipped:
            self.update_state(target, now_s)

    def update_state(self, target: SimulatedTarget, now_s: float) -> None:
        """The same of one target, if it is skipped."""
        stretch = self._skipped.get(target)
        if stretch and (count := target.clean_before(now_s)):
            if stretch.states or stretch.fades:
                self._detector.accept(self._state_after(target, stretch, count))
                return
            began_at, at = target.clean_times(count - 1)
            self._detector.accept(replaced(stretch.begins, last_started_at=began_at, last_seen_at=at, last_ok_at=at))

    def health(self, now_s: float) -> Mapping[str, TargetHealth]:
        """The health of each target at this instant, by id; each is found when it is asked for."""
        return _HealthNow(self, self._detector, self._targets, now_s)

    def resume(self, now_s: float, targets: Container[SimulatedTarget] | None = None) -> list[SimulatedTarget]:
        """Take in the probes of these targets, or of all, that have ended by now; returns those skipped until now."""
        resumed = [target for target in self._skipped if targets is None or target in targets]
        for target in resumed:
            stretch = self._skipped.pop(target)
            if count := target.clean_before(now_s):
                self._detector.accept(self._state_after(target, stretch, count))
                target.take_clean(count)
        return resumed

    def _state_after(self, target: SimulatedTarget, stretch: _Stretch, count: int) -> TargetState:
        if stretch.states:
            return stretch.states[count - 1]
        state, parameters = stretch.begins, self._detector.parameters_of(target.id)
        begin, *_, course = self._courses[target]
        passed = target.probes - begin
        course = course[passed : passed + count + 1]
        if stretch.fades:
            answers = [target.clean_observation(place) for place in range(count)]
            return state_machine.fade_all(state, course, answers, parameters)
        return state_machine.observe_clean(state, target.check, course, target.clean_observation, parameters)

    def _foreseen(self, target: SimulatedTarget, state: TargetState, count: int, *, no_evidence: bool = True) -> int:
        """Foresee the latency over so many clean probes after this state; how many until one is suspiciously late.

        What was foreseen before holds as long as it has led to the present point.
        """
        made, now = target.probes, state.latency.point(target.check)
        needed = self._detector.parameters_of(target.id).late_threshold
        begin, threshold, teaches, course = self._courses.get(target, (made, needed, no_evidence, []))
        passed, same = made - begin, (threshold, teaches) == (needed, no_evidence)
        if not same or passed >= len(course) or course[passed] != now:
            begin, passed, course = made, 0, [now]
            self._courses[target] = begin, needed, no_evidence, course
        known = len(course) - 1 - passed
        extend_course(course, target.clean_times_s(known, count), needed, no_evidence=no_evidence)
        return min(count, len(course) - 1 - passed)


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
