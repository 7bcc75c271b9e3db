"""What a sink besides Slack must yet be told, and what it has taken: its rows of the deliveries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Text,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from controller.alerts.alert import Alert, AlertKind
from controller.incidents.incident import Incident
from controller.incidents.store import incident_of
from controller.journal import PendingEvent
from monitor.settings import Severity
from monitor.storage.columns import brief, from_ms, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.tables import DELIVERIES, EVENTS, INCIDENTS

#: What was over longer ago than this before it could be told is not told any more.
STALE: Final = timedelta(hours=24)
#: The end of an incident that a sink was told of is news for so long.
_END_IS_NEWS: Final = timedelta(days=7)
#: Long enough to know what was told of any incident that may yet change.
_KEPT: Final = timedelta(days=30)
_MOST: Final = 50
_LONGEST_ERROR: Final = 500
_ROWS = DELIVERIES.c


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDelivery:
    """What a sink took last of an incident."""

    kind: AlertKind
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class DueAlert:
    """An incident in its newest form, or an event, that a sink has not taken."""

    key: str
    """Of its delivery: `webhook incident 7 revision 4`."""
    begun_at: datetime | None
    """When it was to be sent for the first time; None: it has not been."""
    incident: Incident | None = None
    last: LastDelivery | None = None
    event: PendingEvent | None = None


class ChannelStore:
    """The rows of one sink, on an engine of `open_writer`.

    Not for several threads at once. Every method is one transaction that survives a power cut, and raises
    `monitor.storage.database.DatabaseError` when it did not happen.
    """

    def __init__(self, engine: Engine, sink: str) -> None:
        self._engine = durable(engine)
        self._reading = reading(engine)
        self._sink = sink

    def known_since(self, now: datetime) -> datetime:
        """Since when this sink is configured; a new one begins now, and is not told what is over."""
        key = f"{self._sink} since"
        row = {"key": key, "sink": self._sink, "begun_ms": to_ms(now), "done_ms": to_ms(now)}
        with self._engine.begin() as connection:
            connection.execute(insert(DELIVERIES).values(row).on_conflict_do_nothing())
            begun_ms = connection.scalar(select(_ROWS.begun_ms).where(_ROWS.key == key))
        return now if begun_ms is None else from_ms(begun_ms)

    def due(self, now: datetime, *, since: datetime) -> list[DueAlert]:
        """What it has not taken and is still worth telling: incidents, oldest first, then events."""
        fresh_ms = to_ms(max(since, now - STALE))
        with self._reading.connect() as connection:
            return [*self._incidents(connection, now, fresh_ms), *self._events(connection, fresh_ms)]

    def begin(self, key: str, alert: Alert) -> None:
        """It is about to be sent; what was begun of an older form of the same incident is forgotten.

        When it was first begun stays as it was.
        """
        incident_id = alert.incident.id if alert.incident else None
        row = {"key": key, "sink": self._sink, "incident_id": incident_id, "begun_ms": to_ms(alert.at)}
        row |= {"channel": alert.severity.value, "ts": alert.kind.value, "attempts": 1}
        again = {"attempts": _ROWS.attempts + 1}
        older = (_ROWS.sink == self._sink, _ROWS.incident_id == incident_id, _ROWS.done_ms.is_(None), _ROWS.key != key)
        with self._engine.begin() as connection:
            if incident_id is not None:
                connection.execute(delete(DELIVERIES).where(*older))
            connection.execute(insert(DELIVERIES).values(row).on_conflict_do_update(index_elements=["key"], set_=again))

    def done(self, key: str, at: datetime) -> None:
        """It has taken it."""
        with self._engine.begin() as connection:
            taken = update(DELIVERIES).where(_ROWS.key == key)
            connection.execute(taken.values(done_ms=to_ms(at), error=None))

    def skip(self, key: str, at: datetime, *, incident_id: int) -> None:
        """The sink need not be told of the incident in this form."""
        row = {"key": key, "sink": self._sink, "incident_id": incident_id}
        row |= {"begun_ms": to_ms(at), "done_ms": to_ms(at)}
        with self._engine.begin() as connection:
            connection.execute(insert(DELIVERIES).values(row).on_conflict_do_nothing())

    def failed(self, key: str, error: str) -> None:
        """It has not taken it, for this reason (cut at 500 characters), or nobody knows."""
        with self._engine.begin() as connection:
            changed = update(DELIVERIES).where(_ROWS.key == key)
            connection.execute(changed.values(error=brief(error, _LONGEST_ERROR)))

    def taken_after(self, at: datetime) -> int:
        """How many it has taken that were begun after this."""
        wanted = select(func.count()).where(*self._taken(), _ROWS.begun_ms > to_ms(at))
        with self._reading.connect() as connection:
            return connection.scalar(wanted) or 0

    def prune(self, now: datetime) -> None:
        """Forget what was done so long ago that nothing follows from it."""
        still_open = select(INCIDENTS.c.id).where(INCIDENTS.c.resolved_ms.is_(None))
        over = or_(_ROWS.incident_id.is_(None), _ROWS.incident_id.not_in(still_open))
        old = (_ROWS.sink == self._sink, _ROWS.begun_ms < to_ms(now - _KEPT), over)
        lasting = (self._sink, f"{self._sink} since")
        with self._engine.begin() as connection:
            connection.execute(delete(DELIVERIES).where(*old, _ROWS.key.not_in(lasting)))

    def _taken(self) -> tuple[ColumnElement[bool], ...]:
        sent = _ROWS.key.startswith(f"{self._sink} ", autoescape=True)
        return _ROWS.sink == self._sink, sent, _ROWS.done_ms.is_not(None), _ROWS.attempts > 0

    def _incidents(self, connection: Connection, now: datetime, fresh_ms: int) -> list[DueAlert]:
        row = INCIDENTS.c
        key = literal(f"{self._sink} incident ") + cast(row.id, Text) + " revision " + cast(row.revision, Text)
        heard = exists().where(*self._taken(), _ROWS.incident_id == row.id)
        of_this = DELIVERIES.alias()
        news = or_(
            row.resolved_ms.is_(None),
            row.resolved_ms >= fresh_ms,
            (row.resolved_ms >= to_ms(now - _END_IS_NEWS)) & heard,
        )
        wanted = (
            select(INCIDENTS, key.label("delivery"), of_this.c.begun_ms.label("begun_ms"))
            .join(of_this, of_this.c.key == key, isouter=True)
            .where(of_this.c.done_ms.is_(None), news)
            .order_by(row.opened_ms, row.id)
            .limit(_MOST)
        )
        return [self._about(connection, found) for found in connection.execute(wanted).mappings().all()]

    def _about(self, connection: Connection, row: RowMapping) -> DueAlert:
        incident = incident_of(row)
        last = select(_ROWS.channel, _ROWS.ts).where(*self._taken(), _ROWS.incident_id == incident.id)
        told = connection.execute(last.order_by(_ROWS.begun_ms.desc()).limit(1)).first()
        return DueAlert(
            key=row["delivery"],
            begun_at=None if row["begun_ms"] is None else from_ms(row["begun_ms"]),
            incident=incident,
            last=told and _last_told(told.ts, told.channel),
        )

    def _events(self, connection: Connection, fresh_ms: int) -> list[DueAlert]:
        key = literal(f"{self._sink} event ") + cast(EVENTS.c.id, Text)
        wanted = (
            select(EVENTS, key.label("delivery"), _ROWS.begun_ms)
            .join(DELIVERIES, _ROWS.key == key, isouter=True)
            .where(EVENTS.c.telling.is_not(None), EVENTS.c.at_ms >= fresh_ms, _ROWS.done_ms.is_(None))
            .order_by(EVENTS.c.id)
            .limit(_MOST)
        )
        return [
            DueAlert(
                key=row.delivery,
                begun_at=None if row.begun_ms is None else from_ms(row.begun_ms),
                event=PendingEvent(id=row.id, at=from_ms(row.at_ms), kind=row.kind, subject=row.subject, text=row.text),
            )
            for row in connection.execute(wanted)
        ]


def _last_told(kind: str | None, severity: str | None) -> LastDelivery:
    """Words of another version are taken for those that let the least be left out."""
    return LastDelivery(
        kind=next((one for one in AlertKind if one == kind), AlertKind.INCIDENT_CHANGED),
        severity=next((one for one in Severity if one == severity), Severity.INFO),
    )
