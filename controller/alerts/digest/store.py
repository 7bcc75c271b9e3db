"""Stores which weekly digests were made."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import Engine, insert, select

from controller.alerts.digest.digest import DIGEST
from monitor.storage.columns import to_ms
from monitor.storage.database import durable
from monitor.storage.store import insert_event
from monitor.storage.tables import DELIVERIES

_SINK: Final = "digest"


class DigestStore:
    """Which digests were made, on an engine of `open_writer`; not for several threads at once.

    Raises `monitor.storage.database.DatabaseError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def last(self) -> date | None:
        """The day of the last one; None when there was none."""
        days = select(DELIVERIES.c.subject).where(DELIVERIES.c.sink == _SINK).order_by(DELIVERIES.c.begun_ms.desc())
        with self._engine.connect() as connection:
            day = connection.scalar(days.limit(1))
        return date.fromisoformat(day) if day else None

    def keep(self, day: date, text: str, at: datetime) -> None:
        """It is made, and people must be told: both, or neither."""
        names = {"key": f"{_SINK} {day}", "sink": _SINK, "kind": "digest", "subject": str(day)}
        row = {**names, "begun_ms": to_ms(at), "done_ms": to_ms(at)}
        with self._engine.begin() as connection:
            connection.execute(insert(DELIVERIES).values(row))
            insert_event(connection, at, DIGEST, str(day), text, tell=True)
