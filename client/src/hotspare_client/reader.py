"""Follows the routing file and keeps its last good table in memory."""

from __future__ import annotations

import os
import random
import stat
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hotspare_client.affinity import Affinity
from hotspare_client.attempts import Attempts
from hotspare_client.changes import Callback, ChangeWatcher
from hotspare_client.heartbeat import heartbeat_age_s
from hotspare_client.memory import Memory
from hotspare_client.reporter import Reporter
from hotspare_client.request import Terms, check_terms
from hotspare_client.status import Status
from hotspare_client.table import Table, TableError, parse
from hotspare_client.target import Target

#: Far above any real table; a larger file is not one.
MAX_BYTES = 16 * 1024 * 1024

#: A stat cannot tell two files apart that were written within one tick of the filesystem's clock (2 s on the coarsest)
#: and share a size and a recycled inode. So for this long after a change the bytes are compared as well.
_SETTLED_AFTER_S = 2.0

#: Inode, size and time of change (ns) of a file.
FileVersion = tuple[int, int, int]


@dataclass(frozen=True)
class _State:
    """Everything a read needs, as one value, so that no thread sees a mixture."""

    version: FileVersion | None = None
    """Of the file at the last check; None: there was nothing that could be read."""
    content: bytes = b""
    problem: str | None = None
    settled_at: float = 0.0
    """Monotonic; from here on, `version` alone tells whether the file has changed."""
    table: Table | None = None
    """The last good one."""
    age_s: float = 0.0
    """How old the table was when it was read."""
    read_at: float = 0.0
    """Monotonic."""


class Routing:
    """The routes of one routing file, kept current.

    One object serves all threads and asyncio tasks of a process, and survives a fork. Between two checks of the file,
    `check_every_s` apart, a read costs a dictionary lookup; a check costs one stat and, when the file has changed,
    reading it. One caller pays for that; the others do not wait.

    A missing, torn, oversized, wrong or newer file changes nothing: the last good table stays in use, and
    `status.problem` says why. A lower epoch or generation is accepted: the writer has begun a new database.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        check_every_s: float = 0.01,
        report_to: str | None = None,
        draw: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file once; a file that is missing or broken is no error, here or later.

        `check_every_s` bounds how long a change of the file can stay unnoticed by a read. `report_to`: where to report
        how requests end, as `Reporter` has it; without it where the file says, "" for nowhere. `draw` gives a number
        from 0 up to 1 and chooses among the targets of a split route; `wall` and `monotonic` are the clocks.
        """
        # Absolute, so that an application may change its working directory.
        self._path = Path(path).absolute()
        self._check_every_s = max(0.0, check_every_s)
        self.draw = draw
        self.monotonic = monotonic
        self.memory = Memory()
        """What failed lately, for all attempts of this process."""
        self.reporter = Reporter(report_to)
        """Tells Hotspare how requests end, where it listens."""
        self._affinity = Affinity()
        self._changes = ChangeWatcher(self)
        self._wall = wall
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._checked_at = monotonic()
        self._next_check = self._checked_at
        self._state = _State()
        self._refresh()

    def route(self, name: str, key: str | None = None) -> Target | None:
        """The target to use for route `name` now; None while nothing is known about it. Never raises.

        Each call for a route that is split between targets draws anew, by their weights. With the `key` of a session
        its place under the weights stays the same, and after a failback it stays at its last target while that is
        `up`: until it has been idle for five minutes, an hour at most. Over a failover nothing is kept.
        """
        if self.monotonic() >= self._next_check:
            self._refresh()
        table = self._state.table
        if table is None:
            return None
        if key is not None:
            return self._affinity.choose(name, key, table.candidates.get(name, ()), self.monotonic())
        return table.single.get(name) or self._draw_target(table, name)

    def candidates(self, name: str) -> tuple[Target, ...]:
        """Every target of route `name`, in the order of preference; empty while nothing is known. Never raises."""
        table = self.look()
        return () if table is None else table.candidates.get(name, ())

    def attempts(
        self,
        name: str,
        *,
        deadline_s: float | None = None,
        first_token_s: float | None = None,
        answer_s: float | None = None,
        wait_s: float = 3.0,
        key: str | None = None,
        stateful: bool = False,
        hedge: bool = False,
        on_cut: Literal["raise", "restart"] = "raise",
        tag: str = "",
    ) -> Attempts:
        """The attempts of one request: `for attempt in routing.attempts("chat"): with attempt: …`, also with `async`.

        **Raise `answer_s` for long answers**: a plain call (no stream) is given up after 10 s unless it says more.

        The loop ends with the first block that ends well. An exception inside is read, remembered, and answered by
        another attempt, at the same target or at the next, or raised as it is, with `hotspare_attempts`.

        - `deadline_s`: over all attempts and pauses
        - `answer_s`: what a plain call may take, 10 s without it: `attempt.timeout_s`
        - `first_token_s`: what a stream may take until its first piece; the file's limit, or 10 s, without it
        - `wait_s`: the longest Retry-After to wait for
        - `key`: of the session; see `route`
        - `stateful`: the request must not be moved: it goes to one target, and again only where it cannot have begun
        - `hedge`: `attempt.call` asks a second target where a target in doubt is later than usual
        - `on_cut`: what follows when a stream breaks off after its first piece: the error, or another attempt
        - `tag`: of the reports; see `report`

        Raises ValueError where an argument makes no sense; the loop raises NoTargetError where nothing is known about
        the route, and DeadlineError where no time was left to begin with.
        """
        terms = Terms(
            *(name, key, deadline_s, first_token_s, answer_s, wait_s, stateful, hedge),
            restarts=on_cut == "restart",
            tag=tag,
        )
        check_terms(terms, on_cut)
        return Attempts(self, terms)

    def report(
        self,
        target: Target | str,
        outcome: str,
        duration_s: float | None = None,
        *,
        first_token_s: float | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        route: str = "",
        tag: str = "",
    ) -> None:
        """Tell Hotspare how a request ended; `attempts` does so by itself. Never raises, never waits, 5 µs at most.

        `outcome` is `ok` or a word of Hotspare's outcomes (`server_error`, `timeout`, `rate_limited`, …); `tag` a
        feature or a class of users, of which twenty are kept apart.
        """
        self.reporter.report(
            target.id if isinstance(target, Target) else target,
            outcome,
            duration_s,
            first_token_s=first_token_s,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            route=route,
            tag=tag,
        )

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Call `callback(route, before, now)` whenever a route's target or its shares change; returns what ends that.

        `before` and `now` are targets; None where the route is new, or gone. It is called from a thread of the client,
        which looks at the file four times a second; what it raises is logged, and keeps no other callback waiting.
        """
        return self._changes.add(callback)

    def look(self) -> Table | None:
        """The table in use, after a look at the file when it is time to. Never raises."""
        if self.monotonic() >= self._next_check:
            self._refresh()
        return self._state.table

    @property
    def status(self) -> Status:
        """The state of the file and its writer; checks the file when it is time to. Never raises."""
        now = self.monotonic()
        if now >= self._next_check:
            self._refresh()
        state, table = self._state, self._state.table
        if table is None:
            return Status(problem=state.problem)
        age_s = state.age_s + max(0.0, now - state.read_at)
        return Status(
            generation=table.generation,
            written_at=table.written_at,
            age_s=age_s,
            writer_alive=age_s <= table.valid_for_s,
            problem=state.problem,
            routes=tuple(sorted((*table.single, *table.split))),
            epoch=table.epoch,
        )

    def _draw_target(self, table: Table, name: str) -> Target | None:
        if name not in table.split:
            return None
        ends, targets = table.split[name]
        # The last end may be a rounding error below 1, and a draw above it.
        return targets[min(bisect_right(ends, self.draw()), len(targets) - 1)]

    def _refresh(self) -> None:
        """Check the file, unless another thread does."""
        if self._pid != os.getpid():
            # The parent may have forked while one of its threads, absent here, held the lock.
            self._lock, self._pid = threading.Lock(), os.getpid()
            self._changes.go_on()
        if not self._lock.acquire(blocking=False):
            return
        try:
            now = self.monotonic()
            self._state = self._next_state(self._state, now)
            self._checked_at = now
            self._next_check = now + self._check_every_s
        finally:
            self._lock.release()

    def _next_state(self, state: _State, now: float) -> _State:
        try:
            if now >= state.settled_at and file_version(self._path.stat()) == state.version:
                return state
            version, content = read_file(self._path)
        except FileNotFoundError:
            problem = "is missing"
        except TableError as error:
            problem = str(error)
        except OSError as error:
            problem = f"cannot be read: {error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - whatever it is, an application must not fail because of us
            problem = f"cannot be read: {type(error).__name__}"
        else:
            if version == state.version and content == state.content:
                return state
            settled_at = now + _SETTLED_AFTER_S
            return self._load(replace(state, version=version, content=content, settled_at=settled_at), now)
        return replace(state, version=None, content=b"", settled_at=0.0, problem=f"{self._path} {problem}")

    def _load(self, state: _State, now: float) -> _State:
        """The state after the file changed to what `state` holds of it."""
        try:
            table = parse(state.content)
        except Exception as error:  # noqa: BLE001 - likewise; a TableError in all cases that are known
            reason = str(error) if isinstance(error, TableError) else type(error).__name__
            return replace(state, problem=f"{self._path} is not used: {reason}")
        self.reporter.use(table.report_to)
        if state.table is not None and table.written_at == state.table.written_at:
            return replace(state, table=table, problem=None)
        before = state.table.written_at if state.table else None
        age_s = heartbeat_age_s(table.written_at, before, wall_s=self._wall(), since_s=now - self._checked_at)
        return replace(state, table=table, problem=None, age_s=age_s, read_at=now)


def read_file(path: Path) -> tuple[FileVersion, bytes]:
    """The version and the bytes of a plain file, both from the same open file. Raises OSError and TableError."""
    # O_NONBLOCK because opening a FIFO would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        stats = os.fstat(descriptor)
        if not stat.S_ISREG(stats.st_mode):
            raise TableError("is not a plain file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise TableError(f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
    return file_version(stats), content


def file_version(stats: os.stat_result) -> FileVersion:
    """By which it is seen whether a file has changed."""
    return stats.st_ino, stats.st_size, stats.st_mtime_ns
