"""What an operator does with the database: look into it; of a file, back it up, check it, give unused space back."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select, table, text

from monitor.config.database_url import is_postgres, shown_url
from monitor.storage.column_conversions import maybe_from_ms, to_ms
from monitor.storage.database import DatabaseError, open_reader
from monitor.storage.database_copy import CopyError, connect_to_file, copy_database, faults
from monitor.storage.lock import instance_lock, log_of, refuse_replaced
from monitor.storage.observation_reads import in_slots
from monitor.storage.rollup_tables import ROLLUPS, ROUTE_ROLLUPS
from monitor.storage.sqlite_engine import database_path
from monitor.storage.tables import OBSERVATIONS

_INCREMENTAL: Final = 2
"""What SQLite calls the mode in which unused pages are given back in steps."""
_PAGES_GIVEN_BACK: Final = 64
#: Unused pages that stay for what comes next.
_KEPT_PAGES: Final = 1_000
_KEPT_SHARE: Final = 0.1
_DAY: Final = timedelta(days=1)
_SUMS: Final = (ROLLUPS, ROUTE_ROLLUPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """One table, its indexes included."""

    name: str
    rows: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseInfo:
    """What the file holds; sizes in bytes."""

    path: str
    """Of the file; of PostgreSQL, its URL without the password."""
    schema: str
    size: int
    wal_size: int
    """Of the write-ahead log beside the file."""
    unused: int | None
    """Of the file, what removed rows have left; used again before the file grows. None: PostgreSQL's concern."""
    gives_back: bool
    """Whether unused space is given back to the disk by itself."""
    tables: tuple[TableSize, ...]
    """The largest first."""
    oldest: datetime | None
    """Of the observations; None without any."""
    last_day: int
    """Observations of the last 24 hours."""
    sums_last_day: int = 0
    """Sums of hours and days, of targets and routes, that began in them."""

    @property
    def bytes_per_sum(self) -> float | None:
        """What the sum of an hour or a day takes, its place in the key included; None without any."""
        stored = [table for table in self.tables if table.name in {sums.name for sums in _SUMS}]
        rows = sum(table.rows for table in stored)
        return sum(table.size for table in stored) / rows if rows else None

    @property
    def bytes_per_observation(self) -> float | None:
        """What one takes, its place in the key included; None without observations."""
        stored = next((table for table in self.tables if table.name == "observations"), None)
        return stored.size / stored.rows if stored and stored.rows else None


def read_info(url: str, now: datetime) -> DatabaseInfo:
    """Look into the database, while the service runs or not; raises DatabaseError. Counts every row."""
    if is_postgres(url):
        return _read_postgres(url, now)
    path = database_path(url)
    with open_reader(url).connect() as connection:
        (schema,) = connection.exec_driver_sql("SELECT version_num FROM alembic_version").one()
        pragmas = ("page_size", "freelist_count", "auto_vacuum")
        page, unused, mode = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas)
        sizes = connection.exec_driver_sql(
            "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name"
            " WHERE s.tbl_name NOT LIKE 'sqlite_%' AND s.tbl_name <> 'alembic_version' GROUP BY 1 ORDER BY 2 DESC, 1"
        ).all()
        rows = {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name, _ in sizes}
        oldest, last_day, sums_last_day = _observed(connection, now)
    wal = log_of(path)
    return DatabaseInfo(
        path=str(path),
        schema=schema,
        size=path.stat().st_size,
        wal_size=wal.stat().st_size if wal.exists() else 0,
        unused=unused * page,
        gives_back=mode == _INCREMENTAL,
        tables=tuple(TableSize(name=name, size=size, rows=rows[name]) for name, size in sizes),
        oldest=oldest,
        last_day=last_day,
        sums_last_day=sums_last_day,
    )


def _read_postgres(url: str, now: datetime) -> DatabaseInfo:
    with open_reader(url).connect() as connection:
        schema = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        sizes = connection.execute(
            text(
                "SELECT c.relname, CASE c.relkind WHEN 'r' THEN pg_total_relation_size(c.oid)"
                " ELSE (SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t) END"
                " FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
                " AND NOT c.relispartition AND c.relname <> 'alembic_version' ORDER BY 2 DESC NULLS LAST, 1"
            )
        ).all()
        rows = {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name, _ in sizes}
        oldest, last_day, sums_last_day = _observed(connection, now)
    return DatabaseInfo(
        path=shown_url(url),
        schema=schema,
        size=size,
        wal_size=0,
        unused=None,
        gives_back=True,
        tables=tuple(TableSize(name=name, size=int(size), rows=rows[name]) for name, size in sizes),
        oldest=oldest,
        last_day=last_day,
        sums_last_day=sums_last_day,
    )


def _observed(connection: Connection, now: datetime) -> tuple[datetime | None, int, int]:
    """The oldest observation, how many there are of the last day, and how many sums began in it."""
    since_ms = to_ms(now - _DAY)
    oldest_ms = connection.scalar(select(func.min(OBSERVATIONS.c.started_ms)))
    last_day = (
        connection.scalar(select(func.count()).where(OBSERVATIONS.c.started_ms > since_ms, in_slots(since_ms))) or 0
    )
    sums = (connection.scalar(select(func.count()).where(each.c.start_ms > since_ms)) for each in _SUMS)
    return maybe_from_ms(oldest_ms), last_day, sum(filter(None, sums))


def back_up(url: str, to: Path, progress: Callable[[float, float], None]) -> int:
    """Copy the database as of one instant, while the service runs or not; returns the size of the copy in bytes.

    The copy appears at `to` when it is whole and was checked; nothing there is ever overwritten. `progress` gets
    pages done and pages in all. Raises DatabaseError.
    """
    path = _existing(url, "`pg_dump --format=custom` copies it, while the service runs or not")
    try:
        return copy_database(path, to, progress)
    except CopyError as error:
        raise DatabaseError(str(error)) from error


def check(url: str) -> list[str]:
    """Read every page and compare every index; returns what is wrong, at most twenty faults. Raises DatabaseError."""
    path = _existing(url, "`pg_amcheck` reads every page and compares every index")
    try:
        with closing(connect_to_file(path, "ro")) as connection:
            return faults(connection, "integrity_check")
    except sqlite3.DatabaseError as error:
        return [str(error)]


def vacuum(url: str) -> tuple[int, int]:
    """Write the file anew without unused space, which is given back by itself from then on; the sizes before and after.

    The service must not run, and the disk needs room for a second copy. Raises DatabaseError, or
    `monitor.storage.lock.LockError` while the service runs.
    """
    path = _existing(url, "its autovacuum uses the space of removed rows again")
    refuse_replaced(path)
    with instance_lock(path):
        before = path.stat().st_size
        free = shutil.disk_usage(path.parent).free
        if free < 2 * before:
            raise DatabaseError(f"{path.parent} has {free:,} bytes free, and needs {2 * before:,} for a moment")
        try:
            with closing(connect_to_file(path, "rw")) as connection:
                connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise DatabaseError(f"database {path}: {error}; it is as it was") from error
    return before, path.stat().st_size


def give_back(connection: Connection) -> None:
    """Give some of the unused pages back to the disk, where they are many and the file is made for it."""
    unused, pages, mode = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("freelist_count", "page_count", "auto_vacuum")
    )
    if mode == _INCREMENTAL and unused > max(_KEPT_PAGES, _KEPT_SHARE * pages):
        for _ in range(_PAGES_GIVEN_BACK):
            connection.exec_driver_sql(
                "PRAGMA incremental_vacuum(1)"
            ).close()  # the driver does the first step of more only


def _existing(url: str, postgres: str) -> Path:
    """The database's file, of whatever version; raises DatabaseError where there is none.

    `postgres` says what is done where the database is no file.
    """
    if is_postgres(url):
        raise DatabaseError(f"database {shown_url(url)} is PostgreSQL's: {postgres}")
    path = database_path(url)
    if not path.is_file():
        raise DatabaseError(f"no database at {path}: is `hotspare run` running, and from this folder?")
    return path
