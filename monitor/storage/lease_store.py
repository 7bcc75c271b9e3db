"""Leases in PostgreSQL, by its time alone: what one process at a time may do, and under which epoch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, TextClause, text

from monitor.storage.column_conversions import from_ms
from monitor.storage.lease_fence import HeldLease
from monitor.storage.postgres_engine import SERVICE_LOCK

TTL_S: Final = 15.0
"""How long a lease goes on unless it is renewed."""
RENEW_S: Final = 5.0
_NOW_MS: Final = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"
_THERE: Final = text("SELECT to_regclass('leases') IS NOT NULL")
_LOCKED: Final = f"""EXISTS (
 SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND (classid, objid) = ({SERVICE_LOCK})
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""  # noqa: S608 - our own numbers
_READ: Final = text(f"""SELECT l.holder, l.epoch, l.until_ms, {_NOW_MS} AS now_ms, {_LOCKED} AS locked
 FROM (SELECT 1) AS one LEFT JOIN leases AS l ON l.name = :name""")  # noqa: S608 - our own words
_TAKE: Final = text(f"""
INSERT INTO leases AS l (name, holder, epoch, until_ms)
VALUES (:name, :holder, greatest(CAST(:above AS bigint) + 1, {_NOW_MS}), {_NOW_MS} + :ttl_ms)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms,
 epoch = greatest(l.epoch + 1, excluded.epoch)
 WHERE l.epoch = :seen AND (l.until_ms <= {_NOW_MS} OR (:early AND l.until_ms = :until_ms))
RETURNING epoch""")  # noqa: S608 - our own words
_RENEW: Final = text(f"""UPDATE leases SET until_ms = {_NOW_MS} + :ttl_ms
 WHERE name = :name AND holder = :holder AND epoch = :epoch RETURNING {_NOW_MS} AS now_ms""")  # noqa: S608
_RELEASE: Final = text(f"""UPDATE leases SET until_ms = least(until_ms, {_NOW_MS})
 WHERE name = :name AND holder = :holder AND epoch = :epoch""")  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTime:
    """What the database's clock said, and when that was by the monotonic one: half way through the question."""

    at: datetime
    monotonic_s: float
    within_s: float
    """Half of how long the question took: it may be wrong by so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReading:
    """A lease as it stands."""

    holder: str
    """Who took it last; empty where nobody ever has."""
    epoch: int
    until_ms: int
    left_s: float
    """How long it goes on; negative once it is over."""
    locked: bool
    """Whether somebody holds the lock of who writes."""
    time: DatabaseTime


class LeaseStore:
    """One lease, on an engine of `open_reporter`. Each method is one statement, and raises DatabaseError.

    Instants are the database's; nobody's own clock decides who holds it.
    """

    def __init__(
        self, engine: Engine, name: str, *, ttl_s: float = TTL_S, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._name = name
        self._ttl_ms = round(1000 * ttl_s)
        self._monotonic = monotonic

    def is_there(self) -> bool:
        """Whether the database has leases; a new one has none, nor one of an older version."""
        with self._engine.connect() as connection:
            return bool(connection.scalar(_THERE))

    def read(self) -> LeaseReading:
        """As it stands."""
        row, measured = self._ask(_READ)
        return LeaseReading(
            holder=row.holder or "",
            epoch=row.epoch or 0,
            until_ms=row.until_ms or 0,
            left_s=((row.until_ms or 0) - row.now_ms) / 1000,
            locked=row.locked,
            time=measured,
        )

    def take(self, holder: str, reading: LeaseReading, *, above: int = 0, early: bool = False) -> HeldLease | None:
        """Take it under an epoch above its last one and above `above`; None where it goes on, or is another's by now.

        That is the database's time in milliseconds, where it is above both: a database that failed over and lost who
        took the lease in the last second gives nobody that epoch again. `early`: also before it is over, unless it was
        renewed since that `reading`.
        """
        values = {"holder": holder, "seen": reading.epoch, "until_ms": reading.until_ms, "above": above, "early": early}
        values["ttl_ms"] = self._ttl_ms
        with self._engine.connect() as connection:
            epoch = connection.scalar(_TAKE, {"name": self._name, **values})
        return None if epoch is None else HeldLease(self._name, holder, epoch)

    def renew(self, lease: HeldLease) -> DatabaseTime | None:
        """Let it go on from now; None where another has taken it, or the database does not know it."""
        row, measured = self._ask(_RENEW, holder=lease.holder, epoch=lease.epoch, ttl_ms=self._ttl_ms)
        return None if row is None else measured

    def release(self, lease: HeldLease) -> None:
        """End it now, unless another has taken it."""
        with self._engine.connect() as connection:
            connection.execute(_RELEASE, {"name": self._name, "holder": lease.holder, "epoch": lease.epoch})

    def _ask(self, statement: TextClause, **values: object) -> tuple[Any, DatabaseTime]:
        with self._engine.connect() as connection:  # connected before the time is taken
            begun_s = self._monotonic()
            row = connection.execute(statement, {"name": self._name, **values}).one_or_none()
            half_s = (self._monotonic() - begun_s) / 2
        at = from_ms(row.now_ms if row else 0)
        return row, DatabaseTime(at=at, monotonic_s=begun_s + half_s, within_s=half_s)
