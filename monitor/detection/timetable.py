"""What is to run when, by name: once, or again and again (pure)."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Any


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """One run that is planned."""

    name: str
    run: Callable[..., Coroutine[Any, Any, None]]
    """Is called with `argument`."""
    argument: Any
    due: datetime
    every: timedelta | None
    """From one run to the next; None: it runs once."""


class Timetable:
    """At most one entry of each name."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._heap: list[tuple[datetime, int, Entry]] = []
        """Those that were replaced or removed meanwhile are still among them."""
        self._number = 0

    def plan(
        self,
        name: str,
        run: Callable[..., Coroutine[Any, Any, None]],
        argument: Any,
        due: datetime,
        every: timedelta | None = None,
    ) -> None:
        """Run it then, in place of what was planned under this name; with `every` again and again from then on."""
        self._put(Entry(name=name, run=run, argument=argument, due=due, every=every))

    def due_of(self, name: str) -> datetime | None:
        """When it runs next; None where nothing is planned under this name."""
        entry = self._entries.get(name)
        return entry.due if entry else None

    def remove(self, name: str) -> None:
        """Plan nothing under this name any more."""
        self._entries.pop(name, None)

    def clear(self) -> None:
        """Plan nothing any more."""
        self._entries, self._heap = {}, []

    @property
    def next_due(self) -> datetime | None:
        """When the next entry runs; None where there is none."""
        while self._heap and not self._stands(*self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: datetime) -> list[Entry]:
        """What is due by now, the earliest first. Of several runs that one has missed it has one."""
        taken = list[Entry]()
        while (due := self.next_due) is not None and due <= now:
            entry = heappop(self._heap)[2]
            taken.append(entry)
            del self._entries[entry.name]
        for entry in taken:
            if entry.every:
                entry.due += ((now - entry.due) // entry.every + 1) * entry.every
                self._put(entry)
        return taken

    def _put(self, entry: Entry) -> None:
        self._entries[entry.name] = entry
        self._number += 1
        heappush(self._heap, (entry.due, self._number, entry))
        if len(self._heap) > 2 * len(self._entries) + 100:  # most were replaced
            self._heap = [each for each in self._heap if self._stands(*each)]
            heapify(self._heap)

    def _stands(self, due: datetime, _number: int, entry: Entry) -> bool:
        return self._entries.get(entry.name) is entry and entry.due == due
