"""What waits in memory for a database that cannot be written: bounded, the essential kept longest (pure)."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from monitor.connectivity.state import ConnectivityObservation
from monitor.detection.notices import TargetNotice
from monitor.health import Transition
from monitor.storage.row_conversions import SavedTargetState
from probes.observation import Observation
from probes.outcome import Outcome

MOST_BYTES: Final = 50_000_000
#: Measured with tracemalloc, and rounded up: an observation with all its numbers; its texts come on top.
_OBSERVATION_BYTES: Final = 2_400
_NOTE_BYTES: Final = 1_000
#: A transition with its trail.
_TRANSITION_BYTES: Final = 10_000


class WaitingEvent(NamedTuple):
    """An event, as `Store.add_event` takes it."""

    at: datetime
    kind: str
    subject: str
    text: str
    notify: bool


class PendingWrites:
    """Health, transitions and what people must be told; then observations, events and connectivity notes, in order.

    Together they take at most `most_bytes` by estimate. Past that the oldest of the least worth is dropped, and counted
    in `dropped` by name: connectivity notes, events that nobody is told, good answers, other answers, events,
    transitions. Of states only the last of each target is kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self.states: dict[str, SavedTargetState] = {}
        self.pools: dict[str, str] = {}
        self.states_at: datetime | None = None
        self.transitions: deque[Transition] = deque()
        self.notices: deque[TargetNotice] = deque()
        self.told_events: deque[WaitingEvent] = deque()
        """Those that people are told of."""
        self.events: deque[WaitingEvent] = deque()
        self.good: deque[Observation] = deque()
        self.bad: deque[Observation] = deque()
        """Those whose outcome is not `ok`."""
        self.connectivity: deque[ConnectivityObservation] = deque()
        self.throttling: tuple[str, datetime] | None = None
        self.dropped: Counter[str] = Counter()
        """What had no room, since `take_dropped`."""
        self._bytes = 0

    @property
    def estimated_bytes(self) -> int:
        """What it takes, by estimate; the last states and pools are not counted, of which there is one per target."""
        return self._bytes

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        queues = (self.states, self.pools, *(queue for _, queue in self._by_worth()))
        return self.throttling is None and not any(queues)

    @property
    def observations(self) -> tuple[Observation, ...]:
        """All that wait, the bad ones first."""
        return *self.bad, *self.good

    def add_observations(self, observations: Sequence[Observation]) -> None:
        """Let them wait."""
        for observation in observations:
            queue = self.good if observation.outcome is Outcome.OK else self.bad
            self._add(queue, observation)

    def add_states(
        self,
        states: Sequence[SavedTargetState],
        transitions: Sequence[Transition],
        pools: Mapping[str, str],
        at: datetime | None,
        notices: Sequence[TargetNotice],
    ) -> None:
        """Let them wait; of each target and provider the last counts."""
        self.states |= {state.health.target: state for state in states}
        self.pools |= pools
        self.states_at = at or self.states_at
        for transition in transitions:
            self._add(self.transitions, transition)
        for notice in notices:
            self._add(self.notices, notice)

    def add_event(self, event: WaitingEvent) -> None:
        """Let it wait."""
        self._add(self.told_events if event.notify else self.events, event)

    def add_connectivity(self, observation: ConnectivityObservation) -> None:
        """Let it wait."""
        self._add(self.connectivity, observation)

    def forget_states(self) -> None:
        """Health and transitions are written."""
        self.states, self.pools = {}, {}
        self._bytes -= sum(map(_size, (*self.transitions, *self.notices)))
        self.transitions.clear()
        self.notices.clear()

    def leave_out(self, queue: deque[Any], is_written: Callable[[Any], bool]) -> None:
        """What of this queue is written already."""
        written = [item for item in queue if is_written(item)]
        self._bytes -= sum(map(_size, written))
        kept = [item for item in queue if item not in written]
        queue.clear()
        queue.extend(kept)

    def remove(self, queue: deque[Any], count: int) -> None:
        """The oldest `count` of this queue are written."""
        for _ in range(min(count, len(queue))):
            self._bytes -= _size(queue.popleft())

    def take_dropped(self) -> dict[str, int]:
        """How many had no room since the last call, by what they were."""
        dropped, self.dropped = dict(self.dropped), Counter()
        return dropped

    def _by_worth(self) -> Iterator[tuple[str, deque[Any]]]:
        """All queues, those of least worth first."""
        yield "connectivity notes", self.connectivity
        yield "events", self.events
        yield "good answers", self.good
        yield "other answers", self.bad
        yield "events that people are notified of", self.told_events
        yield "notices", self.notices
        yield "transitions", self.transitions

    def _add(self, queue: deque[Any], item: object) -> None:
        queue.append(item)
        self._bytes += _size(item)
        if self._bytes > self._most_bytes:
            name, least = next((name, waiting) for name, waiting in self._by_worth() if waiting)
            while least and self._bytes > self._most_bytes:
                self._bytes -= _size(least.popleft())
                self.dropped[name] += 1


def _size(item: object) -> int:
    """How many bytes it takes, by estimate."""
    if isinstance(item, Observation):
        return _OBSERVATION_BYTES + len(item.detail) + len(item.request_id or "") + len(item.deprecation or "")
    return _TRANSITION_BYTES if isinstance(item, Transition) else _NOTE_BYTES
