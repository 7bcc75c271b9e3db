"""Skips the probes of targets that nothing happens to: all are taken in at once when something may happen again.

The result is the same as one by one. While there is no evidence against its provider, and no extra probe is planned,
clean probes of a target concern no other target. Without evidence of its own, they change nothing but its times and
what is usual for it; else they take from its evidence. Each target resumes by itself before a probe that may not be
clean, change its health, or call for an extra probe: which that is follows from its random numbers, drawn ahead, and
from its own state machine. All targets of a provider resume when one of them fails. Control cycles look at the present
states.

The answers of a target are one run, in quiet time as in the bursts on its provider, until one does more: the detector
is only given its state (`settle`) before something else is judged.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from statistics import fmean

from controller.simulation.scenario import Scenario
from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection.answered_runs import AnsweredRun, CleanRun, answered_run, uneventful_states
from monitor.detection.detector import Detector
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.target_state import TargetState
from monitor.health import TargetHealth

#: From so many of the probes of quiet time on that fail, that are slow or may hang, or that end after the next one of
#: their target is due, it takes longer to look for those that can be skipped than to make them all: measured with ten
#: targets of one provider.
_MOST_FAILURES, _MOST_SLOW, _MOST_OVERDUE = 0.08, 0.025, 0.3


def is_worthwhile(scenario: Scenario) -> bool:
    """Whether probes of quiet time can be skipped, and so many that it takes less time than to make them one by one."""
    if scenario.limits:
        return False  # what a probe ends in depends on the others
    targets, longer_than = scenario.settings.targets, scenario.background.latency.longer_than
    slow = fmean(longer_than(min(target.slow_s, target.timeouts.total_s, SHORTEST_HANG_S)) for target in targets)
    overdue = fmean(longer_than(target.interval_s) for target in targets)
    return scenario.background.failure_rate < _MOST_FAILURES and slow < _MOST_SLOW and overdue < _MOST_OVERDUE


class FastForward:
    """The targets of one seed whose probes are skipped at present, and the answers that the detector does not know."""

    def __init__(self, detector: Detector, targets: Mapping[str, SimulatedTarget]) -> None:
        self._detector = detector
        self._targets = targets
        self._skipped: dict[SimulatedTarget, AnsweredRun | list[TargetState]] = {}
        """The runs that their probes are part of; the states after each of them where they make none."""
        self._runs: dict[SimulatedTarget, AnsweredRun] = {}
        self._ahead: dict[SimulatedTarget, AnsweredRun] = {}
        """Those that are ahead of the detector."""

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
        run = self._run(target)
        if not with_evidence and not isinstance(run, CleanRun):
            return None
        if run:
            self._skipped[target], count = run, run.foresee(target, count)
        else:
            state, parameters = self._detector.state_of(target.id), self._detector.parameters_of(target.id)
            self._skipped[target] = states = uneventful_states(state, target, count, parameters)
            count = len(states)
        if not count:
            del self._skipped[target]
            return None
        return target.due_after_s(count)

    def runs(self, targets: Iterable[SimulatedTarget]) -> dict[str, AnsweredRun] | None:
        """The answers that those of these targets have given that are not skipped, by id.

        None where those of any do more than take from evidence.
        """
        runs = dict[str, AnsweredRun]()
        for target in targets:
            if target not in self._skipped:
                run = self._run(target)
                if run is None:
                    return None
                runs[target.id] = run
        return runs

    def _run(self, target: SimulatedTarget) -> AnsweredRun | None:
        """The run that goes on from the state that the detector has of it."""
        state, parameters = self._detector.state_of(target.id), self._detector.parameters_of(target.id)
        run = self._runs.get(target)
        if run is None or run.accepted is not state or run.parameters is not parameters:
            run = answered_run(state, parameters)
            if run:
                self._runs[target] = run
        return run

    def note_answer(self, target: SimulatedTarget) -> None:
        """One more answer of this target was taken in by its run."""
        self._ahead[target] = self._runs[target]

    def settle(self, targets: Container[SimulatedTarget]) -> None:
        """Let the detector know the runs of these targets, as far as they have been gone through."""
        ahead = self._ahead
        for target in [target for target in ahead if target in targets]:
            run = ahead.pop(target)
            run.accepted = run.state
            self._detector.accept(run.accepted)

    def update_state(self, target: SimulatedTarget, now_s: float) -> None:
        """Let the detector know all that has ended by now of one target, whether it is skipped or not."""
        if target in self._skipped:
            self._pass_over(target, now_s)
        self.settle((target,))

    def health(self, now_s: float) -> Mapping[str, TargetHealth]:
        """The health of each target at this instant, by id; each is found when it is asked for."""
        return _HealthNow(self, self._detector, self._targets, now_s)

    def resume(self, now_s: float, targets: Container[SimulatedTarget] | None = None) -> list[SimulatedTarget]:
        """Pass over the probes of these targets, or of all, that have ended by now; returns those skipped until now."""
        resumed = [target for target in self._skipped if targets is None or target in targets]
        for target in resumed:
            self._pass_over(target, now_s)
            del self._skipped[target]
        return resumed

    def resume_by_itself(self, target: SimulatedTarget, now_s: float) -> None:
        """The same of one target, if it is skipped."""
        if target in self._skipped:
            self._pass_over(target, now_s)
            del self._skipped[target]

    def _pass_over(self, target: SimulatedTarget, now_s: float) -> None:
        count = target.clean_before(now_s)
        if not count:
            return
        run = self._skipped[target]
        if isinstance(run, list):
            self._detector.accept(run[count - 1])
            del run[:count]
        else:
            run.pass_over(target, count)
            self._ahead[target] = run
        target.take_clean(count)


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
