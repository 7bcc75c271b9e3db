"""Copies the database's file whole, as of one instant."""

import fcntl
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from monitor.storage.lock import HeldError, refuse_replaced

_PAGES_AT_ONCE: Final = 1_000
_MOST_FAULTS: Final = 20
#: How the name of a copy ends until it is whole.
_UNFINISHED: Final = ".hotspare-copy"
_TRIES: Final = 10
_LOOK_S: Final = 0.01
_NAME: Final = re.compile(rf"\..+\.[0-9]+{re.escape(_UNFINISHED)}")


class CopyError(Exception):
    """There is no copy; the message says why. Nothing was overwritten."""


def connect_to_file(path: Path, mode: str) -> sqlite3.Connection:
    """A connection of SQLite's own, outside of any pool; `mode` is `ro` or `rw`."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def faults(connection: sqlite3.Connection, check: str) -> list[str]:
    """What `integrity_check` or `quick_check` finds wrong, at most twenty faults."""
    rows = [str(text) for (text,) in connection.execute(f"PRAGMA {check}({_MOST_FAULTS})")]
    return [] if rows == ["ok"] else rows


def copy_database(path: Path, to: Path, progress: Callable[[float, float], None] = lambda _done, _all: None) -> int:
    """Copy the database, while it is written or not; returns the size of the copy in bytes.

    The copy appears at `to` when it is whole and was checked; it may be read by whom the database may. `progress`
    gets pages done and pages in all. Raises CopyError.
    """
    if to.exists():
        raise CopyError(f"{to} is there already: name a new file; nothing was overwritten")
    try:
        refuse_replaced(path)
        _require_readable(path)
        with _unfinished(to) as unfinished:
            unfinished.chmod(path.stat().st_mode & 0o777)
            with closing(connect_to_file(path, "ro")) as source, closing(sqlite3.connect(unfinished)) as copy:
                source.backup(
                    copy, pages=_PAGES_AT_ONCE, progress=lambda _, left, all_: progress(all_ - left, all_), sleep=0.01
                )
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
                if found := faults(copy, "quick_check"):
                    raise CopyError(f"the copy of {path} is damaged: {found[0]}")
            os.link(unfinished, to)  # fails where somebody else has made the file meanwhile
    except OSError as error:
        raise CopyError(f"{to} cannot be written: {error.strerror or error}") from error
    except (sqlite3.Error, HeldError) as error:
        raise CopyError(f"{to} cannot be written: {error}") from error
    return to.stat().st_size


def _require_readable(path: Path) -> None:
    """Raise CopyError where the fault is the database's, not the copy's."""
    try:
        with closing(connect_to_file(path, "ro")) as source:
            source.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise CopyError(f"database {path} cannot be read: {error}") from error


@contextmanager
def _unfinished(to: Path) -> Iterator[Path]:
    """An empty file beside `to` for the time of a block; those of processes that were killed are removed first.

    Where files cannot be locked (some network file systems) those stay.
    """
    _remove_abandoned(to.parent)
    path = to.with_name(f".{to.name}.{os.getpid()}{_UNFINISHED}")
    descriptor = _open_locked(path)
    try:
        yield path
    finally:
        for each in (path, *_companions(path)):
            each.unlink(missing_ok=True)
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            time.sleep(_LOOK_S)
            continue
        except OSError:
            return descriptor
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another process took it for one that was left, before it was locked
    raise CopyError(f"{path} is in use by another process")


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob(f".*{_UNFINISHED}"):
        with suppress(OSError):
            if _NAME.fullmatch(left.name) and stat.S_ISREG(left.lstat().st_mode):
                with left.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its process lives
                    for each in (*_companions(left), left):
                        each.unlink(missing_ok=True)


def _companions(path: Path) -> list[Path]:
    """What SQLite keeps beside a file while it writes it."""
    return [Path(f"{path}{suffix}") for suffix in ("-journal", "-wal", "-shm")]
