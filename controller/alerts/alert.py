"""What channels besides Slack are given: one alert as plain text and as a JSON document (pure)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from controller.alerts.digest.digest import DIGEST
from controller.alerts.next_action import NextAction, incident_action
from controller.alerts.severity import severity_of, severity_of_notice
from controller.alerts.slack.blocks import NAME_CHARS
from controller.alerts.slack.incident_message import plain_text
from controller.incidents.incident import Incident
from controller.incidents.json_document import incident_document
from monitor.config.alert_settings import Severity
from monitor.formatting import instant
from probes.redaction import MASK, one_line
from probes.target import Secret

FORMAT: Final = "hotspare.alert/1"
_LONGEST_LINE: Final = 2_000
_SHORTEST_SECRET: Final = 8
#: What stands before a notice: the first symbol with a part of its kind's name.
_SYMBOLS: Final = {
    "💰": ("budget", "interval", "reserve"),
    "🔑": ("key",),
    "⚠️": ("stopped", "failing", "attention", "ignored", "held", "database"),
    "📡": ("network",),
    "🔁": ("model",),
    "⌛": ("expired",),
    "▶️": ("un", "resumed", "again"),
}


class AlertKind(StrEnum):
    """What an alert tells."""

    INCIDENT_OPENED = "incident_opened"
    """Also when it comes back within 15 minutes of its end."""
    INCIDENT_CHANGED = "incident_changed"
    INCIDENT_RESOLVED = "incident_resolved"
    NOTICE = "notice"
    """Something that happened once, such as an override."""
    DIGEST = "digest"
    """The week in a few lines."""
    TEST = "test"
    """From `hotspare alerts test`; nothing has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEvent:
    """An event that people must be told of and have not been."""

    id: int
    at: datetime
    kind: str
    """A past-tense name: `pinned`, `probing_stopped`."""
    subject: str
    text: str
    """It may quote a provider or an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to tell; texts in it may quote a provider or a person."""

    id: str
    """The same each time that it is sent, and no other alert's."""
    at: datetime
    """When it was first to be told."""
    kind: AlertKind
    severity: Severity
    headline: str
    """One line."""
    text: str
    """Plain text of some lines, without the headline."""
    action: NextAction | None = None
    """Whether a person must act; None where it is not about an incident."""
    incident: Incident | None = None
    notice: PendingEvent | None = None
    epoch: int = 0
    """Of the leader that sends it, where several machines may lead; 0: one machine alone."""


def incident_alert(
    incident: Incident, kind: AlertKind, others: Sequence[Incident] = (), *, alert_id: str, at: datetime
) -> Alert:
    """An incident as it is now, told as `kind`; `others` are told with it."""
    headline, _, text = plain_text(incident, others).partition("\n")
    return Alert(
        id=alert_id,
        at=at,
        kind=kind,
        severity=severity_of(incident),
        headline=headline,
        text=text,
        action=incident_action([incident, *others]),
        incident=incident,
    )


def notice_alert(notice: PendingEvent, *, alert_id: str, at: datetime) -> Alert:
    """Something that happened once."""
    lines = [one_line(line, _LONGEST_LINE) for line in notice.text.splitlines()]
    is_digest = notice.kind == DIGEST
    return Alert(
        id=alert_id,
        at=at,
        kind=AlertKind.DIGEST if is_digest else AlertKind.NOTICE,
        severity=severity_of_notice(notice.kind),
        headline=lines.pop(0) if is_digest and lines else notice_headline(notice.kind, notice.subject),
        text="\n".join(lines).strip(),
        notice=notice,
    )


def notice_headline(kind: str, subject: str) -> str:
    """Its first line, plain: `✋ Pinned: chat`."""
    symbol = next((symbol for symbol, parts in _SYMBOLS.items() if any(part in kind for part in parts)), "✋")
    return f"{symbol} {kind.replace('_', ' ').capitalize()}: {one_line(subject, NAME_CHARS)}"


def make_test_alert(alert_id: str, *, at: datetime, where: str) -> Alert:
    """The test message, from that machine."""
    return Alert(
        id=alert_id,
        at=at,
        kind=AlertKind.TEST,
        severity=Severity.INFO,
        headline="🔔 Hotspare: this is a test",
        text=f"Somebody ran `hotspare alerts test` on {where}. Nothing has happened, and nobody has to act.",
    )


def alert_document(alert: Alert) -> dict[str, Any]:
    """The alert as `hotspare.alert/1`; controller/alerts/alert.schema.json describes it."""
    notice, incident = alert.notice, None
    if alert.incident:
        incident = {"revision": alert.incident.revision, **incident_document(alert.incident, (), alert.at)}
        del incident["stays"]  # where its routes were is not known here; the timeline says it
    return {
        "format": FORMAT,
        "id": alert.id,
        "at": instant(alert.at),
        "kind": alert.kind,
        "severity": alert.severity,
        "headline": alert.headline,
        "text": alert.text,
        "action": alert.action and alert.action.document(),
        "incident": incident,
        "notice": notice and {"kind": notice.kind, "subject": notice.subject, "text": notice.text},
        **({"epoch": alert.epoch} if alert.epoch else {}),
    }


def encode_alert(alert: Alert, secrets: Iterable[Secret] = ()) -> bytes:
    """The document as it is sent, without any of the secrets: UTF-8, the same bytes each time from one leader."""
    text = json.dumps(alert_document(alert), ensure_ascii=False, separators=(",", ":"))
    return mask_secrets(text, secrets).encode("utf-8", "replace")


def mask_secrets(text: str, secrets: Iterable[Secret]) -> str:
    """The text without any of these; ones of less than eight characters cannot be told from ordinary words."""
    for secret in secrets:
        if len(secret.reveal()) >= _SHORTEST_SECRET:
            text = text.replace(secret.reveal(), MASK)
    return text
