"""Goes quickly through the burst on a provider whose probes are all answered: what follows nearly every failure.

The same happens at the same instants as one event at a time, by the same state machine of each target. Only what is
found anew after each answer and then thrown away is left out: the trail of the provider's evidence, which mostly fades
to nothing, and the next probe of the burst where a regular one comes first. Everything else, as a failure, a late
answer or an event of another provider, ends it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

from controller.simulation.fast_forward import FastForward
from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection.detector import Detector
from monitor.detection.foresight import AnsweredBurst
from monitor.detection.pacing import BurstProbe
from probes.observation import Observation
from probes.outcome import Outcome

#: The kinds of events that such a burst consists of; others are larger.
DUE, OBSERVED, BURST = range(3)
#: Shorter than this it is not worth the preparation.
_SHORTEST_S = 0.5

Event = tuple[float, int, int, Any]
Handler = Callable[[float, int, int, Any], None]


class BurstForward:
    """The bursts of one seed, on its events."""

    def __init__(
        self,
        detector: Detector,
        fast_forward: FastForward,
        targets: Mapping[str, SimulatedTarget],
        heap: list[Event],
        planned: dict[str, tuple[int, BurstProbe]],
        *,
        numbers: Iterator[int],
    ) -> None:
        self._detector = detector
        self._fast_forward = fast_forward
        self._targets = targets
        self._heap = heap
        self._planned = planned
        self._numbers = numbers
        self._stopped_by = -1
        """The event that ended the last one."""

    def skip(self, provider: str, targets: Collection[SimulatedTarget], until_s: float, handle: Handler) -> bool:
        """Go through what happens to this provider until then, while it is this; whether anything did.

        `targets` are those of the provider that are not skipped; `handle` takes the events of probes asked afresh.
        """
        heap = self._heap
        now_s, first, *_ = heap[0]
        if first == self._stopped_by:
            return False
        self._stopped_by = first
        runs = self._fast_forward.runs(targets)
        burst = self._detector.answered_burst(provider, runs) if runs else None
        if burst is None:
            return False
        going = _GoingBurst(provider, burst, [], [])
        for event in heap:
            (going.mine if going.has(event) else going.others).append(event)
        soon = (event for event in going.others if event[0] < now_s + _SHORTEST_S)
        if not all(self._is_confirming(event, going) for event in soon):
            return False
        heap[:] = going.others
        heapify(heap)
        heapify(going.mine)
        self._go_through(going, until_s, handle)
        heap += [event for event in going.mine if event[2] != BURST or self._is_planned(event)]
        heapify(heap)
        self._stopped_by = heap[0][1]
        return heap[0][1] != first

    def _go_through(self, going: "_GoingBurst", until_s: float, handle: Handler) -> None:
        heap, mine, burst = self._heap, going.mine, going.burst
        while burst.has_evidence or any(kind != DUE for _, _, kind, _ in mine):
            if heap[0] < mine[0]:
                if heap[0][0] >= until_s or not self._is_confirming(heap[0], going):
                    break
                if not self._confirm(heappop(heap), going, handle):
                    break
                continue
            now_s, serial, kind, subject = mine[0]
            if now_s >= until_s:
                break
            if kind == OBSERVED:
                goes_on = self._take_in(going, *subject)
            elif kind == BURST:
                goes_on = self._probe_extra(going, subject)
            elif subject.in_flight:
                goes_on = bool(heapreplace(mine, (subject.take_due_s(), serial, DUE, subject)))
            elif goes_on := bool(observation := subject.probe_if_clean(now_s)):
                heapreplace(mine, (subject.take_due_s(), serial, DUE, subject))
                self._begin(subject, observation, now_s, mine)
            if not goes_on:
                break
        self._choose(going)
        self._detector.accept_burst(going.provider, burst, going.planned_for)

    def _take_in(self, going: "_GoingBurst", target: SimulatedTarget, observation: Observation) -> bool:
        """Take in a good answer, if nothing but evidence changes by it."""
        mine, burst, now_s = going.mine, going.burst, going.mine[0][0]
        if burst.ends_next:
            self._choose(going)
        if not burst.add_answer(observation):
            return False
        self._fast_forward.note_answer(target)
        heappop(mine)
        target.in_flight, target.observed_at_s = False, now_s
        if (gap_s := burst.next_of_target_s(target.id)) is not None:
            probe = BurstProbe(slot=target.id, targets=(target.id,), delay_s=gap_s)
            self._plan(probe, now_s + gap_s, mine)
        if (gap_s := burst.next_s()) is not None:
            self._plan(going.to_be_chosen, now_s + gap_s, mine)
            going.planned_for = observation.finished_at + timedelta(seconds=gap_s)
        return True

    def _plan(self, probe: BurstProbe, at_s: float, mine: list[Event]) -> None:
        number = next(self._numbers)
        self._planned[probe.slot] = number, probe
        heappush(mine, (at_s, number, BURST, probe))

    def _probe_extra(self, going: "_GoingBurst", probe: BurstProbe) -> bool:
        """Make a probe of a burst, if it is answered, and if no other has replaced it."""
        now_s, *_ = going.mine[0]
        if not self._is_planned(going.mine[0]):
            heappop(going.mine)
            return True
        names = probe.targets or going.burst.next_probe().targets
        target = next((self._targets[name] for name in names if not self._targets[name].in_flight), None)
        observation = target.probe_if_clean(now_s) if target else None
        if target and not observation:
            return False
        heappop(going.mine)
        del self._planned[probe.slot]
        if target and observation:
            self._begin(target, observation, now_s, going.mine)
        return True

    def _is_planned(self, event: Event) -> bool:
        number, _ = self._planned.get(event[3].slot, (-1, None))
        return number == event[1]

    def _begin(self, target: SimulatedTarget, observation: Observation, now_s: float, mine: list[Event]) -> None:
        target.in_flight = True
        ends_s = now_s + observation.duration_s
        heappush(mine, (ends_s, next(self._numbers), OBSERVED, (target, observation)))

    def _choose(self, going: "_GoingBurst") -> None:
        """Choose the target of the next probe of the burst, which is not known once the burst is over."""
        number, probe = self._planned.get(going.provider, (-1, None))
        if probe and not probe.targets:
            chosen = going.burst.next_probe()
            self._planned[going.provider] = number, chosen
            going.mine[:] = [(*event[:3], chosen) if event[1] == number else event for event in going.mine]

    def _confirm(self, event: Event, going: "_GoingBurst", handle: Handler) -> bool:
        """Handle an event of a probe that is asked afresh; False where the burst is then more than evidence."""
        _, _, kind, subject = event
        name = subject.targets[0] if kind == BURST else subject[0].id
        handle(*event)
        run = self._fast_forward.runs([self._targets[name]])
        if run:
            going.burst.runs.update(run)
        return bool(run) and going.burst.runs[name].undisturbed

    def _is_confirming(self, event: Event, going: "_GoingBurst") -> bool:
        """Whether it is the begin of a probe of this provider that is asked afresh, or the end of one that confirms."""
        _, _, kind, subject = event
        if kind == BURST:
            return bool(subject.afresh and subject.targets[0] in going.burst.runs)
        if kind != OBSERVED:
            return False
        target, observation = subject
        if target.id not in going.burst.runs or not observation.afresh or observation.outcome is not Outcome.OK:
            return False
        fresh = self._detector.fresh
        return fresh.at_most_confirms(target.id if target.id in fresh else going.provider)


@dataclass(slots=True)
class _GoingBurst:
    """A burst being gone through."""

    provider: str
    burst: AnsweredBurst
    mine: list[Event]
    """Its events: regular probes, those of bursts, and their good answers."""
    others: list[Event]
    planned_for: datetime | None = None
    """When the next probe of the provider's burst is due."""
    to_be_chosen: BurstProbe = field(init=False)
    """In place of a probe whose target is chosen when it begins."""

    def __post_init__(self) -> None:
        """Of this provider."""
        self.to_be_chosen = BurstProbe(slot=self.provider, targets=(), delay_s=0.0)

    def has(self, event: Event) -> bool:
        """Whether the event is one of this burst."""
        _, _, kind, subject = event
        if kind == DUE:
            return subject.id in self.burst.runs
        if kind == BURST:
            return subject.slot == self.provider or subject.slot in self.burst.runs
        if kind != OBSERVED:
            return False
        target, observation = subject
        return target.id in self.burst.runs and observation.outcome is Outcome.OK and not observation.afresh
