"""What was sent to whom: one row for each message, begun before it is sent and done once the service has taken it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, case, delete, exists, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from controller.alerts.delivery import Delivery, DeliverySnapshot, IncidentDelivery, channel_key, state_key
from controller.alerts.told import Receipt
from controller.incidents.incident import Incident
from controller.incidents.store import incident_of
from controller.journal import PendingEvent
from monitor.storage.columns import brief, from_ms, maybe_from_ms, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.tables import DELIVERIES, EVENTS, INCIDENTS

_LONGEST_ERROR: Final = 500
_MOST_EVENTS: Final = 200
_MOST_INCIDENTS: Final = 500
_HOUR: Final = timedelta(hours=1)
#: Messages about no single incident are of interest for so long.
_LATELY: Final = timedelta(days=2)
#: Long enough to know what was told of any incident that may yet change.
_KEPT: Final = timedelta(days=30)


class DeliveryStore:
    """Rows of one sink (`slack`, `webhook`, …), on an engine of `open_writer`, or of `open_reader` for reading.

    Not for several threads at once. Every method is one transaction that survives a power cut, and raises
    `monitor.storage.database.DatabaseError` when it did not happen.
    """

    def __init__(self, engine: Engine, sink: str) -> None:
        self._engine = durable(engine)
        self._reading = reading(engine)
        self._sink = sink
        self._read: dict[int, Incident] = {}
        """The incidents of the last book: what has not changed is not read again."""

    def book(self, now: datetime) -> DeliverySnapshot:
        """What there is to tell, and what was told."""
        with self._reading.connect() as connection:
            known = self._known(connection)
            return DeliverySnapshot(
                known=known,
                events=_events(connection),
                rows=self._rows(connection, [one.incident.id for one in known], now),
                sent_at=self._sent(connection, now),
            )

    def begin(
        self, key: str, at: datetime, *, incident_id: int | None = None, channel: str = "", thread: str | None = None
    ) -> None:
        """It is about to be sent: from now on, and until it is `done` or `withdrawn`, perhaps it was."""
        row = {"key": key, "sink": self._sink, "incident_id": incident_id, "begun_ms": to_ms(at), "done_ms": None}
        row |= {"channel": channel, "ts": thread}
        again = {**row, "attempts": DELIVERIES.c.attempts + 1}
        with self._engine.begin() as connection:
            wanted = insert(DELIVERIES).values(**row, attempts=1)
            connection.execute(wanted.on_conflict_do_update(index_elements=["key"], set_=again))

    def done(self, key: str, at: datetime, *, channel: str, ts: str, told: Receipt, asked: str = "") -> None:
        """The service has taken it, in this channel under this name, and people know what it tells.

        `asked` is the channel as the configuration names it; its own name is remembered.
        """
        values = {"done_ms": to_ms(at), "channel": channel, "ts": ts, "error": None}
        with self._engine.begin() as connection:
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.key == key).values(values))
            about = connection.scalar(select(DELIVERIES.c.incident_id).where(DELIVERIES.c.key == key))
            for other in told.also:
                self._note(connection, other, at, incident_id=about, channel=channel, ts=ts)
            if asked and asked != channel:
                self._note(connection, channel_key(self._sink, asked), at, channel=channel)
            _tell(connection, told, (channel, ts) if told.home else None)

    def told(self, told: Receipt) -> None:
        """People know this, without a new message."""
        with self._engine.begin() as connection:
            _tell(connection, told, None)

    def note(self, key: str, at: datetime, incident_id: int | None) -> None:
        """Remember something about an incident that is no message."""
        with self._engine.begin() as connection:
            self._note(connection, key, at, incident_id=incident_id)

    def unsure(self, key: str, error: str) -> None:
        """Nobody knows whether the service has taken it; it stays begun."""
        with self._engine.begin() as connection:
            values = {"error": brief(error, _LONGEST_ERROR)}
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.key == key).values(values))

    def withdrawn(self, key: str) -> None:
        """The service has certainly not taken it."""
        with self._engine.begin() as connection:
            connection.execute(delete(DELIVERIES).where(DELIVERIES.c.key == key))

    def under_way(self) -> list[Delivery]:
        """What was begun and is not known to have arrived, oldest first."""
        wanted = select(DELIVERIES).where(
            DELIVERIES.c.sink == self._sink,
            DELIVERIES.c.done_ms.is_(None),
            ~self._is_state(),
        )
        with self._reading.connect() as connection:
            return [_delivery(row) for row in connection.execute(wanted.order_by(DELIVERIES.c.begun_ms)).mappings()]

    def gone(self, ts: str) -> None:
        """The message of this name stands no more: what it told is to be told anew."""
        with self._engine.begin() as connection:
            ours = (DELIVERIES.c.sink == self._sink) & (DELIVERIES.c.ts == ts)
            connection.execute(delete(DELIVERIES).where(ours))
            nowhere = {"slack_channel": None, "slack_ts": None, "told_revision": 0}
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.slack_ts == ts).values(nowhere))

    def failed(self, incidents: Sequence[int], events: Sequence[int], error: str) -> None:
        """Why people could not be told of these."""
        values = {"delivery_error": brief(error, _LONGEST_ERROR)}
        with self._engine.begin() as connection:
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.id.in_(incidents)).values(values))
            connection.execute(update(EVENTS).where(EVENTS.c.id.in_(events)).values(values))

    def prune(self, now: datetime) -> None:
        """Forget what was done so long ago that nothing follows from it."""
        still_open = select(INCIDENTS.c.id).where(INCIDENTS.c.resolved_ms.is_(None))
        over = or_(
            DELIVERIES.c.incident_id.not_in(still_open),
            DELIVERIES.c.incident_id.is_(None) & (DELIVERIES.c.attempts > 0),
        )
        old = DELIVERIES.c.begun_ms < to_ms(now - _KEPT), DELIVERIES.c.done_ms.is_not(None), ~self._is_state()
        with self._engine.begin() as connection:
            connection.execute(delete(DELIVERIES).where(DELIVERIES.c.sink == self._sink, *old, over))

    def failing(self) -> list[str]:
        """The parts that do not work, as they were given to `part_failed`."""
        states = select(DELIVERIES.c.key).where(self._is_state(), DELIVERIES.c.done_ms.is_(None))
        with self._reading.connect() as connection:
            return [key.removeprefix(self._sink).removeprefix(" state ") for (key,) in connection.execute(states)]

    def part_failed(self, part: str, at: datetime, error: str) -> None:
        """A part of the service does not work, for this reason; the empty part: it takes nothing at all."""
        row = {"key": state_key(self._sink, part), "sink": self._sink, "begun_ms": to_ms(at), "attempts": 1}
        row |= {"error": brief(error, _LONGEST_ERROR), "done_ms": None}
        still = (DELIVERIES.c.key == row["key"]) & DELIVERIES.c.done_ms.is_(None)
        counted = {"error": row["error"], "attempts": DELIVERIES.c.attempts + 1}
        with self._engine.begin() as connection:
            if connection.execute(update(DELIVERIES).where(still).values(counted)).rowcount == 0:
                new = insert(DELIVERIES).values(row)
                connection.execute(new.on_conflict_do_update(index_elements=["key"], set_=row))

    def part_works(self, part: str, at: datetime) -> None:
        """It works again."""
        still = (DELIVERIES.c.key == state_key(self._sink, part)) & DELIVERIES.c.done_ms.is_(None)
        with self._engine.begin() as connection:
            connection.execute(update(DELIVERIES).where(still).values(done_ms=to_ms(at)))

    def sink_failed(self, at: datetime, error: str) -> None:
        """The service takes nothing at all, for this reason."""
        self.part_failed("", at, error)

    def sink_works(self, at: datetime) -> None:
        """The service takes what it is given."""
        self.part_works("", at)

    def _is_state(self) -> ColumnElement[bool]:
        return or_(DELIVERIES.c.key == self._sink, DELIVERIES.c.key.like(state_key(self._sink, "%")))

    def _note(self, connection: Connection, key: str, at: datetime, **values: int | str | None) -> None:
        """A row that is done and counts as no message."""
        row = {"key": key, "sink": self._sink, "attempts": 0, "begun_ms": to_ms(at), "done_ms": to_ms(at), **values}
        connection.execute(insert(DELIVERIES).values(row).on_conflict_do_update(index_elements=["key"], set_=row))

    def _known(self, connection: Connection) -> tuple[IncidentDelivery, ...]:
        due = or_(INCIDENTS.c.told_revision < INCIDENTS.c.revision, INCIDENTS.c.resolved_ms.is_(None))
        first = select(INCIDENTS).where(due).order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id).limit(_MOST_INCIDENTS)
        rows = {row["id"]: row for row in connection.execute(first).mappings()}
        leads = {row["lead_id"] or row["id"] for row in rows.values()}
        together = select(INCIDENTS).where(or_(INCIDENTS.c.id.in_(leads), INCIDENTS.c.lead_id.in_(leads)))
        rows |= {row["id"]: row for row in connection.execute(together).mappings()}
        ordered = sorted(rows.values(), key=lambda row: (row["opened_ms"], row["id"]))
        found = {row["id"]: self._read.get(row["id"]) for row in ordered}
        same = {one.id: one for one in found.values() if one and one.revision == rows[one.id]["revision"]}
        self._read = {row["id"]: same.get(row["id"]) or incident_of(row) for row in ordered}
        return tuple(
            IncidentDelivery(
                incident=self._read[row["id"]],
                revision=row["told_revision"],
                line=row["told_lines"],
                channel=row["slack_channel"],
                ts=row["slack_ts"],
            )
            for row in ordered
        )

    def _rows(self, connection: Connection, incidents: Sequence[int], now: datetime) -> dict[str, Delivery]:
        ours = DELIVERIES.c.sink == self._sink
        late = or_(DELIVERIES.c.begun_ms > to_ms(now - _LATELY), DELIVERIES.c.attempts == 0)
        # Nothing follows from a reply but what people know, which is kept with the incident.
        about = DELIVERIES.c.incident_id.in_(incidents) & ~DELIVERIES.c.key.like("% line %")
        general = DELIVERIES.c.incident_id.is_(None) & ~DELIVERIES.c.key.like(f"{self._sink} event %") & late
        wanted = select(DELIVERIES).where(ours, or_(about, general, self._is_state()))
        found = (_delivery(row) for row in connection.execute(wanted).mappings())
        return {one.key: one for one in found}

    def _sent(self, connection: Connection, now: datetime) -> tuple[datetime, ...]:
        call, lately = DELIVERIES.alias(), to_ms(now - _HOUR)
        # A call, or a headline that was one: what is critical takes nobody's place.
        calls = call.c.key.like(f"{self._sink} incident % call %"), call.c.begun_ms > lately
        called = exists().where(*calls, call.c.ts == DELIVERIES.c.ts)
        messages = DELIVERIES.c.attempts > 0, ~self._is_state(), ~called, DELIVERIES.c.sink == self._sink
        wanted = select(DELIVERIES.c.begun_ms).where(DELIVERIES.c.begun_ms.between(lately + 1, to_ms(now)), *messages)
        return tuple(from_ms(ms) for (ms,) in connection.execute(wanted.order_by(DELIVERIES.c.begun_ms)))


def _events(connection: Connection) -> tuple[PendingEvent, ...]:
    wanted = select(EVENTS).where(EVENTS.c.telling == "due").order_by(EVENTS.c.id).limit(_MOST_EVENTS)
    return tuple(
        PendingEvent(id=row.id, at=from_ms(row.at_ms), kind=row.kind, subject=row.subject, text=row.text)
        for row in connection.execute(wanted)
    )


def _tell(connection: Connection, told: Receipt, home: tuple[str, str] | None) -> None:
    for incident_id, revision, line in told.incidents:
        values: dict[str, Any] = {
            "told_revision": _at_least(INCIDENTS.c.told_revision, revision),
            "told_lines": _at_least(INCIDENTS.c.told_lines, line),
            "delivery_error": None,
        }
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident_id).values(values))
    if home and told.home:
        at = {"slack_channel": home[0], "slack_ts": home[1]}
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == told.home).values(at))
    if told.events:
        values = {"telling": "told", "delivery_error": None}
        connection.execute(update(EVENTS).where(EVENTS.c.id.in_(told.events)).values(values))


def _at_least(column: Any, number: int) -> Any:
    return case((column < number, number), else_=column)


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        key=row["key"],
        begun_at=from_ms(row["begun_ms"]),
        done_at=maybe_from_ms(row["done_ms"]),
        channel=row["channel"],
        ts=row["ts"],
        attempts=row["attempts"],
        error=row["error"],
    )
