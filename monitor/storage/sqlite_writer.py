"""The service's SQLite file: locked, opened again, begun anew where it is gone, set aside where it is damaged."""

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.engine import ExceptionContext

from monitor.clock import utc_now
from monitor.storage.bounded_sqlite import DiskCalls
from monitor.storage.database_error import DatabaseError
from monitor.storage.lock import InstanceLock, log_left_behind, log_of
from monitor.storage.sqlite_engine import prepare, writer_engine
from monitor.storage.transactions import is_reading, reading
from monitor.storage.writer_database import BUSY_S, START_S, WriterDatabase

log = logging.getLogger(__name__)

#: A time in the name of a file.
_MARK: Final = "%Y%m%dT%H%M%SZ"
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
#: What says something of the database or its disk, and nothing of the statement.
_FAULTS: Final = _DAMAGED | {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


class SqliteWriter(WriterDatabase):
    """The file, locked.

    One that was deleted or replaced is begun anew or gone on with; one that is damaged is set aside first.
    """

    def __init__(
        self,
        path: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        busy_s: float = BUSY_S,
        calls: DiskCalls | None = None,
    ) -> None:
        self._path = path
        self.calls = calls or DiskCalls()
        """Those of SQLite: one that hangs is a fault of the disk."""
        self._lock = InstanceLock(path)
        self._damaged = False
        self._former: str | None = None
        """What was wrong with the file that was let go of, until another one is open."""
        self._log_inode: int | None = None
        """Of the write-ahead log that belongs to the file that is open."""
        self._size = 0
        """Of the file when it was last looked at: one that is in use grows, and shrinks only by force."""
        engine = writer_engine(path, busy_s, self.calls)
        super().__init__(engine, name=path.name, shown=f"database {path}", monotonic=monotonic)

    @property
    def in_doubt(self) -> bool:
        """As of `WriterDatabase`."""
        return self.calls.gave_up

    def resolve_doubt(self) -> None:
        """As of `WriterDatabase`."""
        self.calls.gave_up = False

    def _open_first(self) -> None:
        """A slow disk has a minute for each call."""
        deadline_s, self.calls.deadline_s = self.calls.deadline_s, START_S
        try:
            left = log_left_behind(self._path)
            self._acquire()
            if left:
                log.warning("database_replaced: %s has the log of another file beside it, moved away", self._path)
                _move_away(left, utc_now())
            prepare(self.engine, self._path, self.calls)
            self._give_lineage()
        finally:
            self.calls.deadline_s = deadline_s

    def _acquire(self) -> None:
        try:
            self.calls.run(self._lock.acquire)
        except sqlite3.Error as error:
            raise DatabaseError(f"database {self._path} cannot be locked: {error}") from error

    def close(self) -> None:
        """As of `WriterDatabase`."""
        self.engine.dispose()
        self._note_log()  # usually there is none any more, and its number may be that of another one's next
        self._lock.release()

    def _open_again(self, now: datetime) -> None:
        # Anything half open may be the obstacle: a log that was deleted, pages that were read before.
        self.engine.dispose()
        if not self._lock.is_current() or self._damaged:
            left = self._leave_former(now)
            self._former = self._former or left
            self._acquire()
        emptied = prepare(self.engine, self._path, self.calls)
        if emptied and self._log_inode is not None:
            self._former = self._former or f"database {self._path} was emptied by someone else"
        self._require_all_pages()
        if self._former:
            begun = "a new one was begun" if emptied else "the one in its place is used from now on"
            self.replaced, self._former = f"{self._former}: {begun}", None
        self._give_lineage()
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id={self.lineage}")

    def _leave_former(self, now: datetime) -> str:
        """Move away what must not be opened again, and let go of the file; says what was wrong with it.

        In this order: as long as the former file is held, nobody else opens the new one for writing.
        """
        why = f"database {self._path} was deleted or replaced by someone else"
        if self._damaged and self._lock.is_current():
            file = Path(os.path.realpath(self._path))
            aside = file.with_name(f"{file.name}.damaged-{now:{_MARK}}")
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{file}{suffix}").rename(f"{aside}{suffix}")
            why = f"database {self._path} was damaged and is set aside as {aside.name}"
        elif self._log_inode is not None and _inode(log_of(self._path)) == self._log_inode:
            _move_away(log_of(self._path), now)
        self._damaged = False
        self._lock.release()
        return why

    def _give_lineage(self) -> None:
        with reading(self.engine).connect() as connection:
            self.lineage = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        if not self.lineage:
            fresh = secrets.randbelow(2**31 - 1) + 1
            with suppress(DatabaseError), self.engine.begin() as connection:
                connection.exec_driver_sql(f"PRAGMA application_id={fresh}")
                self.lineage = fresh
        self._note_log()

    def _note_log(self) -> None:
        self._log_inode = _inode(log_of(self._path))
        with suppress(sqlite3.Error):
            self.calls.run(self._lock.note_log, self._log_inode)

    def _require_all_pages(self) -> None:
        """Raise DatabaseError, and call it damaged, where the file ends before its last page."""
        with reading(self.engine).connect() as connection:
            wanted = _whole_bytes(connection)
        wal = log_of(self._path)
        whole = self._path.stat().st_size >= wanted or (wal.exists() and wal.stat().st_size > 0)
        if not whole:
            self._damaged = True
            raise DatabaseError(f"database {self._path} was cut off by someone else")

    def _is_hanging(self) -> bool:
        return self.calls.is_hanging

    def _usable_again(self) -> None:
        super()._usable_again()
        self._damaged, self._size = False, 0

    def _refuse_if_unusable(self, connection: Connection) -> None:
        if self._recovering:
            return
        if not self._lock.is_current():
            self._note(f"database {self._path} was deleted or replaced by someone else")
        elif self._was_cut_off(connection):
            self._note(f"database {self._path} was cut off by someone else")
        elif not self._damaged and is_reading(connection):
            return  # what is full, or locked for writing, can often be read
        if self.unusable is not None:
            raise DatabaseError(self.unusable)

    def _was_cut_off(self, connection: Connection) -> bool:
        """Whether the file has shrunk below its pages; it does shrink where unused pages are given back."""
        before, self._size = self._size, self._path.stat().st_size
        return self._size < before and self._size < _whole_bytes(connection)

    def _note_fault(self, context: ExceptionContext) -> None:
        error = context.original_exception
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        emptied = code == sqlite3.SQLITE_ERROR and "no such table" in str(error)
        if code in _FAULTS or emptied:
            self._damaged |= code in _DAMAGED
            self._note(str(context.chained_exception or error))


def _move_away(log_file: Path, now: datetime) -> None:
    """The log of a file that is gone: SQLite would read it into the new one."""
    path = str(log_file).removesuffix("-wal")
    log_file.rename(f"{path}.former-{now:{_MARK}}-wal")
    Path(f"{path}-shm").unlink(missing_ok=True)


def _whole_bytes(connection: Connection) -> int:
    """How large the file is once everything is written into it."""
    pages, bytes_a_page = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in ("page_count", "page_size")
    )
    return pages * bytes_a_page


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
