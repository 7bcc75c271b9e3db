"""The events of one seed that are still to come."""

from collections.abc import Collection, Iterable
from heapq import heapify, heappush
from itertools import count
from typing import Any

from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection.pacing import BurstProbe

#: The kinds: a regular probe is due, a probe has ended, one of a burst is due, a control cycle, a look for silent
#: targets, reports of traffic.
DUE, OBSERVED, BURST, CYCLE, SILENCE, TRAFFIC = range(6)

Event = tuple[float, int, int, Any]
"""Second, a number that keeps equal times in order, kind, subject.

That number is the place of a target whose regular probe is due; then comes the look for silent targets, then all else
as it was planned.
"""


class EventQueue:
    """The events to come, and the one probe that each slot of a burst may have planned."""

    def __init__(self, targets: Collection[SimulatedTarget]) -> None:
        self.silence_check_s = min(target.interval_s for target in targets)
        """From one look for silent targets to the next, as long as none is late."""
        self.heap: list[Event] = [(target.take_due_s(), target.place, DUE, target) for target in targets]
        self.heap.append((self.silence_check_s, len(targets), SILENCE, None))
        heapify(self.heap)
        self._numbers = count(len(targets) + 1)
        self._planned: dict[str, tuple[int, BurstProbe]] = {}
        """The burst probe planned in each slot, and its number; any other has been replaced."""

    def push(self, at_s: float, kind: int, subject: object, heap: list[Event] | None = None) -> int:
        """Add an event, to another heap where one is given; its number."""
        number = next(self._numbers)
        heappush(self.heap if heap is None else heap, (at_s, number, kind, subject))
        return number

    def plan(self, probe: BurstProbe, at_s: float, heap: list[Event] | None = None) -> None:
        """Let this probe of a burst be due then, in place of any that is planned in its slot."""
        self._planned[probe.slot] = self.push(at_s, BURST, probe, heap), probe

    def planned(self, slot: str) -> tuple[int, BurstProbe] | tuple[None, None]:
        """The number of the event of the probe that is planned in this slot, and the probe."""
        return self._planned.get(slot, (None, None))

    def is_planned(self, number: int, probe: BurstProbe) -> bool:
        """Whether this event of a probe of a burst was not replaced."""
        return self.planned(probe.slot)[0] == number

    def take(self, probe: BurstProbe) -> None:
        """The probe planned in this slot is made now."""
        del self._planned[probe.slot]

    def number(self) -> int:
        """The number of one more event, which is kept elsewhere meanwhile."""
        return next(self._numbers)

    def release(self, slot: str) -> Event | None:
        """The event of the probe that is planned in this slot, which is not planned here any more."""
        number, _ = self._planned.pop(slot, (None, None))
        return next((event for event in self.heap if event[1] == number), None) if number else None

    def keep(self, event: Event) -> None:
        """Let the probe of this event be planned in its slot; `replace` is to be called with the event."""
        _, number, _, probe = event
        self._planned[probe.slot] = number, probe

    def awaits(self, target: str) -> bool:
        """Whether an extra probe is planned that may be one of this target."""
        return any(target in probe.targets for _, probe in self._planned.values())

    def replace(self, events: Iterable[Event]) -> None:
        """Let these be all events, without the probes of bursts that have been replaced."""
        kept = [event for event in events if event[2] != BURST or self.is_planned(event[1], event[3])]
        self.heap[:] = kept
        heapify(self.heap)

    def plan_regular(self, targets: Collection[SimulatedTarget]) -> None:
        """Let the next regular probes of these targets come when they are due now."""
        gone = set(targets)
        self.heap[:] = [event for event in self.heap if event[2] != DUE or event[3] not in gone]
        self.heap += [(target.due_s, target.place, DUE, target) for target in targets]
        heapify(self.heap)
