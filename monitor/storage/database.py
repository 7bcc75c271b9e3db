"""Opens the database: one writer, any number of readers, errors that say what to do."""

from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from typing import Final, Protocol

from sqlalchemy import Engine

from monitor.clock import utc_now
from monitor.config.database_url import is_postgres, shown_url
from monitor.storage import sqlite_engine
from monitor.storage.database_error import DatabaseError
from monitor.storage.schema import SCHEMA
from monitor.storage.transactions import durable, reading

__all__ = [
    "SCHEMA",
    "DatabaseError",
    "durable",
    "is_there",
    "open_operator",
    "open_reader",
    "open_writer",
    "reading",
    "require_psycopg",
    "require_usable",
    "shared_now",
]

BUSY_TIMEOUT_S: Final = 5.0


class _Kind(Protocol):
    """What a module for one kind of database has."""

    def open_writer(self, url: str, busy_timeout_s: float, /) -> Engine: ...
    def open_reader(self, url: str, busy_timeout_s: float, /) -> Engine: ...
    def open_operator(self, url: str, busy_timeout_s: float, /) -> Engine: ...


def open_writer(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """The database for the one writer, made and migrated when needed; no row is ever lost to a migration.

    The engine has one connection, usable from any one thread at a time. Its transactions write one after the other,
    and survive a crash of this process; those of a `durable` engine survive a power cut as well. Whatever the database
    refuses, now or later, is raised as DatabaseError.
    """
    return _kind_of(url).open_writer(url, busy_timeout_s)


def open_reader(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """The database for reading only, from any number of threads and processes, also while the writer writes.

    What is read within one `with engine.connect()` is of one instant. Leave that block at once: as long as it is
    open, the database keeps what others have replaced since. There is nothing to dispose of. Raises DatabaseError when
    there is no database, or not one of this version.
    """
    return _kind_of(url).open_reader(url, busy_timeout_s)


def open_operator(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """The database for a short process that writes a row or two beside the one writer, and never migrates.

    Its transactions and the writer's write one after the other; keep them short, the service waits for them. Raises
    DatabaseError when there is no database, or not one of this version.
    """
    return _kind_of(url).open_operator(url, busy_timeout_s)


def shared_now(url: str) -> datetime:
    """The present instant by PostgreSQL's clock, by which all machines on it go; of a file, by this machine's.

    By this machine's also where PostgreSQL cannot be asked: whoever reads it next learns why.
    """
    if is_postgres(url):
        with suppress(DatabaseError):
            require_psycopg(url)
            from monitor.storage import postgres_engine  # noqa: PLC0415 - an extra

            return postgres_engine.server_time(url)
    return utc_now()


def is_there(url: str) -> bool:
    """Whether there is a database already, as far as can be told without opening it; raises DatabaseError."""
    return is_postgres(url) or sqlite_engine.database_path(url).exists()


def require_usable(url: str) -> None:
    """Raise DatabaseError where the service could not use this PostgreSQL database, within seconds; changes nothing.

    Of a file nothing is looked at.
    """
    if is_postgres(url):
        require_psycopg(url)
        from monitor.storage import postgres_engine  # noqa: PLC0415 - an extra

        postgres_engine.require_usable(url)


def require_psycopg(url: str) -> None:
    """Raise DatabaseError where the library for PostgreSQL is not installed."""
    if find_spec("psycopg") is None:
        raise DatabaseError(f"database {shown_url(url)} needs psycopg: `pip install 'hotspare[postgres]'`")


def _kind_of(url: str) -> _Kind:
    if not is_postgres(url):
        return sqlite_engine
    require_psycopg(url)
    from monitor.storage import postgres_engine  # noqa: PLC0415 - an extra

    return postgres_engine
