"""The service's PostgreSQL database: held by its one connection, opened again after whatever happened to it."""

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.engine import ExceptionContext

from monitor.config.database_url import name_in
from monitor.storage.database_error import DatabaseError
from monitor.storage.lease_fence import LeaseFence
from monitor.storage.lock import HeldError
from monitor.storage.postgres_connection import Connector
from monitor.storage.postgres_engine import SERVICE_LOCK, Limits, prepare, shown, writer_engine
from monitor.storage.postgres_errors import can_still_read, ends_session, is_fault
from monitor.storage.transactions import is_reading, reading
from monitor.storage.writer_database import BUSY_S, START_S, WriterDatabase

#: Far more than any statement of the service takes.
STATEMENT_S: Final = 2.0
#: Shorter than a lease: a leader that is paused in the midst of a transaction must not hold what its successor needs.
IDLE_S: Final = 10.0
_TRY: Final = f"SELECT pg_try_advisory_lock({SERVICE_LOCK})"
#: A server needs a moment to notice that a service has ended.
_WAIT: Final = f"SET lock_timeout = 1000; SELECT pg_advisory_lock({SERVICE_LOCK})"
_HOLDER: Final = f"""
SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'this machine'), a.backend_start
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid) = ({SERVICE_LOCK})
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""  # noqa: S608 - our own numbers
#: Another server, another database, or the same one after a failover or a restored backup.
_IDENTITY: Final = text(
    "SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),"
    " left(pg_walfile_name(pg_current_wal_lsn()), 8),"
    " (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_LINEAGE: Final = "hotspare "
_READ_LINEAGE: Final = text("SELECT coalesce(obj_description('alembic_version'::regclass, 'pg_class'), '')")
_WRITE: Final = text("UPDATE alembic_version SET version_num = version_num")


class PostgresWriter(WriterDatabase):
    """The database, held by a lock of the connection: whatever is written is written by who holds it.

    One that was emptied, replaced, restored or failed over is gone on with, and `replaced` says so. With a `fence` each
    new connection first asks whether the lease is still held, and then throws out whoever still holds the lock: a
    leader that hangs, and can commit nothing any more.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        busy_s: float = BUSY_S,
        statement_s: float = STATEMENT_S,
        fence: LeaseFence | None = None,
        idle_s: float = IDLE_S,
        connector: Connector | None = None,
    ) -> None:
        """With a `fence` a transaction ends in which nothing happens for `idle_s`."""
        self._idle_ms = round(1000 * idle_s)
        self._url = url
        self._fence = fence
        self._limits = Limits(statement_s=statement_s, lock_s=busy_s)
        self._connector = connector or Connector(statement_s)
        self._identity: str | None = None
        self._in_doubt = self._was_open = False
        self._readable = False
        """While it cannot be written."""
        engine = writer_engine(url, self._limits, connector=self._connector, on_connect=self._hold)
        super().__init__(engine, name=name_in(url), shown=shown(url), monotonic=monotonic)
        self.freezes = fence is not None

    @property
    def in_doubt(self) -> bool:
        """As of `WriterDatabase`."""
        return self._in_doubt

    def resolve_doubt(self) -> None:
        """As of `WriterDatabase`."""
        self._in_doubt = False

    def _open_first(self) -> None:
        """A slow server has a minute for each statement."""
        usual = self._limits.statement_s, self._connector.deadline_s
        self._limits.statement_s, self._connector.deadline_s = START_S, START_S / 6
        try:
            prepare(self.engine, self._url)
            self._identify()
            self._begin_lease()
            self._was_open = True
        finally:
            self._limits.statement_s, self._connector.deadline_s = usual

    def close(self) -> None:
        """As of `WriterDatabase`."""
        self.engine.dispose()

    def _hold(self, connection: psycopg.Connection[Any]) -> None:
        """Take the lock for this connection; raises HeldError, or DeposedError where the lease is lost.

        Once the database has been open another holder is a fault of it: whoever reads or writes meets no LockError.
        """
        if self._fence:
            self._fence.check_connection(connection)
            connection.execute(f"SET idle_in_transaction_session_timeout={self._idle_ms}")
        taken = connection.execute(_TRY).fetchone()
        if taken and taken[0]:
            return
        holder = connection.execute(_HOLDER).fetchone()
        if holder and (self._fence or holder[1] == self._connector.application):
            # A deposed leader; or a former connection of ours, of which the server does not know yet that it is cut.
            connection.execute("SELECT pg_terminate_backend(%s)", (holder[0],))
        try:
            connection.execute(_WAIT)
        except psycopg.errors.LockNotAvailable as error:
            who = f" ({holder[1]}, from {holder[2]}, since {holder[3]:%Y-%m-%dT%H:%M:%SZ})" if holder else ""
            held = f"another hotspare{who} holds {self._shown}: stop it first"
            if not self._was_open:
                raise HeldError(held) from error
            self._note(held)
            raise DatabaseError(held) from error

    def _is_hanging(self) -> bool:
        return self._connector.is_hanging

    def _open_again(self, now: datetime) -> None:  # noqa: ARG002 - nothing is set aside under a name of that time
        self.engine.dispose()
        former = self._identity, self.lineage
        emptied = prepare(self.engine, self._url)
        self._identify()
        self._begin_lease()
        if former[0] is not None and (emptied or former != (self._identity, self.lineage)):
            begun = "a new one was begun" if emptied else "the one in its place is used from now on"
            what = "emptied" if former[0] == self._identity else "replaced, restored or failed over"
            self.replaced = f"{self._shown} was {what} by someone else: {begun}"
        with self.engine.begin() as connection:
            connection.execute(_WRITE)

    def _begin_lease(self) -> None:
        if self._fence:
            with self.engine.begin() as connection:
                self._fence.begin(connection)

    def _identify(self) -> None:
        with reading(self.engine).connect() as connection:
            identity = connection.scalar(_IDENTITY)
            kind, _, number = (connection.scalar(_READ_LINEAGE) or "").rpartition(" ")
        if f"{kind} " == _LINEAGE and number.isdecimal():
            lineage = int(number)
        else:
            lineage = secrets.randbelow(2**31 - 1) + 1
            with self.engine.begin() as connection:
                connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_LINEAGE}{lineage}'"))
        # Not before: whoever tries again must still see that it is another one.
        self._identity, self.lineage = identity, lineage

    def _refuse_if_unusable(self, connection: Connection) -> None:
        if self.unusable is not None and not self._recovering and not (self._readable and is_reading(connection)):
            raise DatabaseError(self.unusable)

    def _note_fault(self, context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, psycopg.Error) and is_fault(error):
            # It may have been the answer to a COMMIT that was lost, or one that waited for a replica.
            self._in_doubt |= context.connection is not None and ends_session(error)
            self._readable = can_still_read(error)
            self._note(str(context.chained_exception or error))
