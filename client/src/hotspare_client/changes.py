"""Tells an application when a route has moved, from a thread that looks at the file now and then."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Protocol

from hotspare_client.table import Table
from hotspare_client.target import Target

LOG = logging.getLogger("hotspare_client")

#: The route, the target before and the target now; None where the route is new, or gone.
Callback = Callable[[str, "Target | None", "Target | None"], object]
_LOOK_EVERY_S = 0.25


class Reader(Protocol):
    """What is watched: a `Routing`."""

    def look(self) -> Table | None: ...  # noqa: D102


class ChangeWatcher:
    """The callbacks of a reader, and the thread that calls them; it ends with the last callback, or with the reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = weakref.ref(reader)
        self._callbacks: list[Callback] = []
        self._thread: threading.Thread | None = None
        self._table: Table | None = None
        self._pid = os.getpid()

    def add(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` from now on; what is returned ends that."""
        reader = self._reader()
        if not self._callbacks and reader:
            self._table = reader.look()
        self._callbacks.append(callback)
        self.go_on()

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    def go_on(self) -> None:
        """Start the thread where there is something to call and it does not run: first, and after a fork."""
        if self._callbacks and (self._pid != os.getpid() or self._thread is None or not self._thread.is_alive()):
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="hotspare-changes", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while self._callbacks and (reader := self._reader()) is not None:
            table = reader.look()
            # Not kept alive while this thread waits.
            del reader
            before, self._table = self._table, table
            if table is not None and table is not before:
                for name, old, new in find_changes(before, table):
                    self._tell(name, old, new)
            pause.wait(_LOOK_EVERY_S)

    def _tell(self, name: str, before: Target | None, now: Target | None) -> None:
        for callback in tuple(self._callbacks):
            try:
                callback(name, before, now)
            except BaseException:  # noqa: PERF203 - each on its own
                LOG.exception("a callback for changes of route %r failed", name)


def find_changes(before: Table | None, now: Table) -> Iterator[tuple[str, Target | None, Target | None]]:
    """The routes whose target or shares differ, with both targets."""
    old = before.points_at if before else {}
    for name in sorted({*old, *now.points_at}):
        shares = [
            {each.id: each.weight for each in table.candidates.get(name, ()) if each.weight} if table else {}
            for table in (before, now)
        ]
        first, second = old.get(name), now.points_at.get(name)
        if shares[0] != shares[1] or (first and first.id) != (second and second.id):
            yield name, first, second
