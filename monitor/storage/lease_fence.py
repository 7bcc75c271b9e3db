"""That a process still holds its lease: asked of the database by whoever is about to write under it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection, text

from monitor.storage.database_error import DatabaseError

LEADER: Final = "leader"
"""The name of the lease of who decides."""
_THERE: Final = "SELECT to_regclass('leases') IS NOT NULL"
_READ: Final = "SELECT holder, epoch FROM leases WHERE name = %s"
#: A database that was restored knows an older lease: whoever holds a later one writes it in.
_RESTORE: Final = "UPDATE leases SET holder = %s, epoch = %s WHERE name = %s AND epoch < %s"
_BEGIN: Final = (
    "INSERT INTO leases (name, holder, epoch, until_ms)"
    " VALUES (:name, :holder, :epoch, CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint) + 15000)"
    " ON CONFLICT DO NOTHING"
)
#: Shared: a taker waits for the transaction that has asked.
_HOLD: Final = "SELECT holder, epoch FROM leases WHERE name = :name FOR SHARE"


#: Less than a lease lasts.
_FRESH_S: Final = 13.0


class DeposedError(DatabaseError):
    """Another process has taken the lease: this one writes nothing more."""


class DriverConnection(Protocol):
    """What psycopg's connection does; the library is an extra."""

    def execute(self, query: Any, params: Any = ..., /) -> Any:
        """Its cursor."""


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease as its holder took it."""

    name: str
    holder: str
    epoch: int


class LeaseFence:
    """Lets its lease's holder write, and nobody who has lost it. From any thread."""

    def __init__(self, lease: HeldLease, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Of a lease that was taken in this moment."""
        self.lease = lease
        self._monotonic = monotonic
        self._renewed_s = monotonic()
        self._deposed: str | None = None
        self._lock = threading.Lock()

    @property
    def deposed(self) -> str | None:
        """Who has taken the lease, as a sentence; None as long as nobody is known to have."""
        return self._deposed

    def renewed(self, monotonic_s: float) -> None:
        """It was renewed at this monotonic second, or a little later."""
        self._renewed_s = monotonic_s

    def is_fresh(self) -> bool:
        """Whether nobody else can have taken it yet, without asking: for what no database can fence."""
        return self._deposed is None and self._monotonic() - self._renewed_s < _FRESH_S

    def depose(self, holder: str, epoch: int) -> DeposedError:
        """Note that another holds it, for good; the error to raise."""
        with self._lock:
            self._deposed = self._deposed or f"{holder} has taken the lease {self.lease.name!r} (epoch {epoch})"
            return DeposedError(self._deposed)

    def check_connection(self, connection: DriverConnection) -> None:
        """Raise DeposedError where another holds it; before a new connection takes the lock of who writes.

        A database without this lease is a new one, one with an older epoch of it was restored: neither deposes.
        """
        if self._deposed:
            raise DeposedError(self._deposed)
        mine = self.lease
        if not (connection.execute(_THERE).fetchone() or (False,))[0]:
            return
        found = connection.execute(_READ, (mine.name,)).fetchone()
        if found is None or tuple(found) == (mine.holder, mine.epoch):
            return
        if found[1] < mine.epoch:
            restored = connection.execute(_RESTORE, (mine.holder, mine.epoch, mine.name, mine.epoch))
            if restored.rowcount:
                return
        raise self.depose(str(found[0]), int(found[1]))

    def begin(self, connection: Connection) -> None:
        """Write the lease into a database that has none; in the connection's transaction."""
        mine = self.lease
        connection.execute(text(_BEGIN), {"name": mine.name, "holder": mine.holder, "epoch": mine.epoch})

    def hold(self, connection: Connection) -> None:
        """Raise DeposedError unless it is held, and hold it until the connection's transaction ends."""
        found = connection.execute(text(_HOLD), {"name": self.lease.name}).one_or_none()
        if found is None or tuple(found) != (self.lease.holder, self.lease.epoch):
            raise self.depose(*((str(found[0]), int(found[1])) if found else ("nobody", 0)))
