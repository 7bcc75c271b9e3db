"""Which presses were taken, so that one that comes twice, or again after a crash, is done once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, insert, select, update

from monitor.storage.columns import from_ms, storable, to_ms
from monitor.storage.database import durable
from monitor.storage.store import insert_event
from monitor.storage.tables import DELIVERIES

#: What the deliveries of presses are kept under.
SINK: Final = "buttons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is known of a press before it is looked at."""

    begun_at: datetime
    """When it came in for the first time."""
    again: bool
    """It came in before, and nothing says that it was done with: this process was killed meanwhile."""
    done: bool
    """It was done with: nothing is left to do."""


class PressStore:
    """The presses, on an engine of `open_operator`; every method is one transaction that survives a power cut.

    A press has a row among the deliveries, for its answer is one. Raises `monitor.storage.database.DatabaseError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def claim(self, key: str, incident_id: int | None, now: datetime) -> Claim:
        """Keep that this press came in; `key` is the same whenever it does."""
        row = DELIVERIES.c.key == storable(key)
        with self._engine.begin() as connection:
            found = connection.execute(select(DELIVERIES).where(row)).mappings().first()
            if found:
                return Claim(begun_at=from_ms(found["begun_ms"]), again=True, done=found["done_ms"] is not None)
            new = {"key": storable(key), "sink": SINK, "incident_id": incident_id, "begun_ms": to_ms(now)}
            connection.execute(insert(DELIVERIES).values({**new, "attempts": 1}))
        return Claim(begun_at=from_ms(to_ms(now)), again=False, done=False)

    def finish(self, key: str, *, kind: str, subject: str, text: str, now: datetime) -> None:
        """Keep that it was done with, and what became of it, as an event."""
        with self._engine.begin() as connection:
            connection.execute(
                update(DELIVERIES).where(DELIVERIES.c.key == storable(key)).values(done_ms=to_ms(now)),
            )
            insert_event(connection, now, kind, subject, text)
