"""The service's database: locked, and opened again after whatever happened to it while others went on in memory."""

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext

from monitor.storage.bounded_sqlite import DiskCalls
from monitor.storage.database import DatabaseError, database_path, prepare, reading, writer_engine
from monitor.storage.lock import InstanceLock, LockError

log = logging.getLogger(__name__)

#: Whoever waits for the database makes users wait; what it refuses is kept in memory and tried again.
BUSY_S: Final = 0.25
_RETRY_S: Final = 1.0
_START_S: Final = 60.0
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


class DatabaseOutage(NamedTuple):
    """How long the database could not be used, and why at first."""

    lasted_s: float
    why: str


class WriterDatabase:
    """The one writer's database. Not thread-safe.

    Once SQLite reports a fault of the file or its disk (`unusable`), every transaction raises DatabaseError at once,
    until `recover` has opened it again. A file that was deleted or replaced is begun anew or gone on with; one that is
    damaged is set aside first.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        busy_s: float = BUSY_S,
        calls: DiskCalls | None = None,
    ) -> None:
        self._path = database_path(url)
        self.calls = calls or DiskCalls()
        """Those of SQLite: one that hangs is a fault of the disk."""
        self._monotonic = monotonic
        self._lock = InstanceLock(self._path)
        self._damaged = False
        self._tried_s = float("-inf")
        self._log_inode: int | None = None
        """Of the write-ahead log that belongs to the file that is open."""
        self._size = 0
        """Of the file when it was last looked at: one that is in use grows, and shrinks only by force."""
        self._recovering = False
        self.name = self._path.name
        """Of the file, for people."""
        self.lineage = 0
        """A number that a database is given once, and that its backups share; 0 where it could not be given one."""
        self.unusable: str | None = f"database {self._path} is not open"
        """Why it cannot be used; None while it can."""
        self.unusable_since_s: float | None = monotonic()
        """Since which monotonic second."""
        self.replaced: str | None = None
        """What became of the former file, as a sentence, once another one is used; whoever acts on it sets it None."""
        self._first_why = self.unusable
        self.engine = writer_engine(self._path, busy_s, self.calls)
        """As of `open_writer`; it outlives the files."""
        event.listen(self.engine, "begin", self._refuse_if_unusable, insert=True)
        event.listen(self.engine, "handle_error", self._note_fault)

    def open(self) -> None:
        """Lock it and make it ready; raises LockError when another process holds it, and DatabaseError.

        Nobody waits for a decision yet, so a slow disk has a minute for each call.
        """
        self._recovering = True
        deadline_s, self.calls.deadline_s = self.calls.deadline_s, _START_S
        try:
            self._acquire()
            prepare(self.engine, self._path)
            self._give_lineage()
        except BaseException as error:
            self._first_why = str(error)
            self.engine.dispose()
            raise
        finally:
            self._recovering, self.calls.deadline_s = False, deadline_s
        self._usable_again()
        self.unusable_since_s = None

    def _acquire(self) -> None:
        try:
            self.calls.run(self._lock.acquire)
        except sqlite3.Error as error:
            raise DatabaseError(f"database {self._path} cannot be locked: {error}") from error

    def close(self) -> None:
        """Close it, and let go of the lock."""
        self.engine.dispose()
        self._lock.release()

    def recover(self, now: datetime) -> bool:
        """Whether it can be used; tries once a second to open it and to write where it cannot. Never raises.

        It counts as unusable until `confirm_written`: on a full disk a page may have room, and the rest have none.
        """
        if self.unusable is None:
            return True
        if self.calls.is_hanging or self._monotonic() - self._tried_s < _RETRY_S:
            return False
        self._tried_s = self._monotonic()
        self._recovering = True
        try:
            self._open_again(now)
        except (DatabaseError, LockError, OSError) as error:
            self._note(str(error))
            return False
        finally:
            self._recovering = False
        self._usable_again()
        return True

    def confirm_written(self) -> DatabaseOutage | None:
        """All that waited is written: the outage that is over by now, if there was one."""
        outage = None
        if self.unusable_since_s is not None and self.unusable is None:
            outage = DatabaseOutage(self.unusable_s(), self._first_why)
            self.unusable_since_s = None
        return outage

    def is_settled(self) -> bool:
        """Whether there is neither an outage that goes on, or is to be confirmed, nor another file to be told of."""
        return self.unusable_since_s is None and self.replaced is None

    def is_usable(self) -> bool:
        """Whether it can be used, as far as is known."""
        return self.unusable is None

    def unusable_s(self) -> float:
        """For how many seconds something has waited for it; 0 while nothing does."""
        return 0.0 if self.unusable_since_s is None else self._monotonic() - self.unusable_since_s

    def _open_again(self, now: datetime) -> None:
        # Anything half open may be the obstacle: a log that was deleted, pages that were read before.
        self.engine.dispose()
        former = None
        if not self._lock.is_current() or self._damaged:
            former = self._leave_former(now)
            self._acquire()
        emptied = prepare(self.engine, self._path)
        self._require_all_pages()
        if former or (emptied and self._log_inode is not None):
            begun = "a new one was begun" if emptied else "the one in its place is used from now on"
            self.replaced = f"{former or f'database {self._path} was emptied by someone else'}: {begun}"
        self._give_lineage()
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id={self.lineage}")

    def _leave_former(self, now: datetime) -> str:
        """Let go of the file, and move away what must not be opened again; says what was wrong with it."""
        locked, damaged = self._lock.is_current(), self._damaged
        self._lock.release()
        mark = now.strftime("%Y%m%dT%H%M%SZ")
        log_file = Path(f"{self._path}-wal")
        if locked and damaged:
            aside = self._path.with_name(f"{self._path.name}.damaged-{mark}")
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
            self._damaged = False
            return f"database {self._path} was damaged and is set aside as {aside.name}"
        self._damaged = False
        if self._log_inode is not None and _inode(log_file) == self._log_inode:
            # It belongs to the file that is gone: SQLite would read it into the new one.
            log_file.rename(f"{self._path}.former-{mark}-wal")
            with suppress(FileNotFoundError):
                Path(f"{self._path}-shm").unlink()
        return f"database {self._path} was deleted or replaced by someone else"

    def _give_lineage(self) -> None:
        with reading(self.engine).connect() as connection:
            self.lineage = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        if not self.lineage:
            fresh = secrets.randbelow(2**31 - 1) + 1
            with suppress(DatabaseError), self.engine.begin() as connection:
                connection.exec_driver_sql(f"PRAGMA application_id={fresh}")
                self.lineage = fresh
        self._log_inode = _inode(Path(f"{self._path}-wal"))

    def _require_all_pages(self) -> None:
        """Raise DatabaseError, and call it damaged, where the file ends before its last page."""
        with reading(self.engine).connect() as connection:
            wanted = _whole_bytes(connection)
        wal = Path(f"{self._path}-wal")
        whole = self._path.stat().st_size >= wanted or (wal.exists() and wal.stat().st_size > 0)
        if not whole:
            self._damaged = True
            raise DatabaseError(f"database {self._path} was cut off by someone else")

    def _usable_again(self) -> None:
        self.unusable, self._damaged, self._size = None, False, 0

    def _refuse_if_unusable(self, connection: Connection) -> None:
        if self._recovering:
            return
        if not self._lock.is_current():
            self._note(f"database {self._path} was deleted or replaced by someone else")
        elif self._was_cut_off(connection):
            self._note(f"database {self._path} was cut off by someone else")
        elif not self._damaged and connection.get_execution_options().get("reading"):
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

    def _note(self, why: str) -> None:
        if self.unusable_since_s is None:
            log.error("database_unusable: %s", why)
            self.unusable_since_s, self._first_why = self._monotonic(), why
        self.unusable = why


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
