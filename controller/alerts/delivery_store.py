"""Stores deliveries: begun before a message is sent, done once its channel has taken it; and how the channel is."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, or_
from sqlmodel import Session, col, delete, func, select, update

from controller.alerts.delivery import (
    Delivery,
    DeliveryKind,
    DeliverySnapshot,
    DueAlert,
    PlannedMessage,
    Receipt,
    place_key,
)
from controller.alerts.queries import DELIVERY, read_due_alerts, read_snapshot, taken_by
from controller.incidents.incident import Incident
from monitor.storage.column_conversions import from_ms, storable, to_ms, truncate
from monitor.storage.database import durable, reading
from monitor.storage.row_conversions import event_row
from monitor.storage.tables import ChannelStateRow, DeliveryRow, EventRow, IncidentRow

_LONGEST_ERROR: Final = 500
#: Long enough to know what was told of any incident that may yet change.
_RETENTION: Final = timedelta(days=30)


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
        """Since when the channel is configured; None until that was read."""
        self._known: list[Incident] = []
        """The incidents of the last snapshot: what has not changed is not parsed again."""

    # What is due.

    def snapshot(self, now: datetime) -> DeliverySnapshot:
        """What there is to tell in Slack, and what was told."""
        with self._reading.connect() as connection:
            snapshot = read_snapshot(connection, self.sink, now, self._known)
        self._known = [member.incident for member in snapshot.incidents]
        return snapshot

    def due_alerts(self, now: datetime) -> list[DueAlert]:
        """The alerts that the channel has not taken; one that is new in the configuration is not told what is over."""
        if self._since is None:
            key = f"{self.sink} since"
            with Session(self._engine) as session, session.begin():
                row = session.get(DeliveryRow, key) or self._add_mark(session, key, DeliveryKind.SINCE, now)
                self._since = from_ms(row.begun_ms)
        with self._reading.connect() as connection:
            return read_due_alerts(connection, self.sink, now, self._since)

    def taken_after(self, after: datetime) -> int:
        """How many messages the channel has taken after that."""
        counted = col(DeliveryRow.done_ms) > to_ms(after), col(DeliveryRow.attempts) > 0
        taken = select(func.count()).where(*taken_by(self.sink), *counted)
        with Session(self._reading) as session:
            return session.exec(taken).one()

    def under_way(self) -> list[Delivery]:
        """What was begun and is not known to have arrived, oldest first."""
        begun = select(DeliveryRow).where(col(DeliveryRow.sink) == self.sink, col(DeliveryRow.done_ms).is_(None))
        with Session(self._reading) as session:
            oldest = begun.order_by(col(DeliveryRow.begun_ms), col(DeliveryRow.key))
            return [DELIVERY.value(row) for row in session.exec(oldest)]

    # One delivery, from its beginning to its end.

    def begin(self, planned: PlannedMessage, at: datetime) -> None:
        """It is about to be sent: from now on, and until it is `done` or `mark_unsent`, perhaps it was.

        What was begun of an older revision of the same incident, as an alert, is forgotten.
        """
        with Session(self._engine) as session, session.begin():
            row = self._row(session, planned.key, planned.kind)
            row.incident_id, row.event_id = planned.incident_id, planned.event_id
            row.begun_ms, row.done_ms, row.attempts = to_ms(at), None, row.attempts + 1
            row.channel, row.ts, row.call = planned.channel or None, planned.ts, planned.receipt.call
            if planned.alert:
                row.alert_kind, row.severity = planned.alert.kind.value, planned.alert.severity.value
            if planned.revision is not None:
                row.revision = planned.revision
                older = (col(DeliveryRow.incident_id) == planned.incident_id, col(DeliveryRow.done_ms).is_(None))
                ours = (col(DeliveryRow.sink) == self.sink, col(DeliveryRow.key) != planned.key)
                session.exec(delete(DeliveryRow).where(*ours, *older))

    def done(self, key: str, at: datetime, receipt: Receipt, *, configured: str = "") -> None:
        """The channel has taken it, and people know what the receipt says.

        `configured` is the Slack channel as the configuration names it; Slack's id of it is remembered.
        """
        with Session(self._engine) as session, session.begin():
            if row := session.get(DeliveryRow, key):
                row.done_ms, row.error = to_ms(at), None
                row.channel, row.ts, row.call = receipt.channel, receipt.ts, receipt.call or row.call
            if configured and receipt.channel and configured != receipt.channel:
                place = self._add_mark(session, place_key(self.sink, configured), DeliveryKind.PLACE, at)
                place.subject, place.channel = configured, receipt.channel
            _keep_receipt(session, receipt)

    def keep(self, receipt: Receipt) -> None:
        """People know this, without a new message."""
        with Session(self._engine) as session, session.begin():
            _keep_receipt(session, receipt)

    def mark(self, planned: PlannedMessage, at: datetime) -> None:
        """Store a delivery that counts as no message."""
        with Session(self._engine) as session, session.begin():
            row = self._add_mark(session, planned.key, planned.kind, at)
            row.incident_id, row.revision = planned.incident_id, planned.revision
            if planned.alert and planned.kind is DeliveryKind.TOGETHER:
                row.alert_kind, row.severity = planned.alert.kind.value, planned.alert.severity.value

    def mark_unconfirmed(self, key: str, error: str) -> None:
        """Nobody knows whether the channel has taken it; it stays begun."""
        with Session(self._engine) as session, session.begin():
            if row := session.get(DeliveryRow, key):
                row.error = truncate(error, _LONGEST_ERROR)

    def mark_unsent(self, key: str) -> None:
        """The channel has certainly not taken it."""
        with Session(self._engine) as session, session.begin():
            session.exec(delete(DeliveryRow).where(col(DeliveryRow.key) == key))

    def gone(self, ts: str) -> None:
        """Slack's message of this id stands no more: what it told is to be told anew."""
        nowhere = {"slack_channel": None, "slack_ts": None, "told_revision": 0}
        with Session(self._engine) as session, session.begin():
            session.exec(delete(DeliveryRow).where(col(DeliveryRow.sink) == self.sink, col(DeliveryRow.ts) == ts))
            session.exec(update(IncidentRow).where(col(IncidentRow.slack_ts) == ts).values(nowhere))

    def failed(self, receipt: Receipt, error: str) -> None:
        """Why people could not be told of the incidents and events of the receipt."""
        incidents = [incident_id for incident_id, _, _ in receipt.incidents]
        reason = {"delivery_error": truncate(error, _LONGEST_ERROR)}
        with Session(self._engine) as session, session.begin():
            session.exec(update(IncidentRow).where(col(IncidentRow.id).in_(incidents)).values(reason))
            session.exec(update(EventRow).where(col(EventRow.id).in_(receipt.events)).values(reason))

    def prune(self, now: datetime, *, under_way: bool = False) -> None:
        """Forget what was done, or with `under_way` begun, so long ago that nothing follows from it."""
        about = col(DeliveryRow.incident_id)
        still_open = select(IncidentRow.id).where(col(IncidentRow.resolved_ms).is_(None))
        over = or_(about.not_in(still_open), about.is_(None) & (col(DeliveryRow.attempts) > 0))
        old = [col(DeliveryRow.sink) == self.sink, col(DeliveryRow.begun_ms) < to_ms(now - _RETENTION), over]
        if not under_way:
            old.append(col(DeliveryRow.done_ms).is_not(None))
        with Session(self._engine) as session, session.begin():
            session.exec(delete(DeliveryRow).where(*old))

    # How the channel is.

    def failing(self) -> list[str]:
        """The parts that do not work, as they were given to `keep_state`."""
        failing = (col(ChannelStateRow.sink) == self.sink, col(ChannelStateRow.over_ms).is_(None))
        with Session(self._reading) as session:
            return list(session.exec(select(ChannelStateRow.part).where(*failing)))

    def keep_state(self, part: str, at: datetime, error: str | None) -> None:
        """A part of the channel (empty: all of it) does not work, for this reason; None: it works, perhaps again."""
        key = {"sink": self.sink, "part": storable(part)}
        if error is None and key["part"] not in self.failing():
            return
        with Session(self._engine) as session, session.begin():
            row = session.get(ChannelStateRow, key)
            if row is None or row.over_ms is not None:
                row = session.merge(ChannelStateRow(**key, since_ms=to_ms(at), over_ms=None, failures=0))
            if error is None:
                row.over_ms = to_ms(at)
            else:
                row.failures, row.error = row.failures + 1, truncate(error, _LONGEST_ERROR)

    def _row(self, session: Session, key: str, kind: DeliveryKind) -> DeliveryRow:
        row = session.get(DeliveryRow, key)
        if row is None:
            row = DeliveryRow(key=key, sink=self.sink, attempts=0)
            session.add(row)
        row.kind = kind.value
        return row

    def _add_mark(self, session: Session, key: str, kind: DeliveryKind, at: datetime) -> DeliveryRow:
        """A row that is done and counts as no message."""
        row = self._row(session, key, kind)
        row.begun_ms = row.done_ms = to_ms(at)
        row.attempts = 0
        return row


def forget_other_channels(engine: Engine, sinks: Collection[str], at: datetime) -> None:
    """Channels that are not among these are no longer configured, and do not fail. Raises DatabaseError."""
    others = (col(ChannelStateRow.over_ms).is_(None), col(ChannelStateRow.sink).not_in(list(sinks)))
    with Session(durable(engine)) as session, session.begin():
        session.exec(update(ChannelStateRow).where(*others).values(over_ms=to_ms(at)))


def claim_press(engine: Engine, key: str, incident_id: int | None, now: datetime) -> tuple[datetime, bool] | None:
    """Record that this press came in, among the deliveries, because its answer is one; `key` is `Press.key`.

    Returns when it came in before, and whether it was handled (else the process was killed meanwhile); None for a
    press that is new. Raises DatabaseError.
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


def _keep_receipt(session: Session, receipt: Receipt) -> None:
    for incident_id, revision, line in receipt.incidents:
        if incident := session.get(IncidentRow, incident_id):
            incident.told_revision = max(incident.told_revision, revision)
            incident.told_lines = max(incident.told_lines, line)
            incident.delivery_error = None
    if receipt.home and receipt.ts and (lead := session.get(IncidentRow, receipt.home)):
        lead.slack_channel, lead.slack_ts = receipt.channel, receipt.ts
    for event_id in receipt.events:
        if event := session.get(EventRow, event_id):
            event.telling, event.delivery_error = "told", None
