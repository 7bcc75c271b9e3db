"""SQLite: a file with one writer, any number of readers, errors that say what to do."""

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, Pool, QueuePool, create_engine, event
from sqlalchemy.engine import ExceptionContext

from monitor.storage.bounded_sqlite import BoundedConnection, DiskCalls
from monitor.storage.bounded_sqlite import connect as connect_bounded
from monitor.storage.database_copy import CopyError, copy_database
from monitor.storage.database_error import DatabaseError
from monitor.storage.lock import HeldError, refuse_replaced
from monitor.storage.schema import SCHEMA, migrate_to_newest, require_newest, revision_of
from monitor.storage.transactions import give_up_unended, is_durable, is_reading, reading

log = logging.getLogger(__name__)

_PREFIX: Final = "sqlite:///"
#: Of a new file, and so of the log beside it: what providers wrote is nobody else's.
_MODE: Final = 0o600
_LARGEST_IDLE_WAL: Final = 64 * 1024 * 1024
#: So many pages gather in the log before they go into the file, each once however often it was written (SQLite: 1,000).
_LOGGED_PAGES: Final = 2_000
#: Of an insert that returns something. For each number of rows the driver keeps a statement, of as many parameters.
_ROWS_A_STATEMENT: Final = 20

#: What SQLite's primary error codes mean for the person who runs Hotspare.
_MEANING: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another process; stop whatever else writes to it",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; is it still there, and may this user write to its folder?",
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away to start a new one, or restore a backup",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk",
    sqlite3.SQLITE_NOTADB: "is not a database; move it away or set another `database`",
    sqlite3.SQLITE_PERM: "may not be used by this user; check its permissions",
    sqlite3.SQLITE_READONLY: "cannot be written; check the permissions of the file and its folder (for readers too)",
}


def database_path(url: str) -> Path:
    """The file behind `sqlite:///path`; everything after the prefix is the path, as it is.

    Raises DatabaseError for any other kind of database.
    """
    path = url.removeprefix(_PREFIX)
    if not url.startswith(_PREFIX):
        raise DatabaseError(f"database {_shown(url)!r} is not supported: expected 'sqlite:///path/to/file.db'")
    if path == ":memory:":
        raise DatabaseError(f"database {url!r} keeps nothing: expected a file, such as 'sqlite:///var/hotspare.db'")
    if not path or "\0" in path:
        raise DatabaseError(f"database {url!r} names no file: expected 'sqlite:///path/to/file.db'")
    return Path(path)


def open_writer(url: str, busy_timeout_s: float) -> Engine:
    """As `monitor.storage.database.open_writer`; every transaction is `BEGIN IMMEDIATE`."""
    path = database_path(url)
    engine = writer_engine(path, busy_timeout_s)
    try:
        prepare(engine, path)
    except BaseException:
        engine.dispose()
        raise
    _keep_to_this_file(engine, path)
    return engine


def open_reader(url: str, busy_timeout_s: float) -> Engine:
    """As `monitor.storage.database.open_reader`; as long as a connection is open, the writer's log cannot shrink."""
    return _open_existing(database_path(url), mode="ro", begin="BEGIN", busy_timeout_s=busy_timeout_s)


def open_operator(url: str, busy_timeout_s: float) -> Engine:
    """As `monitor.storage.database.open_operator`; every transaction is `BEGIN IMMEDIATE`."""
    return _open_existing(database_path(url), mode="rw", begin="BEGIN IMMEDIATE", busy_timeout_s=busy_timeout_s)


def writer_engine(path: Path, busy_timeout_s: float, calls: DiskCalls | None = None) -> Engine:
    """The engine of `open_writer`; it opens the file when it is first used, and anew after each `dispose`.

    With `calls`, SQLite has their deadline: one that hangs is an error of the disk.
    """
    return _engine(
        path, mode="rwc", begin="BEGIN IMMEDIATE", pool=QueuePool, busy_timeout_s=busy_timeout_s, calls=calls
    )


def prepare(engine: Engine, path: Path, calls: DiskCalls | None = None) -> bool:
    """Make and migrate the writer's database; True when it held nothing before.

    One of this version is only read: a full disk or a lock is no obstacle. One of an older version is first copied to
    `backup_path`. `calls` are those of the engine. Raises DatabaseError.
    """
    try:
        _within_deadline(calls, _make_room, path)
    except sqlite3.Error as error:
        raise DatabaseError(_explanation(path, error)) from error
    with reading(engine).connect() as connection:
        revision = revision_of(
            connection, f"database {path}"
        )  # before anything is written: it may be another program's
    _write_ahead(engine, path)
    if revision is not None and revision < SCHEMA:
        _back_up(path, revision)
    if revision != SCHEMA:
        with engine.begin() as connection:
            _migrate(connection, path)
    return revision is None


def backup_path(path: Path, revision: str) -> Path:
    """Where the database is kept as it was at that revision, when it is brought up to date."""
    return path.with_name(f"{path.name}.schema-{revision}")


def _open_existing(path: Path, *, mode: str, begin: str, busy_timeout_s: float) -> Engine:
    if not path.exists():
        raise DatabaseError(f"no database at {path}: is `hotspare run` running, and from this folder?")
    _require_file(path)
    engine = _engine(path, mode=mode, begin=begin, pool=NullPool, busy_timeout_s=busy_timeout_s)
    with engine.connect() as connection:
        require_newest(connection, f"database {path}")
    return engine


def _shown(url: str) -> str:
    """The URL without the parts that may hold a password."""
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://…" if separator and scheme != "sqlite" else url


def _make_room(path: Path) -> None:
    """Make the folder; raise DatabaseError where no database can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"database {path}: its folder cannot be made: {error.strerror} ({error.filename})"
        ) from error
    if path.exists():
        _require_file(path)
        if not os.access(path, os.W_OK):
            raise DatabaseError(f"database {path} cannot be written by this user: check its permissions")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise DatabaseError(
            f"database {path}: this user cannot write to its folder {path.parent}: check the permissions"
        )


def _make_file(path: Path) -> None:
    with suppress(OSError):  # there is one, or SQLite says why there can be none
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))


def _within_deadline(calls: DiskCalls | None, function: Callable[[Path], None], path: Path) -> None:
    """Call it as SQLite is called: whatever may make a file or a folder waits for a disk that hangs."""
    if calls:
        calls.run(function, path)
    else:
        function(path)


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DatabaseError(f"database {path} is a folder or a device: expected a file")
    if not os.access(path, os.R_OK):
        raise DatabaseError(f"database {path} cannot be read by this user: check its permissions")


def _engine(
    path: Path, *, mode: str, begin: str, pool: type[Pool], busy_timeout_s: float, calls: DiskCalls | None = None
) -> Engine:
    # Absolute, so that a later chdir changes nothing; `as_uri` quotes `?`, `#` and `%`.
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        if mode == "rwc":
            _within_deadline(calls, _make_file, path)
        if mode == "rw":
            _require_the_services_own(path)
        # Without isolation_level=None the driver would begin transactions by itself, and deferred ones.
        open_file = partial(connect_bounded, calls) if calls else sqlite3.connect
        connection = open_file(uri, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            if mode == "rwc" and not (path.exists() and path.stat().st_size):
                # Only of use in a new file; an old one needs a VACUUM after it, and would be written for nothing.
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            if mode == "rwc":
                connection.execute(f"PRAGMA wal_autocheckpoint={_LOGGED_PAGES}")
        except BaseException:
            connection.close()  # as long as it is open it holds a lock
            raise
        return connection

    sizes = {"pool_size": 1, "max_overflow": 0} if pool is QueuePool else {}
    engine = create_engine(
        "sqlite://", creator=connect, poolclass=pool, insertmanyvalues_page_size=_ROWS_A_STATEMENT, **sizes
    )

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        if is_reading(connection):
            connection.exec_driver_sql("BEGIN")
            return
        synchronous = "FULL" if is_durable(connection) else "NORMAL"
        if connection.info.get("synchronous") != synchronous:
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
            connection.info["synchronous"] = synchronous
        connection.exec_driver_sql(begin)

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> DatabaseError | None:
        """What to raise instead; None for errors that are not SQLite's."""
        error = context.original_exception
        if not isinstance(error, sqlite3.Error):
            return None
        give_up_unended(context)
        return DatabaseError(_explanation(path, error))

    return engine


def _require_the_services_own(path: Path) -> None:
    """Raise DatabaseError where the service has yet to notice that another file was put in place."""
    try:
        refuse_replaced(path)
    except HeldError as error:
        raise DatabaseError(f"database {error}") from error


def _explanation(path: Path, error: sqlite3.Error) -> str:
    # Errors of the driver itself (a wrong parameter, say) carry no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return f"database {path} {_MEANING.get(code, 'refused a statement')} ({error})"


def _back_up(path: Path, revision: str) -> None:
    """Copy the database before its schema is changed; one that is there already, of an earlier start, is kept."""
    to = backup_path(path, revision)
    if to.exists():
        return
    try:
        size = copy_database(path, to)
    except CopyError as error:
        raise DatabaseError(
            f"database {path} has schema {revision!r} and is not brought up to {SCHEMA!r} without a copy: {error};"
            f" make room, or put a copy of your own at {to}"
        ) from error
    log.info("database_backed_up: %s (%s bytes), as it was at schema %s", to, f"{size:,}", revision)


def _write_ahead(engine: Engine, path: Path) -> None:
    """Switch on write-ahead logging, which outlives the connection."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA journal_size_limit={_LARGEST_IDLE_WAL}")
        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    except sqlite3.Error as error:
        raise DatabaseError(_explanation(path, error)) from error
    finally:
        connection.close()
    if mode != "wal":
        raise DatabaseError(f"database {path}: its file system has no shared memory: put it on a local disk")


def _keep_to_this_file(engine: Engine, path: Path) -> None:
    """Refuse to begin once the path leads elsewhere: what is written to a deleted file is lost without an error."""
    absolute = path.absolute()
    opened = _identity(absolute)

    @event.listens_for(engine, "begin", insert=True)
    def refuse(_connection: Connection) -> None:
        if _identity(absolute) != opened:
            raise DatabaseError(f"database {path} was deleted or replaced while in use")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file, whatever its name; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _migrate(connection: Connection, path: Path) -> None:
    """As `migrate_to_newest`, for as long as it takes."""
    bounded = connection.connection.driver_connection
    if isinstance(bounded, BoundedConnection):
        deadline_s, bounded.calls.deadline_s = bounded.calls.deadline_s, None
    try:
        migrate_to_newest(connection, f"database {path}")
    finally:
        if isinstance(bounded, BoundedConnection):
            bounded.calls.deadline_s = deadline_s
