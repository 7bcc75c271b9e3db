"""Copies the database's file whole, as of one instant."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from monitor.storage.lock import HeldError, refuse_replaced

_PAGES_AT_ONCE: Final = 1_000
_MOST_FAULTS: Final = 20


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
    unfinished = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        refuse_replaced(path)
        unfinished.touch(mode=0o600)
        unfinished.chmod(path.stat().st_mode & 0o777)
        with closing(connect_to_file(path, "ro")) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(
                copy, pages=_PAGES_AT_ONCE, progress=lambda _, left, pages: progress(pages - left, pages), sleep=0.01
            )
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            if found := faults(copy, "quick_check"):
                raise CopyError(f"the copy of {path} is damaged: {found[0]}")
        os.link(unfinished, to)  # fails where somebody else has made the file meanwhile
    except (sqlite3.Error, OSError, HeldError) as error:
        raise CopyError(f"{to} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return to.stat().st_size
