"""Skips the quiet times of targets: all their clean probes are taken in at once when something may happen again.

The result is the same as one by one. Without evidence against its provider, a clean probe of a target without evidence
changes nothing but its own times and what is usual for it. Nobody looks at what is usual before the next failure, so
probing resumes before that, and before the first probe that may not be clean: which that is follows from the target's
random numbers, drawn ahead, and from the evidence of lateness. Control cycles look at the times alone.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from math import inf

from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection.detector import Detector
from monitor.detection.target_state import TargetState
from probes.observation import replaced


class FastForward:
    """The targets of one seed whose probes are skipped at present."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._skipped: dict[SimulatedTarget, tuple[Sequence[float], TargetState]] = {}
        """With how long each of their probes takes until probing resumes by itself, and their states then."""
        self._until_s = inf

    def __bool__(self) -> bool:
        return bool(self._skipped)

    def add(self, targets: Iterable[SimulatedTarget], until_s: float) -> tuple[Collection[SimulatedTarget], float]:
        """Skip the targets that may be skipped, of some with no probe in flight; returns them, and when to resume.

        That is not after `until_s`, nor after the resumption of those that are skipped already.
        """
        state_of = self._detector.state_of
        fit = {target: target.clean_until_s() for target in targets if state_of(target.id).no_evidence}
        fit = {target: clean_s for target, clean_s in fit.items() if clean_s > target.due_s}
        until_s = min(until_s, self._until_s, *fit.values())
        skipped, waiting = dict[SimulatedTarget, tuple[Sequence[float], TargetState]](), list(fit)
        while waiting:
            target = waiting.pop()
            times_s = target.clean_before(until_s)
            after = self._state_after(target, times_s)
            count = after.clean_pending - state_of(target.id).clean_pending
            if count < len(times_s):  # that answer is suspiciously late
                until_s, waiting = target.due_after_s(count), list(fit)
                skipped.clear()
            else:
                skipped[target] = times_s, after
        self._until_s = min(self._until_s, until_s) if self._skipped else until_s
        self._skipped |= skipped
        return skipped.keys(), until_s

    def update_times(self, now_s: float) -> None:
        """Let the detector know when their last probes came in that have ended by now."""
        for target in self._skipped:
            if times_s := target.clean_before(now_s):
                began_at = target.started_at(len(times_s) - 1)
                self._detector.accept(
                    replaced(
                        self._detector.state_of(target.id),
                        last_started_at=began_at,
                        last_seen_at=(at := began_at + timedelta(0, times_s[-1])),
                        last_ok_at=at,
                    )
                )

    def resume(self, now_s: float, targets: Iterable[SimulatedTarget] = ()) -> list[SimulatedTarget]:
        """Take in the probes of these targets, or of all, that have ended by now; returns those skipped until now."""
        resumed = [target for target in targets or list(self._skipped) if target in self._skipped]
        for target in resumed:
            foreseen_s, state = self._skipped.pop(target)
            times_s = target.clean_before(now_s)
            if len(times_s) < len(foreseen_s):
                state = self._state_after(target, times_s)
            self._detector.accept(state)
            target.take_clean(times_s)
        if not self._skipped:
            self._until_s = inf
        return resumed

    def _state_after(self, target: SimulatedTarget, times_s: Sequence[float]) -> TargetState:
        return self._detector.clean_state(target.id, target.check, times_s, target.started_at)
