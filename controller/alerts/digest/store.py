"""Stores which weekly digests were made."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.alerts.digest.digest import DIGEST
from monitor.storage.conversions import to_ms
from monitor.storage.database import durable
from monitor.storage.rows import event_row
from monitor.storage.tables import DeliveryRow

_SINK: Final = "digest"


class DigestStore:
    """Which digests were made, on an engine of `open_writer`; not for several threads at once.

    Raises `monitor.storage.database.DatabaseError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def last(self) -> date | None:
        """The day of the last one; None when there was none."""
        newest = select(DeliveryRow.subject).where(DeliveryRow.sink == _SINK).order_by(col(DeliveryRow.begun_ms).desc())
        with Session(self._engine) as session:
            day = session.exec(newest).first()
        return date.fromisoformat(day) if day else None

    def keep(self, day: date, text: str, at: datetime) -> None:
        """It is made, and people must be told: both, or neither."""
        made = DeliveryRow(key=f"{_SINK} {day}", sink=_SINK, kind="digest", subject=str(day))
        made.begun_ms = made.done_ms = to_ms(at)
        with Session(self._engine) as session, session.begin():
            session.add(made)
            session.add(event_row(at, DIGEST, str(day), text, tell=True))
