"""Stores presses of buttons, so that one that comes twice, or again after a crash, is carried out once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, insert, select, update

from monitor.storage.conversions import from_ms, storable, to_ms
from monitor.storage.database import durable
from monitor.storage.store import insert_event
from monitor.storage.tables import DELIVERIES

#: The sink of their rows among the deliveries.
SINK: Final = "buttons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the database knows of a press that comes in."""

    begun_at: datetime
    """When it came in for the first time."""
    repeated: bool
    """It came in before; unless it is `finished`, the process was killed while handling it."""
    finished: bool
    """It was handled: nothing is left to do."""


class PressStore:
    """The presses, on an engine of `open_operator`; every method is one transaction that survives a power cut.

    A press has a row among the deliveries, because its answer is one. Raises `monitor.storage.database.DatabaseError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def claim(self, key: str, incident_id: int | None, now: datetime) -> Claim:
        """Record that this press came in; `key` is `Press.key`."""
        row = DELIVERIES.c.key == storable(key)
        with self._engine.begin() as connection:
            known = connection.execute(select(DELIVERIES).where(row)).mappings().first()
            if known:
                return Claim(begun_at=from_ms(known["begun_ms"]), repeated=True, finished=known["done_ms"] is not None)
            new = {"key": storable(key), "sink": SINK, "incident_id": incident_id, "begun_ms": to_ms(now)}
            connection.execute(insert(DELIVERIES).values({**new, "kind": "press", "attempts": 1}))
        return Claim(begun_at=from_ms(to_ms(now)), repeated=False, finished=False)

    def finish(self, key: str, *, kind: str, subject: str, text: str, now: datetime) -> None:
        """Record that it was handled, and add an event that says what came of it."""
        with self._engine.begin() as connection:
            connection.execute(
                update(DELIVERIES).where(DELIVERIES.c.key == storable(key)).values(done_ms=to_ms(now)),
            )
            insert_event(connection, now, kind, subject, text)
