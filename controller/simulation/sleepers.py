"""Targets that are let sleep in quiet times: all their clean probes are taken in at once when they wake.

The result is the same as one by one. Without evidence against its provider, a clean probe of a target without evidence
changes nothing but its own times and what is usual for it. Nobody looks at what is usual before the next failure, so
the sleepers wake before that, and before the first probe of theirs that may not be clean: which that is follows from
their random numbers, drawn ahead, and from the evidence of lateness. Control cycles look at the times alone.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from math import inf

from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection.detector import Detector
from monitor.detection.target_state import TargetState
from probes.observation import replaced


class Sleepers:
    """The targets of one seed that sleep at present."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._asleep: dict[SimulatedTarget, tuple[Sequence[float], TargetState]] = {}
        """With how long each of their probes takes until they wake by themselves, and their states then."""
        self._until_s = inf

    def __bool__(self) -> bool:
        return bool(self._asleep)

    def add(self, targets: Iterable[SimulatedTarget], until_s: float) -> tuple[Collection[SimulatedTarget], float]:
        """Let those of the targets sleep that may, none being asked; returns who, and when they must wake.

        That is not after `until_s`, nor after those who sleep already.
        """
        state_of = self._detector.state_of
        fit = {target: target.clean_until_s() for target in targets if state_of(target.id).no_evidence}
        fit = {target: clean_s for target, clean_s in fit.items() if clean_s > target.due_s}
        until_s = min(until_s, self._until_s, *fit.values())
        asleep, waiting = dict[SimulatedTarget, tuple[Sequence[float], TargetState]](), list(fit)
        while waiting:
            target = waiting.pop()
            times_s = target.clean_before(until_s)
            after = self._state_after(target, times_s)
            count = after.clean_pending - state_of(target.id).clean_pending
            if count < len(times_s):  # that answer is suspiciously late
                until_s, waiting = target.due_after_s(count), list(fit)
                asleep.clear()
            else:
                asleep[target] = times_s, after
        self._until_s = min(self._until_s, until_s) if self._asleep else until_s
        self._asleep |= asleep
        return asleep.keys(), until_s

    def update_times(self, now_s: float) -> None:
        """Let the detector know when their last probes came in that have ended by now."""
        for target in self._asleep:
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

    def wake(self, now_s: float, targets: Iterable[SimulatedTarget] = ()) -> list[SimulatedTarget]:
        """Take in the probes of these targets, or of all, that have ended by now; returns who slept."""
        woken = [target for target in targets or list(self._asleep) if target in self._asleep]
        for target in woken:
            foreseen_s, state = self._asleep.pop(target)
            times_s = target.clean_before(now_s)
            if len(times_s) < len(foreseen_s):
                state = self._state_after(target, times_s)
            self._detector.accept(state)
            target.take_clean(times_s)
        if not self._asleep:
            self._until_s = inf
        return woken

    def _state_after(self, target: SimulatedTarget, times_s: Sequence[float]) -> TargetState:
        return self._detector.clean_state(target.id, target.check, times_s, target.started_at)
