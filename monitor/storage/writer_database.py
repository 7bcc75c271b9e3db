"""The service's database: opened again after whatever happened to it while others went on in memory."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from monitor.storage.database_error import DatabaseError
from monitor.storage.lock import LockError

log = logging.getLogger(__name__)

BUSY_S: Final = 0.25
"""Whoever waits for the database makes users wait; what it refuses is kept in memory and tried again."""
START_S: Final = 60.0
"""Until when a call must return while the service starts: nobody waits for a decision yet."""
_RETRY_S: Final = 1.0


class DatabaseOutage(NamedTuple):
    """How long the database could not be used, and why at first."""

    lasted_s: float
    why: str


class WriterDatabase(ABC):
    """The one writer's database. Not thread-safe.

    Once a fault of the database itself shows (`unusable`), every transaction that writes raises DatabaseError at once,
    until `recover` has opened it again.
    """

    def __init__(self, engine: Engine, *, name: str, shown: str, monotonic: Callable[[], float]) -> None:
        """`shown` is what messages call it."""
        self._monotonic = monotonic
        self._tried_s = float("-inf")
        self._recovering = False
        self._shown = shown
        self.name = name
        """Its short name, for people."""
        self.lineage = 0
        """A number that a database is given once, and that its backups share; 0 where it could not be given one."""
        self.unusable: str | None = f"{shown} is not open"
        """Why it cannot be used; None while it can."""
        self.unusable_since_s: float | None = monotonic()
        """Since which monotonic second."""
        self.replaced: str | None = None
        """What became of the former one, as a sentence, once another is used; whoever acts on it sets it None."""
        self._first_why = self.unusable
        self.freezes = False
        """Nothing may be decided while it cannot be written: another machine may lead meanwhile."""
        self.engine = engine
        """As of `open_writer`; it outlives what is behind it."""
        event.listen(engine, "begin", self._refuse_if_unusable, insert=True)
        event.listen(engine, "handle_error", self._note_fault)

    def open(self) -> None:
        """Lock it and make it ready; raises LockError when another service holds it, and DatabaseError."""
        self._recovering = True
        try:
            self._open_first()
        except BaseException as error:
            self._first_why = str(error)
            self.engine.dispose()
            raise
        finally:
            self._recovering = False
        self._usable_again()
        self.unusable_since_s = None

    @abstractmethod
    def close(self) -> None:
        """Close it, and let go of the lock."""

    @property
    @abstractmethod
    def in_doubt(self) -> bool:
        """Whether a call was given up that may have come about after all."""

    @abstractmethod
    def resolve_doubt(self) -> None:
        """Whoever has looked into it says so."""

    def recover(self, now: datetime) -> bool:
        """Whether it can be used; tries once a second to open it and to write where it cannot. Never raises.

        It counts as unusable until `confirm_written`: on a full disk a page may have room, and the rest have none.
        """
        if self.unusable is None:
            return True
        if self._is_hanging() or self._monotonic() - self._tried_s < _RETRY_S:
            return False
        self._tried_s = self._monotonic()
        self._recovering = True
        try:
            self._open_again(now)
        except (DatabaseError, LockError, OSError) as error:
            self._note(str(error))
            return False
        finally:
            self._recovering = False
        self._usable_again()
        return True

    def confirm_written(self) -> DatabaseOutage | None:
        """All that waited is written: the outage that is over by now, if there was one."""
        outage = None
        if self.unusable_since_s is not None and self.unusable is None:
            outage = DatabaseOutage(self.unusable_s(), self._first_why)
            self.unusable_since_s = None
        return outage

    def is_settled(self) -> bool:
        """Whether there is neither an outage that goes on, or is to be confirmed, nor another one to be told of."""
        return self.unusable_since_s is None and self.replaced is None

    def is_usable(self) -> bool:
        """Whether it can be used, as far as is known."""
        return self.unusable is None

    def unusable_s(self) -> float:
        """For how many seconds something has waited for it; 0 while nothing does."""
        return 0.0 if self.unusable_since_s is None else self._monotonic() - self.unusable_since_s

    @abstractmethod
    def _is_hanging(self) -> bool:
        """Whether a call that was given up has not returned yet."""

    @abstractmethod
    def _open_first(self) -> None:
        """Lock it and make it ready, with more patience than later; raises what `open` raises."""

    @abstractmethod
    def _open_again(self, now: datetime) -> None:
        """Open it, and write something."""

    @abstractmethod
    def _refuse_if_unusable(self, connection: Connection) -> None:
        """Raise DatabaseError where a transaction that begins cannot end well."""

    @abstractmethod
    def _note_fault(self, context: ExceptionContext) -> None:
        """Note an error that says something of the database, and nothing of the statement."""

    def _usable_again(self) -> None:
        self.unusable = None

    def _note(self, why: str) -> None:
        if self.unusable_since_s is None:
            log.error("database_unusable: %s", why)
            self.unusable_since_s, self._first_why = self._monotonic(), why
        self.unusable = why
