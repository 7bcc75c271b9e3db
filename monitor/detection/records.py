"""The states of targets and the evidence against providers, which know what of them has changed (pure).

So a control cycle costs what happens in it, however many targets there are.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import TypeVar

from monitor.detection import state_machine
from monitor.detection.detector_state import DetectorState
from monitor.detection.fresh_evidence import FreshTest
from monitor.detection.parameters import TargetParameters
from monitor.detection.provider_pool import ProviderEvidence
from monitor.detection.target_state import TargetState

V = TypeVar("V")


class Records(dict[str, V]):
    """Values whose names stay the same; each is to be replaced by `records[name] = value`, one at a time."""

    def __init__(self, values: Mapping[str, V]) -> None:
        super().__init__(values)
        self.touched = set(values)
        """The names that were set since somebody cleared this."""
        self._former: dict[str, V] = {}
        self._place: dict[str, int] = {name: place for place, name in enumerate(values)}

    def __setitem__(self, name: str, value: V) -> None:
        self.touched.add(name)
        if name not in self._former:
            self._former[name] = self[name]
        super().__setitem__(name, value)

    def mark(self) -> None:
        """Go by the present values from now on."""
        self._former = {}

    @property
    def former(self) -> Mapping[str, V]:
        """What was other at the last `mark`."""
        return {name: value for name, value in self._former.items() if value is not self[name]}

    def in_order(self, names: Iterable[str]) -> list[str]:
        """These names in the order of the values, each once."""
        return sorted(set(names), key=self._place.__getitem__)


class TargetRecords(Records[TargetState]):
    """The state of each target, and when time alone may change it."""

    def __init__(self, values: Mapping[str, TargetState]) -> None:
        super().__init__(values)
        self._heap: list[tuple[datetime, str]] = []
        self._due_at: dict[str, datetime] = {}
        """The entry of the heap that counts, by target; those before it were replaced by it."""
        self._put_off = set[str]()
        self._rewound_before: datetime | None = None
        """A clock that shows less was set back by more than the patience with some target."""

    def take_due(self, now: datetime, quiet: Container[str]) -> list[str]:
        """The targets that time may have changed, in order: what happened to them since the last call, or it is time.

        All, where the clock was set back. The `quiet` ones are put off. `plan` is to be called for each.
        """
        due, self._put_off, self.touched = self.touched | self._put_off, set(), set()
        while self._heap and self._heap[0][0] <= now:
            at, target = heappop(self._heap)
            if self._due_at.get(target) == at:
                del self._due_at[target]
                due.add(target)
        if self._rewound_before and now < self._rewound_before:
            due, self._rewound_before = set(self), None
        self._put_off = {target for target in due if target in quiet}
        return self.in_order(due - self._put_off)

    def plan(self, state: TargetState, now: datetime, parameters: TargetParameters) -> None:
        """Let `take_due` return the target of this state when time may change it."""
        at, seen_at = state_machine.tick_due_at(state, now, parameters), state.last_seen_at
        if at is None or seen_at is None:
            return
        rewound_before = seen_at - timedelta(seconds=parameters.patience_s)
        if self._rewound_before is None or rewound_before > self._rewound_before:
            self._rewound_before = rewound_before
        if state.target not in self._due_at or at < self._due_at[state.target]:
            self._due_at[state.target] = at
            heappush(self._heap, (at, state.target))


class DueVerdicts(dict[str, datetime]):
    """When verdicts are made that only wait for their time, by target or provider."""

    def plan(self, name: str, at: datetime | None) -> None:
        """Make it then, or not at all."""
        if at is not None:
            self[name] = at
        else:
            self.pop(name, None)


class DetectorRecords:
    """All that a detector knows of targets and providers."""

    def __init__(self, targets: Mapping[str, TargetState], pools: Mapping[str, ProviderEvidence]) -> None:
        self.targets, self.pools = TargetRecords(targets), Records(pools)
        self._fresh: Mapping[str, FreshTest] = {}

    def mark(self, fresh: Mapping[str, FreshTest]) -> None:
        """Keep in mind how everything is, and these tests on fresh evidence: `former` goes by it."""
        self.targets.mark()
        self.pools.mark()
        self._fresh = fresh

    @property
    def former(self) -> DetectorState:
        """The targets and providers that have changed since `mark`, as they were then, and all tests of then."""
        return DetectorState(targets=self.targets.former, providers=self.pools.former, fresh=self._fresh)

    def take_suspected(self) -> list[str]:
        """The providers with evidence against them, in order."""
        pools = self.pools
        pools.touched = {provider for provider in pools.touched if pools[provider].evidence.value}
        return pools.in_order(pools.touched)
