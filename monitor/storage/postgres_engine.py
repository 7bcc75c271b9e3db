"""PostgreSQL: one writer, any number of readers, errors that say what to do.

A transaction that writes takes the database's writing lock first, so that the service and people's commands write one
after the other, and later numbers are committed later. One that reads sees one instant, and waits for nobody.
"""

import atexit
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, Engine, NullPool, Pool, QueuePool, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError

from monitor.config.database_url import postgres_problem, shown_url
from monitor.storage.database_error import DatabaseError
from monitor.storage.postgres_connection import Connector, PostgresConnection
from monitor.storage.postgres_errors import explanation
from monitor.storage.schema import SCHEMA, migrate_to_newest, require_newest, revision_of
from monitor.storage.transactions import give_up_unended, is_reading, is_statements, reading, statements

#: Of the advisory locks: "HOTS"; then which.
_LOCKS: Final = 0x484F5453
SERVICE_LOCK: Final = f"{_LOCKS}, 1"
"""Held by the connection of the one service."""
WRITING_LOCK: Final = f"{_LOCKS}, 2"
"""Held by each transaction that writes."""
#: What somebody waits for who only looks; a report over a year may take a while.
_READ_S: Final = 60.0
_CONNECT_S: Final = 6.0
_IDLE_READERS: Final = 4
_LOOK_S: Final = 5.0
_SERVER_TIME: Final = text("SELECT clock_timestamp()")
_MAY_CREATE: Final = text("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")


@dataclass(slots=True, kw_only=True)
class Limits:
    """How long what may take; to be changed at any time, and heeded from the next transaction on."""

    statement_s: float = 30.0
    lock_s: float = 5.0


def shown(url: str) -> str:
    """What messages call it; never its password."""
    return f"database {shown_url(url)}"


def open_writer(url: str, busy_timeout_s: float) -> Engine:
    """As `monitor.storage.database.open_writer`."""
    engine = writer_engine(url, Limits(lock_s=busy_timeout_s))
    try:
        prepare(engine, url)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_reader(url: str, busy_timeout_s: float) -> Engine:  # noqa: ARG001 - who reads waits for no lock
    """As `monitor.storage.database.open_reader`; connections are kept for the next who reads the same database."""
    engine = _READERS.engine(url)
    _require_newest(engine, url)
    return engine


def open_operator(url: str, busy_timeout_s: float) -> Engine:
    """As `monitor.storage.database.open_operator`."""
    engine = _engine(url, Limits(lock_s=busy_timeout_s), pool=NullPool)
    _require_newest(engine, url)
    return engine


def open_reporter(url: str, *, statement_s: float = 5.0, connector: Connector | None = None) -> Engine:
    """For one thread that writes rows that are nobody else's, statement by statement, on one connection.

    It connects when it is first used, and anew after each `dispose`; raises DatabaseError as others do.
    """
    limits = Limits(statement_s=statement_s)

    def bound(connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"SET statement_timeout={_ms(statement_s)}; SET lock_timeout={_ms(statement_s)}")

    connects = connector or Connector(statement_s)
    return statements(_engine(url, limits, pool=QueuePool, sizes=(1, 0), connector=connects, on_connect=bound))


def require_usable(url: str) -> None:
    """Raise DatabaseError where the service could not use it, within seconds; changes nothing."""
    engine, name = _engine(url, Limits(statement_s=_LOOK_S), pool=NullPool), shown(url)
    with reading(engine).connect() as connection:
        revision = revision_of(connection, name)
        if revision is None and not connection.scalar(_MAY_CREATE):
            raise DatabaseError(f"{name} lets this user make no tables: make the user the database's owner")
        if revision is not None and revision > SCHEMA:
            require_newest(connection, name)


def server_time(url: str) -> datetime:
    """The present instant by the server's clock; raises DatabaseError."""
    with _READERS.engine(url).connect() as connection:
        at: datetime = connection.scalar(_SERVER_TIME)
    return at.astimezone(UTC)


def writer_engine(
    url: str,
    limits: Limits,
    *,
    connector: Connector | None = None,
    on_connect: Callable[[psycopg.Connection[Any]], None] | None = None,
) -> Engine:
    """The engine of `open_writer`; it connects when it is first used, and anew after each `dispose`.

    `on_connect` may refuse a new connection by an error of its own.
    """
    return _engine(url, limits, pool=QueuePool, sizes=(1, 0), connector=connector, on_connect=on_connect)


def prepare(engine: Engine, url: str) -> bool:
    """Make and migrate the writer's database, all of it or nothing; True when it held nothing before.

    Raises DatabaseError.
    """
    name = shown(url)
    with reading(engine).connect() as connection:
        revision = revision_of(connection, name)
    if revision != SCHEMA:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout=0"))
            driver = _bounded(connection)
            limit_s, driver.limit_s = driver.limit_s, None
            try:
                migrate_to_newest(connection, name)
            finally:
                driver.limit_s = limit_s
    return revision is None


def _require_newest(engine: Engine, url: str) -> None:
    with reading(engine).connect() as connection:
        require_newest(connection, shown(url))


class _Readers:
    """The engine for reading: a process reads one database, and a connection costs more than most questions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._url = ""
        self._engine: Engine | None = None

    def engine(self, url: str) -> Engine:
        """The one for this database; that of another is given up."""
        with self._lock:
            if self._engine is None or self._url != url:
                self.dispose()
                limits = Limits(statement_s=_READ_S)
                self._url = url
                self._engine = reading(_engine(url, limits, pool=QueuePool, sizes=(_IDLE_READERS, -1), pre_ping=True))
            return self._engine

    def dispose(self) -> None:
        """Close the connections that nobody uses."""
        if self._engine is not None:
            self._engine.dispose()


_READERS: Final = _Readers()
atexit.register(_READERS.dispose)


def _engine(
    url: str,
    limits: Limits,
    *,
    pool: type[Pool],
    sizes: tuple[int, int] | None = None,
    pre_ping: bool = False,
    connector: Connector | None = None,
    on_connect: Callable[[psycopg.Connection[Any]], None] | None = None,
) -> Engine:
    name, address = shown(url), _address(url)
    options = {"pool_size": sizes[0], "max_overflow": sizes[1]} if sizes else {}
    engine = create_engine(address, poolclass=pool, pool_pre_ping=pre_ping, use_native_hstore=False, **options)

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
    ) -> PostgresConnection:
        made = (connector or Connector(_CONNECT_S)).connect(parameters)
        made.limit_s = limits.statement_s
        if on_connect:
            try:
                on_connect(made)
            except BaseException:
                made.close()
                raise
        return made

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        _bounded(connection).limit_s = limits.statement_s
        if is_statements(connection):
            return
        if is_reading(connection):
            begin, lock = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ""
        else:
            begin = f"BEGIN; SET LOCAL lock_timeout={_ms(limits.lock_s)}"
            lock = f"; SELECT pg_advisory_xact_lock({WRITING_LOCK})"
        connection.exec_driver_sql(
            f"{begin}; SET LOCAL statement_timeout={_ms(limits.statement_s)}{lock}",
            execution_options={"no_parameters": True},
        )

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> DatabaseError | None:
        """What to raise instead; None for errors that are not PostgreSQL's."""
        error = context.original_exception
        if not isinstance(error, psycopg.Error):
            return None
        give_up_unended(context)
        text = explanation(error)
        return DatabaseError(f"{name} {text.replace(address.password, '***') if address.password else text}")

    return engine


def _bounded(connection: Connection) -> PostgresConnection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, PostgresConnection):
        raise TypeError(type(driver))
    return driver


def _address(url: str) -> URL:
    try:
        problem = postgres_problem(url)
        if not problem:
            return make_url(url)
    except ArgumentError:
        problem = "cannot be read"
    raise DatabaseError(f"{shown(url)} {problem}")


def _ms(seconds: float) -> int:
    """At least one: zero would be no limit."""
    return max(1, round(1000 * seconds))
