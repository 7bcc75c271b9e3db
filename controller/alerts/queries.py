"""Reads what is due for a channel, what was delivered, and which channels fail; with Core, because every second."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from controller.alerts.alert import AlertKind, PendingEvent
from controller.alerts.delivery import (
    ChannelState,
    Delivery,
    DeliveryKind,
    DeliverySnapshot,
    DueAlert,
    IncidentDelivery,
    TakenAlert,
)
from controller.incidents.incident import Incident
from controller.incidents.store import incident_of
from monitor.config.alert_settings import Severity
from monitor.storage.column_conversions import RowMapper, from_ms, maybe_from_ms, to_ms
from monitor.storage.tables import CHANNEL_STATES, DELIVERIES, EVENTS, INCIDENTS

#: What was over longer ago than this before a channel could be told is not told any more.
STALE: Final = timedelta(hours=24)
#: The end of an incident of which a channel was told is news for so long.
_END_IS_NEWS: Final = timedelta(days=7)
_MOST_ALERTS: Final = 50
_MOST_EVENTS: Final = 200
_MOST_INCIDENTS: Final = 500
_HOUR: Final = timedelta(hours=1)
#: Messages about no single incident are of interest for so long.
_LATELY: Final = timedelta(days=2)
#: Messages that count against no bound: they are no new ones in the channel, or tell what the bound holds back.
_UNCOUNTED: Final = (DeliveryKind.REPLY, DeliveryKind.ENDED, DeliveryKind.HELD)
DELIVERY: Final = RowMapper(Delivery)
_STATE: Final = RowMapper(ChannelState)
_EVENT: Final = RowMapper(PendingEvent)
_ROWS = DELIVERIES.c
_STATES = CHANNEL_STATES.c


def read_failing(connection: Connection) -> list[ChannelState]:
    """The channels, and the parts of channels, that fail now; the longest first."""
    wanted = select(CHANNEL_STATES).where(_STATES.over_ms.is_(None), _STATES.error.is_not(None))
    rows = connection.execute(wanted.order_by(_STATES.since_ms, _STATES.sink, _STATES.part))
    return [_STATE.value(row) for row in rows]


def count_pending(connection: Connection) -> tuple[int, int]:
    """How many incidents and how many events people have not wholly been told of in Slack."""
    incidents = select(func.count()).where(INCIDENTS.c.told_revision < INCIDENTS.c.revision)
    events = select(func.count()).where(EVENTS.c.telling == "due")
    return connection.scalar(incidents) or 0, connection.scalar(events) or 0


# What there is to tell in Slack.


def read_snapshot(connection: Connection, sink: str, now: datetime, known: Iterable[Incident]) -> DeliverySnapshot:
    """What there is to tell, and what was told; of `known`, incidents are taken that have not changed."""
    incidents = _unreported_incidents(connection, known)
    events = select(EVENTS).where(EVENTS.c.telling == "due").order_by(EVENTS.c.id).limit(_MOST_EVENTS)
    within = _ROWS.begun_ms.between(to_ms(now - _HOUR) + 1, to_ms(now))
    sent = select(_ROWS.begun_ms).where(
        _ROWS.sink == sink, _ROWS.attempts > 0, _ROWS.call.is_(None), within, _ROWS.kind.not_in(_UNCOUNTED)
    )
    outage = select(CHANNEL_STATES).where(_STATES.sink == sink, _STATES.part == "")
    return DeliverySnapshot(
        incidents=incidents,
        events=tuple(_EVENT.value(row) for row in connection.execute(events)),
        deliveries=_relevant(connection, sink, [member.incident.id for member in incidents], now),
        sent_at=tuple(map(from_ms, connection.scalars(sent.order_by(_ROWS.begun_ms)))),
        outage=next((_STATE.value(row) for row in connection.execute(outage)), None),
    )


def _unreported_incidents(connection: Connection, known: Iterable[Incident]) -> tuple[IncidentDelivery, ...]:
    due = or_(INCIDENTS.c.told_revision < INCIDENTS.c.revision, INCIDENTS.c.resolved_ms.is_(None))
    first = select(INCIDENTS).where(due).order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id).limit(_MOST_INCIDENTS)
    rows = {row.id: row for row in connection.execute(first)}
    leads = {row.lead_id or row.id for row in rows.values()}
    together = select(INCIDENTS).where(or_(INCIDENTS.c.id.in_(leads), INCIDENTS.c.lead_id.in_(leads)))
    rows |= {row.id: row for row in connection.execute(together)}
    known_now = {(incident.id, incident.revision): incident for incident in known}
    return tuple(
        IncidentDelivery(
            incident=known_now.get((row.id, row.revision)) or incident_of(row),
            revision=row.told_revision,
            line=row.told_lines,
            channel=row.slack_channel,
            ts=row.slack_ts,
        )
        for row in sorted(rows.values(), key=lambda row: (row.opened_ms, row.id))
    )


def _relevant(connection: Connection, sink: str, incidents: Sequence[int], now: datetime) -> dict[str, Delivery]:
    lately = or_(_ROWS.begun_ms > to_ms(now - _LATELY), _ROWS.attempts == 0)
    # Nothing follows from a reply but what people know, which is kept with the incident.
    about = and_(_ROWS.incident_id.in_(incidents), _ROWS.kind != DeliveryKind.REPLY)
    general = and_(_ROWS.incident_id.is_(None), _ROWS.kind != DeliveryKind.EVENT, lately)
    wanted = select(DELIVERIES).where(_ROWS.sink == sink, or_(about, general))
    return {row.key: DELIVERY.value(row) for row in connection.execute(wanted.order_by(_ROWS.key))}


# What there is to tell in alerts.


def read_due_alerts(connection: Connection, sink: str, now: datetime, since: datetime) -> list[DueAlert]:
    """What a channel that is configured since then has not taken and is still worth telling.

    Incidents, oldest first, then events.
    """
    fresh_ms = to_ms(max(since, now - STALE))
    return [*_due_incidents(connection, sink, now, fresh_ms), *_due_events(connection, sink, fresh_ms)]


def taken_by(sink: str) -> tuple[ColumnElement[bool], ...]:
    """The condition for what the channel has taken: messages, and what another message told."""
    sent = or_(_ROWS.attempts > 0, _ROWS.kind == DeliveryKind.TOGETHER)
    return _ROWS.sink == sink, _ROWS.done_ms.is_not(None), sent


def _due_incidents(connection: Connection, sink: str, now: datetime, fresh_ms: int) -> list[DueAlert]:
    row = INCIDENTS.c
    taken_before = exists().where(*taken_by(sink), _ROWS.incident_id == row.id)
    of_this = DELIVERIES.alias()
    same = and_(of_this.c.sink == sink, of_this.c.incident_id == row.id, of_this.c.revision == row.revision)
    news = or_(
        row.resolved_ms.is_(None),
        row.resolved_ms >= fresh_ms,
        (row.resolved_ms >= to_ms(now - _END_IS_NEWS)) & taken_before,
    )
    wanted = (
        select(INCIDENTS, of_this.c.begun_ms.label("begun_ms"))
        .join(of_this, same, isouter=True)
        .where(of_this.c.done_ms.is_(None), news)
        .order_by(row.opened_ms, row.id)
        .limit(_MOST_ALERTS)
    )
    return [
        DueAlert(
            key=f"{sink} incident {incident.id} revision {incident.revision}",
            begun_at=maybe_from_ms(incident.begun_ms),
            about=incident_of(incident),
            taken=_last_alert(connection, sink, incident.id),
        )
        for incident in connection.execute(wanted).all()
    ]


def _last_alert(connection: Connection, sink: str, incident_id: int) -> TakenAlert | None:
    """What the channel took last of the incident; None: nothing.

    Kinds and severities of another version are taken for those that let the least be left out.
    """
    wanted = select(_ROWS.alert_kind, _ROWS.severity, _ROWS.begun_ms).where(
        *taken_by(sink), _ROWS.incident_id == incident_id
    )
    row = connection.execute(wanted.order_by(_ROWS.begun_ms.desc()).limit(1)).first()
    if row is None:
        return None
    kind = next((kind for kind in AlertKind if kind == row.alert_kind), AlertKind.INCIDENT_CHANGED)
    severity = next((severity for severity in Severity if severity == row.severity), Severity.INFO)
    return TakenAlert(kind=kind, severity=severity, at=from_ms(row.begun_ms))


def _due_events(connection: Connection, sink: str, fresh_ms: int) -> list[DueAlert]:
    wanted = (
        select(EVENTS, _ROWS.begun_ms)
        .join(DELIVERIES, and_(_ROWS.sink == sink, _ROWS.event_id == EVENTS.c.id), isouter=True)
        .where(EVENTS.c.telling.is_not(None), EVENTS.c.at_ms >= fresh_ms, _ROWS.done_ms.is_(None))
        .order_by(EVENTS.c.id)
        .limit(_MOST_ALERTS)
    )
    return [
        DueAlert(key=f"{sink} event {row.id}", begun_at=maybe_from_ms(row.begun_ms), about=_EVENT.value(row))
        for row in connection.execute(wanted)
    ]
