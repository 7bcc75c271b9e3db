"""A disk whose every step can be the last, or fail: SQLite's calls, and what Python does with files.

SQLite's calls come through `DiskCalls`, which the service's database is given; opening, renaming, removing files is
seen, and refused, by an audit hook of the interpreter.
"""

import errno
import resource
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from controller.routing.ballast import SIZE
from monitor.storage.bounded_sqlite import DiskCalls

P = ParamSpec("P")
T = TypeVar("T")

_FILE_STEPS: Final = frozenset(
    {"open", "os.rename", "os.remove", "os.truncate", "os.chmod", "os.mkdir", "os.link", "tempfile.mkstemp"}
)
_WRITING: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE", "PRAGMA application_id=", "CREATE")


class KilledError(BaseException):
    """Stands for the end of the process at that point: nothing of it touches the disk any more."""


class WatchedDisk(Protocol):
    """Whoever is told of steps with files before they are made, and may refuse them."""

    is_observed: bool
    """Nobody is told while this is set."""

    def file_step(self, event: str, args: tuple[Any, ...]) -> None:
        """One of the interpreter's audit events."""


#: The process watches one disk at a time, through a hook that cannot be taken back.
_WATCHED: list[WatchedDisk] = []


def watch_files(disk: WatchedDisk) -> None:
    """Tell this disk, and no other, from now on."""
    if not _WATCHED:
        sys.addaudithook(_audit)
        _WATCHED.append(disk)
    _WATCHED[0] = disk


class SimulatedDisk:
    """The folder `routes` and the database, with the faults that are on."""

    def __init__(self, folder: Path) -> None:
        self.routes = folder / "routes"
        self.steps = 0
        self.kill_in: int | None = None
        """The process ends at the so manieth step from now on."""
        self.is_dead = False
        self.is_observed = False
        """Whoever looks at the files meanwhile is not the service."""
        self.on_step: Callable[[], None] = lambda: None
        """Is called before each step."""
        self.routing_error: int | None = None
        """The errno of every step in `routes`; ENOSPC only of those that need room."""
        self.database_error: int | None = None
        """SQLite's code of every call; SQLITE_FULL only of those that write."""
        self.calls = _Calls(self)

    def watch(self) -> None:
        """See this disk, and no other, from now on."""
        watch_files(self)

    def step(self) -> None:
        """One step is about to be made."""
        if self.is_observed:
            return
        if self.is_dead:
            raise KilledError
        self.steps += 1
        self.is_observed = True
        try:
            self.on_step()
        finally:
            self.is_observed = False
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.kill_in, self.is_dead = None, True
                raise KilledError

    def file_step(self, event: str, args: tuple[Any, ...]) -> None:
        """A step with a file or a folder below `routes`, or one that is open."""
        path = args[0]
        if not ((isinstance(path, str) and path.startswith(str(self.routes))) or event == "os.chmod"):
            return
        self.step()
        if self.routing_error is None or self.is_observed:
            return
        needs_room = event == "tempfile.mkstemp" or (
            event == "open" and ".unjournalled" in str(path) and bool(args[2] & 0o100)
        )
        if self.routing_error == errno.ENOSPC and (not needs_room or self._has_room()):
            return
        raise OSError(self.routing_error, "simulated", str(path))

    def _has_room(self) -> bool:
        """Whether the ballast was given up, in whole or in part."""
        try:
            return next(self.routes.glob(".*.ballast")).stat().st_size < SIZE
        except (StopIteration, OSError):
            return True

    def limit_files(self, size: int | None) -> int | None:
        """No file may grow beyond so many bytes: writes are cut off there; returns the bound of before."""
        before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
        return None if before == hard else before


class _Calls(DiskCalls):
    """SQLite's calls, one by one, on the caller's own thread."""

    def __init__(self, disk: SimulatedDisk) -> None:
        super().__init__()
        self._disk = disk
        self._held: list[tuple[Callable[[], object], Callable[[], object] | None]] = []
        self.hangs = False
        """Whether the disk neither works nor fails."""

    @property
    def is_hanging(self) -> bool:
        return bool(self._held)

    def run_with(
        self, late: Callable[[], object] | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self._disk.step()
        if self._held or (self.hangs and not self._disk.is_observed):
            if not self._held:
                self._held.append((lambda: function(*args, **kwargs), late))
                self.gave_up = True
            raise _error(sqlite3.SQLITE_IOERR, "the disk does not answer")
        code = self._disk.database_error
        if (
            code is not None
            and function.__name__ != "close"
            and (code != sqlite3.SQLITE_FULL or _writes(function, args))
        ):
            raise _error(code, "simulated")
        return function(*args, **kwargs)

    def answer(self) -> None:
        """The disk answers: what was given up comes about, and is then rolled back where that can be."""
        self.hangs = False
        held, self._held = self._held, []
        for function, late in held:
            for call in (function, late):
                try:
                    if call:
                        call()
                except sqlite3.Error:
                    pass
        self._make_late_calls()

    def forget(self) -> None:
        """The process that waited is gone."""
        self.hangs, self._held, self._later = False, [], []


def _writes(function: Callable[..., object], args: tuple[object, ...]) -> bool:
    sql = args[0] if args and isinstance(args[0], str) else ""
    return function.__name__ in {"commit", "executemany"} or sql.lstrip().upper().startswith(_WRITING)


def _error(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _FILE_STEPS and not _WATCHED[0].is_observed:
        _WATCHED[0].file_step(event, args)
