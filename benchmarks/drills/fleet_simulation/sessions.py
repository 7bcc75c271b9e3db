"""What a server of virtual time knows of a connection, and what it answers."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import psycopg

from benchmarks.drills.fleet_simulation.timeline import SimulatedProcess

Parameters = Mapping[str, Any] | Sequence[Any] | None


class Rows(NamedTuple):
    """What a statement gives."""

    names: Sequence[str]
    """Of its columns; empty where it gives no rows."""
    rows: list[tuple[Any, ...]]
    touched: int
    """How many it has given, or changed."""


NOTHING: Final = Rows((), [], -1)


def one(*values: Any) -> Rows:
    """One row."""
    return Rows(tuple(f"c{place}" for place in range(len(values))), [values], 1)


def none(columns: int) -> Rows:
    """No row of so many columns."""
    return Rows(tuple(f"c{place}" for place in range(columns)), [], 0)


def refusal(code: str, text: str) -> psycopg.Error:
    """An error of this SQLSTATE."""
    return psycopg.errors.lookup(code)(text)


class Session:
    """What the server knows of one connection."""

    def __init__(self, pid: int, process: SimulatedProcess | None, application: str, rows: sqlite3.Connection) -> None:
        self.pid = pid
        self.process = process
        self.application = application
        self.sqlite = rows
        self.ended: psycopg.Error | None = None
        """Why it was ended by the server."""
        self.in_transaction = self.aborted = self.writes = False
        self.statement_s = self.lock_s = self.idle_s = 0.0
        """Limits; 0: none."""
        self.usual = (0.0, 0.0)
        """Those of statements and locks outside of the transaction."""
        self.active = 0
        """Grows with each statement."""
        self.is_busy = False

    def set(self, sql: str) -> None:
        """What SET says of limits."""
        name, _, value = sql.removeprefix("SET ").removeprefix("LOCAL ").partition("=")
        kept = _LIMITS.get(name.strip())
        if kept:
            setattr(self, kept, float(value) / 1000)


_LIMITS: Final = {
    "statement_timeout": "statement_s",
    "lock_timeout": "lock_s",
    "idle_in_transaction_session_timeout": "idle_s",
}
