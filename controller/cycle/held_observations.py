"""Good answers that wait to be stored together: each page of the database that a row touches is written anew."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

from controller.cycle.deferred_states import provider_of
from monitor.storage.held_file import HeldFile, held_row, observation_of_held
from probes.observation import Observation

#: So many are stored in one cycle.
_AT_ONCE: Final = 500


class _Held(NamedTuple):
    """An observation as it waits: tens of thousands do."""

    target: str
    row: str
    """As of `held_row`."""


class HeldObservations:
    """Those in memory, each of which is in the file too until it is stored. Whoever takes one stores it at once."""

    def __init__(self, file: HeldFile) -> None:
        self._file = file
        self._held: dict[str, list[_Held]] = defaultdict(list)
        """By provider."""
        self._since: datetime | None = None
        self._due: list[_Held] = []
        """Those that have waited long enough, in the order in which the database keeps them, the last first."""
        self._is_stale = False
        """Whether the file holds what is stored by now."""

    def add(self, observations: Sequence[Observation], now: datetime) -> bool:
        """Let these wait; False where that is not possible."""
        held = list(map(_hold, observations))
        if not self._file.append([each.row for each in held]):
            return False
        for each in held:
            self._held[provider_of(each.target)].append(each)
        self._since = self._since or now
        return True

    def take_of(self, providers: Collection[str]) -> list[Observation]:
        """Those of these providers."""
        taken = [each for name in providers for each in self._held.pop(name, ())]
        if providers and self._due:
            taken += [each for each in self._due if provider_of(each.target) in providers]
            self._due = [each for each in self._due if provider_of(each.target) not in providers]
        return _observations(taken)

    def take_due(self, now: datetime, longest: timedelta) -> list[Observation]:
        """Some of those that have waited so long, and of the others of that time."""
        if self._is_stale and not self._due:
            self.forget_stored()
        if self._since and abs(now - self._since) >= longest:
            self._due += chain(*self._held.values())
            self._due.reverse()  # of a target, they came in the order in which the database keeps them
            self._due.sort(key=attrgetter("target"), reverse=True)
            self._held.clear()
            self._since = None
        taken = self._due[-_AT_ONCE:]
        del self._due[-_AT_ONCE:]
        self._is_stale |= bool(taken)
        return _observations(taken)

    def put_back(self, observations: Iterable[Observation]) -> None:
        """These could not be stored."""
        self._due += map(_hold, observations)

    def take_all(self) -> list[Observation]:
        """All of them."""
        taken = [*self._due, *chain(*self._held.values())]
        self._held.clear()
        self._due, self._since, self._is_stale = [], None, True
        return _observations(taken)

    def forget_stored(self) -> None:
        """Leave in the file what waits now; `take_due` does so too, in the cycle after the last was taken."""
        self._file.replace([each.row for each in (*self._due, *chain(*self._held.values()))])
        self._is_stale = False

    def read(self) -> list[Observation]:
        """Those that a former process has left."""
        return self._file.read()


def _hold(observation: Observation) -> _Held:
    return _Held(observation.target, held_row(observation))


def _observations(held: Iterable[_Held]) -> list[Observation]:
    return [observation_of_held(each.row) for each in held]
