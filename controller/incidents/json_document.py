"""An incident as the JSON that scripts and receivers of a webhook get (pure)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident, sum_numbers
from controller.incidents.vendor_claim import lead_phrase
from monitor.formatting import instant


def incident_summary(incident: Incident, now: datetime) -> dict[str, Any]:
    """An incident without its timeline and figures; instants in UTC, null where nothing is known."""
    return {
        **_fields(incident, "id", "kind", "provider", "opened_at", "resolved_at"),
        "lasted_s": round(incident.lasted_s(now), 3),
        **_fields(incident, "reopened", "lead_id", "acknowledged_by", "link"),
        "periods": [_fields(period, "kind", "began_at", "opened_at", "ended_at") for period in incident.bad_periods],
        "affected": [_fields(target, "target", "health", "since", "reason") for target in incident.affected],
        "routes": [
            _fields(
                route, "route", "target", "stuck", "unpublished", "would", "stuck_until", "least_bad", "held", "command"
            )
            for route in incident.routes
        ],
    }


def incident_list(incidents: Sequence[Incident], now: datetime) -> dict[str, Any]:
    """Summaries of several, in their order."""
    return {"at": instant(now), "incidents": [incident_summary(incident, now) for incident in incidents]}


def incident_document(incident: Incident, periods: Sequence[RoutePeriod], now: datetime) -> dict[str, Any]:
    """An incident with all that is known of it."""
    lead = incident.vendor
    probes, failures = sum_numbers(incident.numbers)
    return {
        **incident_summary(incident, now),
        "began_at": instant(incident.onset),
        "timeline": [_fields(entry, "number", "at", "kind", "text", "author") for entry in incident.timeline],
        "numbers": {
            "probes": probes,
            "failures": failures.total(),
            "targets": [{"target": target.target, "outcomes": dict(target.outcomes)} for target in incident.numbers],
        }
        if incident.numbers
        else None,
        "request_ids": list(incident.request_ids),
        "runbooks": list(incident.runbooks),
        "on_failing_s": dict(incident.on_failing_s),
        "failed_requests": [_fields(each, "route", "before_move", "after_move") for each in incident.failed_requests],
        "stays": [_fields(period, "route", "target", "since", "until") for period in periods],
        "vendor": lead
        and {
            **_fields(lead, "page", "state"),
            "headline": lead.headline or None,
            **_fields(lead, "said_at", "claimed_at"),
            "words": lead_phrase(lead, incident.opened_at, over=incident.resolved_at is not None),
        },
    }


def _fields(value: object, *names: str) -> dict[str, Any]:
    """These attributes of a value, which are named as in the document."""
    attributes = {name: getattr(value, name) for name in names}
    return {name: instant(each) if isinstance(each, datetime) else each for name, each in attributes.items()}
