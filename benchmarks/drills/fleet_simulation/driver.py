"""psycopg's connection as the product sees it, to a server of virtual time."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, Final

import psycopg

from benchmarks.drills.fleet_simulation.server import SimulatedServer
from benchmarks.drills.fleet_simulation.sessions import Parameters, Rows, Session
from benchmarks.drills.fleet_simulation.timeline import KilledError, SimulatedProcess
from monitor.storage.postgres_connection import Connector, PostgresConnection

_GRACE_S: Final = 1.0
#: What SQLAlchemy must not take for a decimal.
_FLOAT8: Final = 701
_SHORTEST_S, _LONGEST_S = 0.0002, 0.0015


class Link:
    """A machine's way to the server."""

    def __init__(self) -> None:
        self.cuts = 0
        """How many faults let nothing through either way."""
        self.one_way = 0
        """How many let no answer through."""
        self.lease_cuts = 0
        """How many cut the connection alone by which the lease is renewed."""
        self.slow_s = 0.0
        """How long each message takes, in seconds."""
        self.loses_commit_in: int | None = None
        """The answer to the so manieth commit from now on is lost, and the connection with it."""
        self.holds_in: int | None = None
        """At the so manieth statement in a transaction from now on the machine stops."""
        self.hold: Callable[[], None] = lambda: None
        """Stops it."""

    @property
    def is_broken(self) -> bool:
        """Whether no answer comes."""
        return self.cuts > 0 or self.one_way > 0


class SimulatedConnector(Connector):
    """Connects one process."""

    def __init__(
        self, deadline_s: float, *, server: SimulatedServer, process: SimulatedProcess, link: Link, of_lease: bool
    ) -> None:
        """`of_lease`: by its connection the lease of who leads is renewed."""
        super().__init__(deadline_s)
        self._of_lease = of_lease
        self._server = server
        self._process = process
        self._link = link

    @property
    def is_hanging(self) -> bool:
        """Never: what is given up ends at once."""
        return False

    def connect(self, parameters: dict[str, Any]) -> PostgresConnection:
        """As `Connector.connect`."""
        del parameters
        self._process.step()
        if self._link.is_broken or (self._of_lease and self._link.lease_cuts):
            self._process.timeline.wait(self.deadline_s)
            raise psycopg.OperationalError("the server does not answer")
        self._process.timeline.wait(0.003 + self._link.slow_s)
        session = self._server.connect(self._process, self.application)
        return SimulatedConnection(self._server, session, self._process, self._link, of_lease=self._of_lease)


class SimulatedConnection(PostgresConnection):
    """One session, in autocommit; a transaction begins with BEGIN."""

    def __init__(
        self,
        server: SimulatedServer,
        session: Session,
        process: SimulatedProcess,
        link: Link,
        *,
        of_lease: bool,
    ) -> None:
        self._of_lease = of_lease
        self._server, self._session, self._process, self._link = server, session, process, link
        self._closed = self._broken = False

    def __del__(self, *_: Any) -> None:
        """Nothing is left behind."""

    @property
    def closed(self) -> bool:
        """As psycopg has it."""
        return self._closed

    @property
    def broken(self) -> bool:
        """As psycopg has it."""
        return self._broken

    @property  # type: ignore[misc]
    def autocommit(self) -> bool:
        """As psycopg has it."""
        return True

    @property
    def info(self) -> Any:
        """As psycopg has it, of which SQLAlchemy asks for the state of the transaction."""
        in_transaction = self._session.in_transaction
        status = psycopg.pq.TransactionStatus.INTRANS if in_transaction else psycopg.pq.TransactionStatus.ACTIVE
        return SimpleNamespace(transaction_status=status)

    def add_notice_handler(self, callback: Any) -> None:
        """There are no notices."""

    def cursor(self, *_: Any, **__: Any) -> Any:
        """As psycopg has it."""
        return SimulatedCursor(self)

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        """As psycopg has it."""
        return SimulatedCursor(self).execute(query, params)

    def commit(self) -> None:
        """As psycopg has it."""
        if self._session.in_transaction:
            self._exchange(lambda: self._server.commit(self._session), commits=True)

    def rollback(self) -> None:
        """As psycopg has it; of a connection that is lost nothing has to be rolled back."""
        if self._closed or self._process.is_dead or self._process.dies:
            return
        if self._session.in_transaction:
            self._exchange(lambda: self._server.roll_back(self._session))

    def close(self) -> None:
        """As psycopg has it; a server that cannot be reached does not hear of it."""
        if not self._closed:
            self._closed = True
            if not self._link.is_broken:
                self._server.end(self._session)

    def send(self, sql: str, parameters: Parameters) -> Rows:
        """One statement, or several."""
        rows: list[Rows] = []
        if self._link.holds_in is not None and self._session.in_transaction:
            self._link.holds_in -= 1
            if self._link.holds_in <= 0:
                self._link.holds_in = None
                self._link.hold()
        self._exchange(lambda: rows.append(self._server.execute(self._session, sql, parameters)))
        return rows[0]

    def _exchange(self, act: Callable[[], None], *, commits: bool = False) -> None:
        """One message to the server, and its answer."""
        process, link, timeline = self._process, self._link, self._process.timeline
        process.step()
        if self._closed:
            raise psycopg.OperationalError("the connection is closed")
        timeline.wait(self._server.dice.uniform(_SHORTEST_S, _LONGEST_S) + link.slow_s)
        if link.cuts or (self._of_lease and link.lease_cuts):
            self._give_up()
        began_s = timeline.now_s
        try:
            act()
        except psycopg.Error:
            if self._session.ended:
                self._closed = self._broken = True
            if link.is_broken:
                self._give_up(began_s)
            raise
        except KilledError:
            raise
        if commits and link.loses_commit_in is not None:
            link.loses_commit_in -= 1
            if link.loses_commit_in <= 0:
                link.loses_commit_in = None
                self._server.end(self._session)
                self._closed = self._broken = True
                raise psycopg.OperationalError("server closed the connection unexpectedly")
        if link.is_broken:
            self._give_up(began_s)
        timeline.wait(self._server.dice.uniform(_SHORTEST_S, _LONGEST_S))
        process.step()

    def _give_up(self, began_s: float | None = None) -> None:
        limit_s = (self.limit_s or 60.0) + _GRACE_S
        passed_s = self._process.timeline.now_s - began_s if began_s is not None else 0.0
        self._process.timeline.wait(max(0.0, limit_s - passed_s))
        self._closed = self._broken = True
        raise psycopg.OperationalError("the server does not answer")


class SimulatedCursor:
    """The rows of one statement."""

    arraysize = 1

    def __init__(self, connection: SimulatedConnection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, query: str, params: Parameters = None) -> "SimulatedCursor":
        """As psycopg has it."""
        self._take(self.connection.send(query, params))
        return self

    def executemany(self, query: str, params: Iterable[Parameters]) -> None:
        """As psycopg has it."""
        touched = 0
        for each in params:
            touched += max(0, self.connection.send(query, each).touched)
        self.rowcount, self.description = touched, None

    def _take(self, rows: Rows) -> None:
        self.description = [(name, _FLOAT8, None, None, None, None, None) for name in rows.names] or None
        self._rows, self.rowcount = list(rows.rows), rows.touched

    def fetchone(self) -> tuple[Any, ...] | None:
        """As psycopg has it."""
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 0) -> list[tuple[Any, ...]]:
        """As psycopg has it."""
        taken, self._rows = self._rows[: size or 1], self._rows[size or 1 :]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        """As psycopg has it."""
        taken, self._rows = self._rows, []
        return taken

    def close(self) -> None:
        """As psycopg has it."""
