"""SQLite behind a deadline: a disk that neither works nor fails must not hold up whoever decides and publishes.

A system call that hangs cannot be taken back, so each call of SQLite's is made on a thread of its own, and given up
when it does not return in time. Until it has, every other is refused at once.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: What reads and writes nothing is not worth another thread.
_NO_DISK: Final = frozenset({"BEGIN", "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"})
#: Far more than any statement of the service takes; a migration has no deadline.
DEADLINE_S: Final = 2.0


class DiskCalls:
    """Makes calls one after the other on its own thread; for one caller at a time."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self.deadline_s: float | None = deadline_s
        """None: as long as it takes."""
        self.gave_up = False
        """A call was given up, and may have come about after all; whoever has looked into it takes this back."""
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock = threading.Lock()
        self._hanging: _Call | None = None
        self._later: list[Callable[[], object]] = []
        self._thread: threading.Thread | None = None

    @property
    def is_hanging(self) -> bool:
        """Whether a call that was given up has not returned yet."""
        return self._hanging is not None

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result; raises what it raises, and sqlite3.OperationalError (SQLITE_IOERR) past the deadline."""
        return self.run_with(None, function, *args, **kwargs)

    def run_with(
        self, late: Callable[[], object] | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same; `late` is called there, after a call that was given up."""
        if self.is_hanging:
            raise _does_not_answer()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
            self._thread.start()
        call = _Call(lambda: function(*args, **kwargs), late)
        self._calls.put(call)
        if not call.returned.acquire(timeout=-1 if self.deadline_s is None else self.deadline_s):
            with self._lock:
                if not call.is_done:
                    self._hanging, self.gave_up = call, True
                    raise _does_not_answer()
        error, call.error = call.error, None
        try:
            if error is not None:
                raise error
            return call.result  # type: ignore[no-any-return]
        finally:
            del error  # which knows this frame: together they would stay, and the connection with them

    def run_later(self, function: Callable[[], object]) -> None:
        """Make the call once the one that hangs has returned, whatever comes of it; at once where none does."""
        with self._lock:
            if self.is_hanging:
                self._later.append(function)
                return
        self.run(function)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            call.make()
            with self._lock:
                call.is_done, is_late = True, self._hanging is call
            call.returned.release()
            if is_late:
                if call.late:
                    with suppress(sqlite3.Error):
                        call.late()
                self._make_late_calls()
            del call  # what it holds must not outlive it by a call

    def _make_late_calls(self) -> None:
        """Nothing hangs any more."""
        with self._lock:
            self._hanging, later, self._later = None, self._later, []
        for function in later:
            with suppress(sqlite3.Error):
                function()


class _Call:
    """One call, and what became of it."""

    def __init__(self, function: Callable[[], object], late: Callable[[], object] | None) -> None:
        self.is_done = False
        self.returned = threading.Lock()
        """Released then; a fifth of what an Event costs."""
        self.returned.acquire()
        self.late = late
        self.result: Any = None
        self.error: BaseException | None = None
        self._function = function

    def make(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            self.error = error


def _does_not_answer() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("the disk does not answer")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


class BoundedConnection(sqlite3.Connection):
    """A connection all of whose calls have a deadline; what was given up is rolled back once it returns."""

    calls: DiskCalls

    def bounded(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One call of its own, or of a cursor."""
        return self.calls.run_with(super().rollback, function, *args, **kwargs)

    def cursor(self, _factory: object = None) -> "BoundedCursor":  # type: ignore[override]
        """A cursor, with the same deadline."""
        return super().cursor(BoundedCursor)

    def execute(self, sql: str, parameters: Any = ()) -> "BoundedCursor":
        """As sqlite3 has it."""
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        """As sqlite3 has it."""
        self.bounded(super().commit)

    def rollback(self) -> None:
        """As sqlite3 has it; of what was given up nothing can be taken back now."""
        if self.in_transaction and not self.calls.is_hanging:
            self.bounded(super().rollback)

    def close(self) -> None:
        """As sqlite3 has it, or once what hangs has returned: as long as it is open it holds a lock."""
        self.calls.run_later(super().close)


class BoundedCursor(sqlite3.Cursor):
    """A cursor whose calls have its connection's deadline; it reads all rows at once."""

    connection: BoundedConnection
    _rows: Iterator[Any] = iter(())

    def execute(self, sql: str, parameters: Any = ()) -> "BoundedCursor":
        """As sqlite3 has it."""
        at_once = sql in _NO_DISK and not self.connection.calls.is_hanging
        rows = self._read(sql, parameters) if at_once else self.connection.bounded(self._read, sql, parameters)
        self._rows = iter(rows)
        return self

    def _read(self, sql: str, parameters: Any) -> list[Any]:
        super().execute(sql, parameters)
        return super().fetchall()

    def executemany(self, sql: str, parameters: Iterable[Any]) -> "BoundedCursor":
        """As sqlite3 has it."""
        self.connection.bounded(super().executemany, sql, parameters)
        self._rows = iter(())
        return self

    def fetchone(self) -> Any:
        """As sqlite3 has it."""
        return next(self._rows, None)

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        """As sqlite3 has it."""
        return list(islice(self._rows, size or self.arraysize))

    def fetchall(self) -> list[Any]:
        """As sqlite3 has it."""
        return list(self._rows)

    def close(self) -> None:
        """As sqlite3 has it; SQLite would wait for the call that hangs."""
        if not self.connection.calls.is_hanging:
            super().close()


def connect(calls: DiskCalls, *args: Any, **kwargs: Any) -> BoundedConnection:
    """As `sqlite3.connect`, with the deadline of `calls`."""

    def begin() -> BoundedConnection:
        connection = sqlite3.connect(*args, factory=BoundedConnection, **kwargs)
        connection.calls = calls
        return connection

    return calls.run(begin)
