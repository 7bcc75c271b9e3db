"""Incidents and alerts that several tests tell of."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from controller.alerts.alert import Alert, AlertKind, incident_alert
from controller.incidents.incident import (
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TargetNumbers,
    TimelineEntry,
    VendorClaim,
)
from monitor.health import Health
from monitor.status_pages.reading import VendorState
from probes.outcome import Outcome
from tests.support.builders import T0

OPENAI, ANTHROPIC = "openai/gpt-6-luna", "anthropic/claude-haiku-5-5"


def incident(**changes: Any) -> Incident:
    """An outage that was handled, a minute after T0."""
    at = T0 + timedelta(minutes=1)
    reason = f"{OPENAI} is down: 9 of 14 probes failed in 41 s (server_error)"
    values: dict[str, Any] = {
        "id": 0,
        "provider": "openai",
        "kind": IncidentKind.OUTAGE,
        "opened_at": at,
        "affected": (AffectedTarget(target=OPENAI, health=Health.DOWN, since=at, reason=reason),),
        "timeline": (
            TimelineEntry(
                at=at - timedelta(seconds=41), text=f"A probe of {OPENAI} failed", kind=EntryKind.FIRST_FAILURE
            ),
            TimelineEntry(at=at, text=reason, kind=EntryKind.HEALTH),
            TimelineEntry(at=at, text=f"Route chat moved from {OPENAI} to {ANTHROPIC}", kind=EntryKind.MOVED),
        ),
        "routes": (RouteImpact(route="chat", target=ANTHROPIC),),
    }
    return Incident(**{**values, **changes})


def changed(of: Incident, **changes: Any) -> Incident:
    """The next revision of it."""
    return replace(of, revision=of.revision + 1, **changes)


def stuck(of: Incident) -> Incident:
    """The next revision, in which a person must act now."""
    return changed(of, routes=(RouteImpact(route="chat", target=OPENAI, stuck=True),))


def resolved(of: Incident, at: datetime) -> Incident:
    """The next revision, in which it is over, with everything that is known then."""
    well = tuple(replace(one, health=Health.UP, since=at) for one in of.affected)
    counts = ((Outcome.OK, 40), (Outcome.SERVER_ERROR, 9))
    return changed(
        of,
        affected=well,
        resolved_at=at,
        timeline=(*of.timeline, TimelineEntry(at=at, text="It is over", kind=EntryKind.RESOLVED)),
        numbers=(TargetNumbers(target=OPENAI, outcomes=counts),),
        request_ids=("req_1", "req_2"),
        on_failing_s=(("chat", 41.0),),
        vendor=VendorClaim(page="status.openai.com", state=VendorState.OPERATIONAL),
    )


def reopened(of: Incident, at: datetime) -> Incident:
    """The next revision, in which it has come back."""
    ill = tuple(replace(one, health=Health.DOWN, since=at) for one in of.affected)
    back = TimelineEntry(at=at, text="It came back", kind=EntryKind.REOPENED)
    return changed(of, affected=ill, resolved_at=None, reopened=of.reopened + 1, timeline=(*of.timeline, back))


def alert(of: Incident | None = None, *, alert_id: str = "incident-7-1-19a", kind: str = "incident_opened") -> Alert:
    """An alert about an incident, as of T0 and two minutes."""
    told = of or incident(id=7)
    return incident_alert(told, AlertKind(kind), alert_id=alert_id, at=T0 + timedelta(minutes=2))
