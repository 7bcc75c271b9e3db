"""A PostgreSQL of virtual time: sessions, locks, clocks and faults are simulated, the rows are SQLite's.

One session at a time may write, as SQLite has it: all that PostgreSQL would let write beside each other waits for each
other here. What reads sees one instant.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

import psycopg

from benchmarks.drills.fleet_simulation.sessions import NOTHING, Parameters, Rows, Session, none, one, refusal
from benchmarks.drills.fleet_simulation.timeline import SimulatedProcess, Timeline
from benchmarks.drills.fleet_simulation.translation import translated
from benchmarks.drills.simulation.world import clock_at
from monitor.storage.lease_fence import LEADER

#: A server notices by then that a client is cut off (`monitor.storage.postgres_connection`).
NOTICED_S: Final = 11.0
SLOW_S: Final = 5.0
_LOOK_S: Final = 0.02
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_WRITING: Final = ("INSERT", "UPDATE", "DELETE", "COMMENT", "WITH")
_TAKING: Final = "\nINSERT INTO leases"
_RENEWING: Final = "UPDATE leases SET until_ms = "
_DAY: Final = timedelta(days=1)


class SimulatedServer:
    """The rows are in the file at `path`, which has all tables."""

    def __init__(self, timeline: Timeline, path: Path, seed: int) -> None:
        self.timeline = timeline
        self.path = path
        self.clock_by_s = 0.0
        self.gone = self.full = self.slow = self.locked = 0
        """How many faults of each kind go on."""
        self.identity = 1
        self.comment = ""
        self.statements = 0
        self.dice = Random(f"server {seed}")
        self.sessions: dict[int, Session] = {}
        self.service_lock: Session | None = None
        self.after_commit: Callable[[Session], None] = lambda _: None
        self.on_lease: Callable[[SimulatedProcess | None, bool], None] = lambda _process, _new: None
        """Is called where the lease of who leads is taken."""
        self._pids = count(100)
        self._free: list[sqlite3.Connection] = []
        self._replica: sqlite3.Connection | None = None

    # Sessions.

    def connect(self, process: SimulatedProcess | None, application: str) -> Session:
        """A new one; raises psycopg.OperationalError where there is no server."""
        if self.gone:
            raise psycopg.OperationalError("connection refused. Is the server running on that host?")
        session = Session(next(self._pids), process, application, self._free.pop() if self._free else self._open())
        self.sessions[session.pid] = session
        return session

    def _open(self) -> sqlite3.Connection:
        rows = sqlite3.connect(self.path, isolation_level=None, timeout=0, check_same_thread=False)
        rows.execute("PRAGMA synchronous=OFF")
        rows.create_function("now_ms", 0, self.now_ms)
        rows.create_function("service_locked", 0, lambda: self.service_lock is not None)
        return rows

    def now_ms(self) -> int:
        """The server's clock."""
        return int(clock_at(self.timeline.now_s, self.clock_by_s).timestamp() * 1000)

    def end(self, session: Session, error: psycopg.Error | None = None) -> None:
        """Roll back what it has begun, and let go of its locks."""
        if self.sessions.pop(session.pid, None) is None:
            return
        session.ended = error or psycopg.OperationalError("server closed the connection unexpectedly")
        with suppress(sqlite3.Error):
            session.sqlite.rollback()
        self._free.append(session.sqlite)
        if self.service_lock is session:
            self.service_lock = None

    def end_all(self, of: Callable[[Session], bool] = lambda _: True, error: psycopg.Error | None = None) -> None:
        """End these sessions."""
        for session in tuple(self.sessions.values()):
            if of(session):
                self.end(session, error)

    # Faults.

    def stop(self) -> None:
        """End all sessions, and take no other until `gone` is less."""
        self.gone += 1
        self.end_all(error=refusal("57P01", "terminating connection due to administrator command"))

    def replicate(self) -> None:
        """Let the replica know all that is committed until now."""
        self._replica = sqlite3.connect(":memory:", check_same_thread=False)
        with closing(sqlite3.connect(self.path, timeout=0)) as rows:
            rows.backup(self._replica)

    def fail_over(self) -> None:
        """The replica is used from now on."""
        self.stop()
        if self._replica is not None:
            for rows in self._free:
                rows.close()
            self._free.clear()
            for path in self.path.parent.glob(f"{self.path.name}*"):
                path.unlink()
            with closing(sqlite3.connect(self.path)) as rows:
                self._replica.backup(rows)
                rows.execute("PRAGMA journal_mode=WAL")
            self.identity += 1

    @property
    def is_well(self) -> bool:
        """Whether it answers, in time, and can be written."""
        return not (self.gone or self.full or self.slow or self.locked)

    def close(self) -> None:
        """Close the file."""
        self.end_all()
        for rows in self._free:
            rows.close()

    def look(self, sql: str, *values: Any) -> list[Any]:
        """What is committed, for whoever looks from outside."""
        rows = self._free.pop() if self._free else self._open()
        try:
            return rows.execute(sql, values).fetchall()
        finally:
            self._free.append(rows)

    # Statements.

    def execute(self, session: Session, sql: str, parameters: Parameters) -> Rows:
        """Do it; raises psycopg.Error."""
        if session.ended:
            raise session.ended
        self.statements += 1
        session.active += 1
        session.is_busy = True
        try:
            self._be_slow(session)
            rows = NOTHING
            for part in self._parts(sql):
                rows = self._execute(session, part, parameters)
            return rows
        except psycopg.Error:
            if session.in_transaction and not session.ended:
                self._roll_back(session)
                session.aborted = True
            raise
        finally:
            session.is_busy = False
            self._watch_idle(session)

    def commit(self, session: Session) -> None:
        """Raises psycopg.Error."""
        if session.ended:
            raise session.ended
        session.active += 1
        self.statements += 1
        if session.aborted or not session.in_transaction:
            session.in_transaction = session.aborted = session.writes = False
            return
        self._be_slow(session)
        if self.full and session.writes:
            self._roll_back(session)
            session.in_transaction = session.writes = False
            raise refusal("53100", "could not extend file: No space left on device")
        session.sqlite.execute("COMMIT")
        session.in_transaction = session.writes = False
        session.statement_s, session.lock_s = session.usual
        self.after_commit(session)

    def roll_back(self, session: Session) -> None:
        """End the transaction without any trace."""
        if not session.ended:
            self._roll_back(session)
            session.in_transaction = session.aborted = session.writes = False
            session.statement_s, session.lock_s = session.usual

    def _roll_back(self, session: Session) -> None:
        with suppress(sqlite3.Error):
            session.sqlite.rollback()

    def _be_slow(self, session: Session) -> None:
        if not self.slow:
            return
        limit_s = session.statement_s or SLOW_S
        self.timeline.wait(min(SLOW_S, limit_s), elsewhere=True)
        if session.ended:
            raise session.ended
        if limit_s < SLOW_S:
            raise refusal("57014", "canceling statement due to statement timeout")

    def _watch_idle(self, session: Session) -> None:
        """End it once nothing has happened in its transaction for as long as it may."""
        if not session.in_transaction or not session.idle_s or session.ended:
            return
        active = session.active

        def look() -> None:
            if session.active == active and session.in_transaction and not session.is_busy:
                self.end(session, refusal("25P03", "terminating connection due to idle-in-transaction timeout"))

        self.timeline.at(self.timeline.now_s + session.idle_s, look)

    @staticmethod
    def _parts(sql: str) -> Sequence[str]:
        if sql.startswith(("BEGIN", "SET")):
            return [part.strip() for part in sql.split(";")]
        return (sql,)

    def _execute(self, session: Session, sql: str, parameters: Parameters) -> Rows:
        if session.aborted:
            raise refusal("25P02", "current transaction is aborted, commands ignored until end of transaction block")
        if sql.startswith("SET"):
            session.set(sql)
            return NOTHING
        if sql.startswith("BEGIN"):
            session.in_transaction = True
            session.usual = session.statement_s, session.lock_s
            if "READ ONLY" in sql:
                session.sqlite.execute("BEGIN")
            return NOTHING
        known = self._known(session, sql, parameters)
        if known is not None:
            return known
        if self.full and sql.lstrip().startswith(_WRITING):
            raise refusal("53100", "could not extend file: No space left on device")
        values = _values(parameters)
        statements = translated(sql)
        if len(statements) == 1:
            return self._run(session, statements[0], values)
        self._run(session, "BEGIN IMMEDIATE", ())
        try:
            for statement in statements:
                rows = self._run(session, statement, values)
            self._run(session, "COMMIT", ())
        except psycopg.Error:
            self._roll_back(session)
            raise
        return rows

    def _run(self, session: Session, sql: str, values: Any) -> Rows:
        """One statement of SQLite's, once no other session writes."""
        lock_s = session.lock_s or session.statement_s
        until_s = self.timeline.now_s + lock_s if lock_s else float("inf")
        while True:
            try:
                cursor = session.sqlite.execute(sql, values)
                names = tuple(column[0] for column in cursor.description or ())
                rows = cursor.fetchall() if names else []
                if rows and sql.startswith((_TAKING, _RENEWING)) and values["name"] == LEADER:
                    self.on_lease(session.process, sql.startswith(_TAKING))
                return Rows(names, rows, len(rows) if names else cursor.rowcount)
            except sqlite3.IntegrityError as error:
                raise refusal("23505", str(error)) from error
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY:
                    raise
                if self.timeline.now_s >= until_s or not self._wait(session):
                    code = "55P03" if session.lock_s else "57014"
                    raise refusal(code, "canceling statement due to lock timeout") from None

    def _wait(self, session: Session) -> bool:
        """For a lock; whether time has passed."""
        began_s = self.timeline.now_s
        self.timeline.wait(_LOOK_S, elsewhere=True)
        if session.ended:
            raise session.ended
        return self.timeline.now_s > began_s

    def _known(self, session: Session, sql: str, parameters: Parameters) -> Rows | None:  # noqa: PLR0911, PLR0912 - one for each
        """What is PostgreSQL's own."""
        if "pg_" not in sql and not sql.startswith(("select current_schema", "show ", "COMMENT", "SELECT CAST(floor")):
            return None
        if "pg_advisory_xact_lock" in sql:
            self._run(session, "BEGIN IMMEDIATE", ())
            session.writes = True
            return one("")
        if "pg_try_advisory_lock" in sql:
            return one(self._take_service_lock(session))
        if "pg_advisory_lock" in sql:
            until_s = self.timeline.now_s + session.lock_s
            while not self._take_service_lock(session):
                if self.timeline.now_s >= until_s or not self._wait(session):
                    raise refusal("55P03", "canceling statement due to lock timeout")
            return one("")
        if "pg_stat_activity" in sql:
            holder = self.service_lock
            return one(holder.pid, holder.application, "10.0.0.1", clock_at(0, 0)) if holder else none(4)
        if "pg_terminate_backend" in sql:
            other = self.sessions.get(parameters[0]) if isinstance(parameters, Sequence) else None
            if other:
                self.end(other, refusal("57P01", "terminating connection due to administrator command"))
            return one(other is not None)
        if "pg_control_system" in sql:
            return one(f"{self.identity}")
        if "obj_description" in sql:
            return one(self.comment)
        if sql.startswith("COMMENT"):
            self.comment = sql.rpartition(" IS ")[2].strip("'")
            return NOTHING
        if "pg_inherits" in sql:
            return Rows(("name",), [(name,) for name in self._days()], -1)
        if "/ 86400" in sql:
            return one(self.now_ms() // 86_400_000)
        if "pg_catalog.version" in sql:
            return one("PostgreSQL 15.0")
        if sql.startswith("select current_schema"):
            return one("public")
        if sql.startswith("show "):
            return one("on" if "conforming" in sql else "read committed")
        if "pg_catalog.pg_class" in sql:
            return self._run(session, "SELECT name FROM sqlite_master WHERE type = 'table'", ())
        if "setval" in sql:
            return one(1)
        return None

    def _take_service_lock(self, session: Session) -> bool:
        if self.service_lock is None or self.service_lock is session:
            self.service_lock = session
            return True
        return False

    def _days(self) -> Iterator[str]:
        today = datetime.fromtimestamp(self.now_ms() / 1000, UTC)
        for days in range(-40, 41):
            yield f"observations_{(today + days * _DAY):%Y%m%d}"


def _values(parameters: Parameters) -> Any:
    if isinstance(parameters, Mapping):
        return {name: _plain(value) for name, value in parameters.items()}
    return tuple(map(_plain, parameters or ()))


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value
