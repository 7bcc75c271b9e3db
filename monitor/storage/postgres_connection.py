"""A connection to PostgreSQL all of whose steps have a deadline, whatever the server and the network do."""

import os
import secrets
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

OLDEST: Final = 14
"""The oldest version of PostgreSQL that can be used."""
#: Where the URL says nothing else. A server that is gone is noticed in some ten seconds, also by the next start.
_DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
#: Lets the server notice a client that is gone, and release its locks.
_SESSION: Final = (
    "SET tcp_keepalives_idle=5; SET tcp_keepalives_interval=2; SET tcp_keepalives_count=3;"
    " SET tcp_user_timeout=10000; SET client_connection_check_interval=1000; SET timezone='UTC'"
)
_GRACE_S: Final = 1.0


class PostgresConnection(psycopg.Connection[Any]):
    """Closes itself when the server has not answered a second after `limit_s`; nobody knows then what it has done."""

    limit_s: float | None = 10.0
    """The server's own limit for a statement; None: as long as it takes."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg has it, with that deadline."""
        if timeout is None and self.limit_s is not None:
            timeout = self.limit_s + _GRACE_S
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and not self.closed:
                self.close()
                raise psycopg.OperationalError("the server does not answer") from error
            raise


class Connector:
    """Connects within a deadline; an attempt that is given up has a thread of its own to end on.

    A name that is looked up cannot be given up otherwise. For one caller at a time.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self.application = f"hotspare {os.getpid()}@{socket.gethostname()[:32]} {secrets.token_hex(4)}"
        """What its connections are called in `pg_stat_activity`."""
        self._attempt: _Attempt | None = None

    @property
    def is_hanging(self) -> bool:
        """Whether an attempt that was given up has not ended yet."""
        return self._attempt is not None and self._attempt.is_alive()

    def connect(self, parameters: dict[str, Any]) -> PostgresConnection:
        """A new connection; raises psycopg.Error, also where there is none in time."""
        if self.is_hanging:
            raise psycopg.OperationalError("the server does not answer")
        named = {"application_name": self.application, **parameters}
        self._attempt = attempt = _Attempt(lambda: _connected(named))
        attempt.start()
        return attempt.result(self.deadline_s)


class _Attempt(threading.Thread):
    """One attempt to connect."""

    def __init__(self, connect: Callable[[], PostgresConnection]) -> None:
        super().__init__(name="connect", daemon=True)
        self._connect = connect
        self._lock = threading.Lock()
        self._given_up = False
        self._connection: PostgresConnection | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Connect; close what comes too late."""
        try:
            self._connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            self._error = error
        with self._lock:
            if self._given_up and self._connection:
                self._connection.close()

    def result(self, deadline_s: float) -> PostgresConnection:
        """What came of it, or psycopg.OperationalError past the deadline."""
        self.join(deadline_s)
        with self._lock:
            if self._error:
                raise self._error
            if self._connection is None:
                self._given_up = True
                raise psycopg.OperationalError("the server does not answer")
            return self._connection


def _connected(parameters: dict[str, Any]) -> PostgresConnection:
    # Transactions are begun by a statement of ours, as with SQLite: one round trip for all that belongs to it.
    connection = PostgresConnection.connect(**{**_DEFAULTS, **parameters}, autocommit=True)
    try:
        if (major := connection.info.server_version // 10_000) < OLDEST:
            raise psycopg.NotSupportedError(f"it is PostgreSQL {major}, expected {OLDEST} or later")
        connection.execute(_SESSION)
    except BaseException:
        connection.close()
        raise
    return connection
