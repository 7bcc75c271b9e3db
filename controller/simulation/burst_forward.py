"""Goes quickly through the burst on a provider whose probes are all answered: what follows nearly every failure.

The same happens at the same instants as one event at a time, by the same state machine of each target. Only what is
found anew after each answer and then thrown away is left out: the trail of the provider's evidence, which mostly fades
to nothing, and the next probe of the burst where a regular one comes first. Everything else, as a failure, a late
answer or an event of another provider, ends it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heapreplace
from math import inf

from controller.simulation.event_queue import BURST, DUE, OBSERVED, SILENCE, Event, EventQueue
from controller.simulation.fast_forward import FastForward
from controller.simulation.silence_checks import SilenceChecks
from controller.simulation.simulated_target import SimulatedTarget
from monitor.detection.detector import Detector
from monitor.detection.foresight import AnsweredBurst
from monitor.detection.pacing import BurstProbe
from monitor.detection.state_machine import TimedAnswer
from probes.observation import Observation
from probes.outcome import Outcome

#: Shorter than this it is not worth the preparation.
_SHORTEST_S = 0.5
_REPEATED = frozenset({DUE, SILENCE})
_NEVER: Event = inf, 0, DUE, None


class BurstForward:
    """The bursts of one seed, on its events."""

    def __init__(
        self,
        detector: Detector,
        fast_forward: FastForward,
        targets: Mapping[str, SimulatedTarget],
        events: EventQueue,
        silence: SilenceChecks,
    ) -> None:
        self._detector = detector
        self._fast_forward = fast_forward
        self._targets = targets
        self._events = events
        self._silence = silence
        self._stopped_by = 0.0, -1
        """Time and number of the event that ended the last one."""

    def skip(self, provider: str, targets: Collection[SimulatedTarget], until_s: float) -> bool:
        """Go through what happens to this provider, whose targets these are, while it is this; whether anything did."""
        heap = self._events.heap
        first = now_s, _ = heap[0][:2]
        if first == self._stopped_by:
            return False
        self._stopped_by = first
        if self._is_past_confirming(provider, heap[0]):
            return False
        burst = self._detector.answered_burst(provider, lambda: self._fast_forward.runs(targets))
        if burst is None:
            return False
        going = _GoingBurst(provider, burst, [], [])
        for event in heap:
            (going.mine if going.has(event) else going.others).append(event)
        heapify(going.others)
        if going.others and going.others[0][0] < now_s + _SHORTEST_S:
            return False
        going.planned = self._events.release(provider)
        going.mine[:] = [_with_timing(event) for event in going.mine if event is not going.planned]
        heapify(going.mine)
        self._go_through(going, until_s)
        going.mine[:] = map(_with_observation, going.mine)
        if going.planned:
            going.choose()
            self._events.keep(going.planned)
            going.mine.append(going.planned)
        self._events.replace(going.others + going.mine)
        self._stopped_by = heap[0][:2]
        return self._stopped_by != first

    def _is_past_confirming(self, provider: str, event: Event) -> bool:
        """Whether this is a probe of a test on fresh evidence that is not there to confirm the failure."""
        _, _, kind, subject = event
        if kind != BURST or not subject.afresh:
            return False
        fresh = self._detector.fresh
        return not fresh.at_most_confirms(fresh.test_of(subject.targets[0], provider))

    def _go_through(self, going: "_GoingBurst", until_s: float) -> None:
        mine, burst, end = going.mine, going.burst, going.others[0] if going.others else _NEVER
        regular = sum(event[2] in _REPEATED for event in mine)
        while burst.has_evidence or going.planned or len(mine) > regular:
            event = mine[0]
            if going.planned and going.planned < event:
                event = going.planned
            now_s, serial, kind, subject = event
            if now_s >= until_s or event > end:
                break
            if kind == OBSERVED:
                if not self._take_in(going, now_s, *subject):
                    break
            elif kind == BURST:
                if not self._probe_extra(going, event):
                    break
            elif kind == SILENCE:
                next_s = self._silence.next_s(now_s)
                if next_s is None:
                    break
                heapreplace(mine, (next_s, serial, SILENCE, None))
            elif subject.in_flight:
                heapreplace(mine, (subject.take_due_s(), serial, DUE, subject))
            elif answer := subject.take_if_clean(now_s):
                heapreplace(mine, (subject.take_due_s(), serial, DUE, subject))
                self._begin(subject, answer, now_s, mine)
            else:
                break
        self._detector.accept_burst(going.provider, burst, going.planned_for)

    def _take_in(self, going: "_GoingBurst", now_s: float, target: SimulatedTarget, answer: "_Answer") -> bool:
        """Take in a good answer, if nothing but evidence changes by it."""
        mine, burst = going.mine, going.burst
        if isinstance(answer, Observation):
            burst.add_afresh(answer)
            self._fast_forward.note_answer(target)
            heappop(mine)
            target.observed_at_s = now_s
            return True
        if going.planned and burst.ends_next:
            going.choose()
        if not burst.add_answer(target.id, answer):
            return False
        self._fast_forward.note_answer(target)
        heappop(mine)
        target.in_flight, target.observed_at_s = False, now_s
        if (gap_s := burst.next_of_target_s(target.id)) is not None:
            probe = BurstProbe(slot=target.id, targets=(target.id,), delay_s=gap_s)
            self._events.plan(probe, now_s + gap_s, mine)
        if (gap_s := burst.next_s) is not None:
            going.planned = now_s + gap_s, self._events.number(), BURST, None
            going.planned_after = answer, gap_s
        return True

    def _probe_extra(self, going: "_GoingBurst", event: Event) -> bool:
        """Make a probe of a burst, if it is answered, and if no other has replaced it."""
        mine, targets, (now_s, number, _, probe) = going.mine, self._targets, event
        planned = event is going.planned
        if not planned and not self._events.is_planned(number, probe):
            heappop(mine)
            return True
        names = probe.targets if probe else going.burst.next_targets()
        afresh = probe is not None and probe.afresh
        target = next((targets[name] for name in names if afresh or not targets[name].in_flight), None)
        answer = target.take_if_clean(now_s) if target else None
        if target and not answer:
            return False
        if planned:
            going.planned = None
        else:
            heappop(mine)
            self._events.take(probe)
        if target and answer:
            self._begin(target, answer, now_s, mine, afresh=afresh)
        return True

    def _begin(
        self, target: SimulatedTarget, answer: TimedAnswer, now_s: float, mine: list[Event], *, afresh: bool = False
    ) -> None:
        target.in_flight = target.in_flight or not afresh
        ended = target, target.answered(answer, afresh=True) if afresh else answer
        self._events.push(now_s + answer[1], OBSERVED, ended, mine)


_Answer = TimedAnswer | Observation
"""What ends in a burst: an answer, which is an observation where it was asked afresh."""


def _with_timing(event: Event) -> Event:
    """The end of a probe with no more than a burst needs of it."""
    at_s, number, kind, subject = event
    if kind != OBSERVED or subject[1].afresh:
        return event
    target, seen = subject
    return at_s, number, kind, (target, (seen.started_at, seen.duration_s, seen.finished_at))


def _with_observation(event: Event) -> Event:
    """The same event with all that is known of it."""
    at_s, number, kind, subject = event
    if kind != OBSERVED or isinstance(subject[1], Observation):
        return event
    target, answer = subject
    return at_s, number, kind, (target, target.answered(answer))


@dataclass(slots=True)
class _GoingBurst:
    """A burst being gone through."""

    provider: str
    burst: AnsweredBurst
    mine: list[Event]
    """Its events: regular probes, those of bursts, and their good answers, also those that confirm the failure. And the
    look for silent targets, which finds none while all answer.
    """
    others: list[Event]
    planned: Event | None = None
    """The next probe of the provider's burst; without one as long as its targets need not be chosen."""
    planned_after: tuple[TimedAnswer, float] | None = None
    """After which answer, and how many seconds, it is due."""

    def choose(self) -> None:
        """Choose the targets of the next probe, which are not known once the burst is over."""
        if self.planned and not self.planned[3]:
            at_s, number, kind, _ = self.planned
            self.planned = at_s, number, kind, self.burst.next_probe()

    @property
    def planned_for(self) -> datetime | None:
        """When that is."""
        if self.planned_after is None:
            return None
        (*_, ended_at), gap_s = self.planned_after
        return ended_at + timedelta(seconds=gap_s)

    def has(self, event: Event) -> bool:
        """Whether the event is one of this burst."""
        (_, _, kind, subject), burst = event, self.burst
        if kind == DUE:
            return subject.id in burst.runs
        if kind == BURST:
            if subject.afresh:
                return burst.is_confirming(subject.targets[0])
            return subject.slot == self.provider or subject.slot in burst.runs
        if kind != OBSERVED:
            return kind == SILENCE
        target, observation = subject
        if target.id not in burst.runs or observation.outcome is not Outcome.OK:
            return False
        return not observation.afresh or burst.is_confirming(target.id)
