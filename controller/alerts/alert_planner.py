"""Which alerts a channel is handed, and under which id: of each incident the newest revision, and events (pure)."""

from collections.abc import Iterable
from datetime import datetime

from controller.alerts.alert import Alert, AlertKind, incident_alert, notice_alert
from controller.alerts.delivery import Action, DeliveryKind, DueAlert, PlannedMessage
from controller.incidents.incident import Incident
from monitor.settings import Severity
from monitor.storage.conversions import from_ms, to_ms


def plan_alerts(
    due: Iterable[DueAlert], now: datetime, *, every_change: bool, room: int | None
) -> list[PlannedMessage]:
    """What to send, in order, and what to mark because the channel need not be told.

    Past `room` (None: there is no bound) only what is critical goes out.
    """
    planned: list[PlannedMessage] = []
    for item in due:
        alert = alert_of(item, now)
        action = Action.POST if is_wanted(alert, item, every_change=every_change) else Action.MARK
        if action is Action.POST and room is not None:
            if room <= 0 and alert.severity is not Severity.CRITICAL:
                continue
            room -= 1
        planned.append(
            PlannedMessage(
                key=item.key,
                kind=DeliveryKind.REVISION if item.incident else DeliveryKind.EVENT,
                action=action,
                alert=alert,
                incident_id=item.incident.id if item.incident else None,
                event_id=item.event.id if item.event else None,
                revision=item.incident.revision if item.incident else None,
            )
        )
    return planned


def alert_of(due: DueAlert, now: datetime) -> Alert:
    """What is told of it, under an id that stays the same however often it is sent."""
    at = due.begun_at or from_ms(to_ms(now))  # as it will be known after a crash
    if due.incident:
        alert_id = f"incident-{due.incident.id}-{due.incident.revision}-{to_ms(at):x}"
        return incident_alert(due.incident, kind_of(due.incident, due.last_kind), alert_id=alert_id, at=at)
    if due.event is None:
        raise ValueError(f"{due.key} is neither about an incident nor about an event")
    return notice_alert(due.event, alert_id=f"notice-{due.event.id}-{to_ms(at):x}", at=at)


def kind_of(incident: Incident, last: AlertKind | None) -> AlertKind:
    """Resolved; opened, where what the channel was told last is not that it is open; else changed."""
    if incident.resolved_at:
        return AlertKind.INCIDENT_RESOLVED
    return AlertKind.INCIDENT_OPENED if last in {None, AlertKind.INCIDENT_RESOLVED} else AlertKind.INCIDENT_CHANGED


def is_wanted(alert: Alert, due: DueAlert, *, every_change: bool) -> bool:
    """Whether a channel is told this; one that cannot edit hears of an end, and of what is critical, once."""
    if every_change or due.last_kind is None:
        return True
    if alert.kind is AlertKind.INCIDENT_RESOLVED:
        return due.last_kind is not AlertKind.INCIDENT_RESOLVED
    if alert.kind is AlertKind.INCIDENT_CHANGED:
        return alert.severity is Severity.CRITICAL and due.last_severity is not Severity.CRITICAL
    return True
