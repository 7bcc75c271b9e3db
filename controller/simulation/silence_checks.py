"""When a simulation looks for targets of which nothing was observed for long."""

from collections.abc import Collection

from controller.simulation.event_queue import EventQueue
from controller.simulation.fast_forward import FastForward
from controller.simulation.simulated_target import SimulatedTarget

_LATE_INTERVALS = 2


class SilenceChecks:
    """The checks of one seed; a target whose probes are skipped is on its schedule, and never late."""

    def __init__(self, targets: Collection[SimulatedTarget], fast_forward: FastForward, events: EventQueue) -> None:
        self._targets, self._fast_forward, self._events = targets, fast_forward, events

    def next_s(self, now_s: float) -> float | None:
        """When silent targets are looked for again, where none is late now; None where one is."""
        stepped = [target for target in self._targets if target not in self._fast_forward]
        if any(now_s - target.observed_at_s > _LATE_INTERVALS * target.interval_s for target in stepped):
            return None
        next_s = now_s + self._events.silence_check_s
        while not stepped and next_s < self._events.heap[0][0]:
            next_s += self._events.silence_check_s
        return next_s
