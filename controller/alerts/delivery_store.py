"""Stores deliveries: begun before a message is sent, done once its channel has taken it; and how the channel is."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, case, delete, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from controller.alerts.delivery import (
    ChannelState,
    Delivery,
    DeliveryKind,
    DeliverySnapshot,
    DueAlert,
    PlannedMessage,
    Receipt,
    place_key,
)
from controller.alerts.queries import (
    count_taken,
    read_due_alerts,
    read_snapshot,
    read_state,
    read_under_way,
)
from controller.incidents.incident import Incident
from monitor.storage.columns import brief, from_ms, storable, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.tables import CHANNEL_STATES, DELIVERIES, EVENTS, INCIDENTS

_LONGEST_ERROR: Final = 500
#: Long enough to know what was told of any incident that may yet change.
_KEPT: Final = timedelta(days=30)
_ROWS = DELIVERIES.c
_STATES = CHANNEL_STATES.c


class DeliveryStore:
    """The deliveries of one channel (`slack`, `webhook`, …), on an engine of `open_writer`.

    Not for several threads at once. Every method is one transaction that survives a power cut, and raises
    `monitor.storage.database.DatabaseError` when it did not happen.
    """

    def __init__(self, engine: Engine, sink: str) -> None:
        self.sink: Final = sink
        self._engine = durable(engine)
        self._reading = reading(engine)
        self._since: datetime | None = None
        self._known: dict[int, Incident] = {}
        """The incidents of the last snapshot: what has not changed is not read again."""

    # What is due.

    def snapshot(self, now: datetime) -> DeliverySnapshot:
        """What there is to tell in Slack, and what was told."""
        with self._reading.connect() as connection:
            snapshot = read_snapshot(connection, self.sink, now, self._known)
        self._known = {one.incident.id: one.incident for one in snapshot.incidents}
        return snapshot

    def due_alerts(self, now: datetime) -> list[DueAlert]:
        """The alerts that the channel has not taken; one that is new in the configuration is not told what is over."""
        since = self.configured_since(now)
        with self._reading.connect() as connection:
            return read_due_alerts(connection, self.sink, now, since)

    def configured_since(self, now: datetime) -> datetime:
        """Since when the channel is configured; one that is not known yet begins now."""
        if self._since is None:
            mark = self._mark_row(f"{self.sink} since", DeliveryKind.SINCE, now)
            with self._engine.begin() as connection:
                connection.execute(insert(DELIVERIES).values(mark).on_conflict_do_nothing())
                begun_ms = connection.scalar(select(_ROWS.begun_ms).where(_ROWS.key == mark["key"]))
            self._since = now if begun_ms is None else from_ms(begun_ms)
        return self._since

    def taken_after(self, after: datetime) -> int:
        """How many messages the channel has taken after that."""
        with self._reading.connect() as connection:
            return count_taken(connection, self.sink, after)

    def under_way(self) -> list[Delivery]:
        """What was begun and is not known to have arrived, oldest first."""
        with self._reading.connect() as connection:
            return read_under_way(connection, self.sink)

    # One delivery, from its beginning to its end.

    def begin(self, planned: PlannedMessage, at: datetime) -> None:
        """It is about to be sent: from now on, and until it is `done` or `withdrawn`, perhaps it was.

        What was begun of an older revision of the same incident, as an alert, is forgotten.
        """
        alert = planned.alert
        revision = alert.incident.revision if alert and alert.incident else None
        row = {
            "key": planned.key,
            "sink": self.sink,
            "kind": planned.kind.value,
            "incident_id": planned.incident_id,
            "event_id": planned.event_id,
            "revision": revision,
            "call": planned.receipt.call,
            "begun_ms": to_ms(at),
            "done_ms": None,
            "channel": planned.channel or None,
            "ts": planned.ts,
            "alert_kind": alert and alert.kind.value,
            "severity": alert and alert.severity.value,
        }
        older = (_ROWS.sink == self.sink, _ROWS.incident_id == planned.incident_id, _ROWS.done_ms.is_(None))
        with self._engine.begin() as connection:
            if revision is not None:
                connection.execute(delete(DELIVERIES).where(*older, _ROWS.key != planned.key))
            again = {**row, "attempts": _ROWS.attempts + 1}
            new = insert(DELIVERIES).values(**row, attempts=1)
            connection.execute(new.on_conflict_do_update(index_elements=["key"], set_=again))

    def done(self, key: str, at: datetime, receipt: Receipt, *, asked: str = "") -> None:
        """The channel has taken it, and people know what the receipt says.

        `asked` is the Slack channel as the configuration names it; Slack's id of it is remembered.
        """
        values: dict[str, Any] = {"done_ms": to_ms(at), "channel": receipt.channel, "ts": receipt.ts, "error": None}
        if receipt.call is not None:
            values["call"] = receipt.call
        with self._engine.begin() as connection:
            connection.execute(update(DELIVERIES).where(_ROWS.key == key).values(values))
            if asked and receipt.channel and asked != receipt.channel:
                key = place_key(self.sink, asked)
                row = self._mark_row(key, DeliveryKind.PLACE, at, subject=asked, channel=receipt.channel)
                self._upsert(connection, row)
            _keep_receipt(connection, receipt)

    def keep(self, receipt: Receipt) -> None:
        """People know this, without a new message."""
        with self._engine.begin() as connection:
            _keep_receipt(connection, receipt)

    def mark(self, planned: PlannedMessage, at: datetime) -> None:
        """Store a delivery that counts as no message."""
        incident = planned.alert.incident if planned.alert else None
        more = {"incident_id": planned.incident_id, "revision": incident.revision if incident else None}
        with self._engine.begin() as connection:
            self._upsert(connection, self._mark_row(planned.key, planned.kind, at, **more))

    def unsure(self, key: str, error: str) -> None:
        """Nobody knows whether the channel has taken it; it stays begun."""
        with self._engine.begin() as connection:
            values = {"error": brief(error, _LONGEST_ERROR)}
            connection.execute(update(DELIVERIES).where(_ROWS.key == key).values(values))

    def withdrawn(self, key: str) -> None:
        """The channel has certainly not taken it."""
        with self._engine.begin() as connection:
            connection.execute(delete(DELIVERIES).where(_ROWS.key == key))

    def gone(self, ts: str) -> None:
        """Slack's message of this id stands no more: what it told is to be told anew."""
        with self._engine.begin() as connection:
            connection.execute(delete(DELIVERIES).where(_ROWS.sink == self.sink, _ROWS.ts == ts))
            nowhere = {"slack_channel": None, "slack_ts": None, "told_revision": 0}
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.slack_ts == ts).values(nowhere))

    def failed(self, receipt: Receipt, error: str) -> None:
        """Why people could not be told of the incidents and events of the receipt."""
        incidents = [incident_id for incident_id, _, _ in receipt.incidents]
        values = {"delivery_error": brief(error, _LONGEST_ERROR)}
        with self._engine.begin() as connection:
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.id.in_(incidents)).values(values))
            connection.execute(update(EVENTS).where(EVENTS.c.id.in_(receipt.events)).values(values))

    def prune(self, now: datetime, *, under_way: bool = False) -> None:
        """Forget what was done, or with `under_way` begun, so long ago that nothing follows from it."""
        still_open = select(INCIDENTS.c.id).where(INCIDENTS.c.resolved_ms.is_(None))
        over = or_(_ROWS.incident_id.not_in(still_open), _ROWS.incident_id.is_(None) & (_ROWS.attempts > 0))
        old = [_ROWS.sink == self.sink, _ROWS.begun_ms < to_ms(now - _KEPT), over]
        if not under_way:
            old.append(_ROWS.done_ms.is_not(None))
        with self._engine.begin() as connection:
            connection.execute(delete(DELIVERIES).where(*old))

    # How the channel is.

    def state(self, part: str = "") -> ChannelState | None:
        """The last failure of a part of the channel (empty: of all of it); None: there was none."""
        with self._reading.connect() as connection:
            return read_state(connection, self.sink, part)

    def failing(self) -> list[str]:
        """The parts that do not work, as they were given to `part_failed`."""
        states = select(_STATES.part).where(_STATES.sink == self.sink, _STATES.over_ms.is_(None))
        with self._reading.connect() as connection:
            return list(connection.scalars(states))

    def part_failed(self, part: str, at: datetime, error: str) -> None:
        """A part of the channel does not work, for this reason; the empty part: it takes nothing at all."""
        reason = brief(error, _LONGEST_ERROR)
        row = {"sink": self.sink, "part": storable(part), "since_ms": to_ms(at), "over_ms": None, "failures": 1}
        row |= {"error": reason}
        goes_on = _STATES.over_ms.is_(None)
        again = {
            "since_ms": case((goes_on, _STATES.since_ms), else_=row["since_ms"]),
            "failures": case((goes_on, _STATES.failures + 1), else_=1),
            "over_ms": None,
            "error": reason,
        }
        with self._engine.begin() as connection:
            new = insert(CHANNEL_STATES).values(row)
            connection.execute(new.on_conflict_do_update(index_elements=["sink", "part"], set_=again))

    def part_works(self, part: str, at: datetime) -> None:
        """It works again."""
        failing = (_STATES.sink == self.sink, _STATES.part == storable(part), _STATES.over_ms.is_(None))
        with self._engine.begin() as connection:
            connection.execute(update(CHANNEL_STATES).where(*failing).values(over_ms=to_ms(at)))

    def _mark_row(self, key: str, kind: DeliveryKind, at: datetime, **more: int | str | None) -> dict[str, Any]:
        row = {"key": key, "sink": self.sink, "kind": kind.value, "attempts": 0}
        return {**row, "begun_ms": to_ms(at), "done_ms": to_ms(at), **more}

    def _upsert(self, connection: Connection, row: dict[str, Any]) -> None:
        connection.execute(insert(DELIVERIES).values(row).on_conflict_do_update(index_elements=["key"], set_=row))


def forget_other_channels(engine: Engine, sinks: Collection[str], at: datetime) -> None:
    """Channels that are not among these are no longer configured, and fail nobody. Raises DatabaseError."""
    gone = update(CHANNEL_STATES).where(_STATES.over_ms.is_(None), _STATES.sink.not_in(list(sinks)))
    with durable(engine).begin() as connection:
        connection.execute(gone.values(over_ms=to_ms(at)))


def _keep_receipt(connection: Connection, receipt: Receipt) -> None:
    for incident_id, revision, line in receipt.incidents:
        values: dict[str, Any] = {
            "told_revision": _at_least(INCIDENTS.c.told_revision, revision),
            "told_lines": _at_least(INCIDENTS.c.told_lines, line),
            "delivery_error": None,
        }
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident_id).values(values))
    if receipt.home and receipt.ts:
        at = {"slack_channel": receipt.channel, "slack_ts": receipt.ts}
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == receipt.home).values(at))
    if receipt.events:
        told = {"telling": "told", "delivery_error": None}
        connection.execute(update(EVENTS).where(EVENTS.c.id.in_(receipt.events)).values(told))


def _at_least(column: Any, number: int) -> Any:
    return case((column < number, number), else_=column)
