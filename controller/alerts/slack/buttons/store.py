"""Stores presses of buttons, so that one that comes twice, or again after a crash, is carried out once."""

from datetime import datetime

from sqlalchemy import Engine
from sqlmodel import Session

from monitor.storage.conversions import from_ms, storable, to_ms
from monitor.storage.database import durable
from monitor.storage.rows import event_row
from monitor.storage.tables import DeliveryRow


def claim_press(engine: Engine, key: str, incident_id: int | None, now: datetime) -> tuple[datetime, bool] | None:
    """Record that this press came in, among the deliveries, because its answer is one; `key` is `Press.key`.

    Returns when it came in before, and whether it was handled (else the process was killed meanwhile); None for a
    press that is new. Raises `monitor.storage.database.DatabaseError`.
    """
    with Session(durable(engine)) as session, session.begin():
        if row := session.get(DeliveryRow, storable(key)):
            return from_ms(row.begun_ms), row.done_ms is not None
        new = DeliveryRow(key=storable(key), sink="buttons", kind="press", begun_ms=to_ms(now), attempts=1)
        new.incident_id = incident_id
        session.add(new)
    return None


def finish_press(engine: Engine, key: str, *, kind: str, subject: str, text: str, now: datetime) -> None:
    """Record that it was handled, and add an event that says what came of it. Raises DatabaseError."""
    with Session(durable(engine)) as session, session.begin():
        session.get_one(DeliveryRow, storable(key)).done_ms = to_ms(now)
        session.add(event_row(now, kind, subject, text))
