"""What others do to the database of a simulated service: disks, people with commands, those who look."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.drills.simulation.history import ROUTES, Fault, FaultKind
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import Override, OverrideKind
from controller.routing.store import OverrideStore
from monitor.storage.database import DatabaseError, open_operator, open_writer
from monitor.storage.database_copy import CopyError, copy_database

_BY: Final = "ana"
_PAGE: Final = 4096
OVERRIDES: Final = {
    FaultKind.PIN: OverrideKind.PIN,
    FaultKind.DRAIN: OverrideKind.DRAIN,
    FaultKind.FREEZE: OverrideKind.PAUSE,
    FaultKind.DRILL: OverrideKind.DRILL,
    FaultKind.MAINTENANCE: OverrideKind.MAINTENANCE,
}


def harm(path: Path, kind: FaultKind, dice: Random) -> None:
    """Delete the database, put an older copy in its place, overwrite its pages or cut it."""
    if not path.exists():
        return
    if kind is FaultKind.DELETED:
        for each in path.parent.glob("hotspare.db*"):
            if each.suffix in {".db", ".db-wal", ".db-shm"}:
                each.unlink()
    elif kind is FaultKind.OLDER_COPY:
        copy = _older(path)
        if not copy.exists():
            copy.write_bytes(empty_database())
        copy.rename(path)
    elif kind is FaultKind.CUT:
        os.truncate(path, path.stat().st_size // (2 * _PAGE) * _PAGE)
    else:
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            for page in range(0, path.stat().st_size, _PAGE):
                file.seek(page)
                file.write(dice.randbytes(_PAGE))


def back_up(path: Path) -> None:
    """As `hotspare db backup`; the copy is what may be put in place later."""
    _older(path).unlink(missing_ok=True)
    with suppress(CopyError):
        copy_database(path, _older(path))


def _older(path: Path) -> Path:
    return path.with_name("older.db")


def begin_override(url: str, fault: Fault, now: datetime) -> None:
    """What an operator's command stores."""
    kind = OVERRIDES[fault.kind]
    target = ROUTES[fault.subject][1] if kind in {OverrideKind.PIN, OverrideKind.DRILL} else None
    override = Override(
        kind=kind,
        subject=fault.subject,
        target=target,
        author=_BY,
        reason="simulated",
        forced=True,
        at=now,
        until=now + timedelta(seconds=fault.lasts_s),
    )
    event = OverrideEvent(kind="pinned", subject=fault.subject, text="simulated")
    with suppress(DatabaseError):
        _overrides(url).begin(override, lambda _: event)


def end_overrides(url: str, faults: Iterable[Fault], now: datetime) -> None:
    """Take back what people have laid on: where the clock was set meanwhile it is still in force."""
    for fault in faults:
        if fault.kind in OVERRIDES:
            with suppress(DatabaseError):
                _overrides(url).end(
                    OVERRIDES[fault.kind],
                    {fault.subject},
                    at=now,
                    by=_BY,
                    reason="",
                    event_for=lambda each: OverrideEvent(kind="unpinned", subject=each.subject, text="simulated"),
                )


def _overrides(url: str) -> OverrideStore:
    return OverrideStore(open_operator(url, busy_timeout_s=0))


def read_beside(path: Path, sql: str) -> list[Any]:
    """What the database says, read beside the service; nothing where it cannot be read."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as connection:
        return connection.execute(sql).fetchall()
    return []


@cache
def empty_database() -> bytes:
    """A database of this version without a row."""
    with TemporaryDirectory() as name:
        path = Path(name) / "empty.db"
        open_writer(f"sqlite:///{path}").dispose()
        return path.read_bytes()
