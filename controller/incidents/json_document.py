"""An incident as the JSON that scripts and receivers of a webhook get (pure)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident, VendorLead
from controller.incidents.vendor_lead import lead_phrase
from monitor.formatting import instant


def incident_summary(incident: Incident, now: datetime) -> dict[str, Any]:
    """An incident without its story; instants in UTC, null where nothing is known."""
    return {
        "id": incident.id,
        "kind": incident.kind,
        "provider": incident.provider,
        "opened_at": instant(incident.opened_at),
        "resolved_at": _instant(incident.resolved_at),
        "lasted_s": round(incident.lasted_s(now), 3),
        "reopened": incident.reopened,
        "lead_id": incident.lead_id,
        "acknowledged_by": incident.acknowledged_by,
        "affected": [
            {"target": a.target, "health": a.health, "since": instant(a.since), "reason": a.reason}
            for a in incident.affected
        ],
        "routes": [
            {"route": r.route, "target": r.target, "stuck": r.stuck, "unpublished": r.unpublished, "would": r.would}
            for r in incident.routes
        ],
    }


def incident_document(incident: Incident, stays: Sequence[RoutePeriod], now: datetime) -> dict[str, Any]:
    """An incident with all that is known of it."""
    numbers = incident.numbers
    return {
        **incident_summary(incident, now),
        "began_at": instant(incident.onset),
        "timeline": [
            {"number": one.number, "at": instant(one.at), "kind": one.kind, "text": one.text, "author": one.author}
            for one in incident.timeline
        ],
        "numbers": numbers
        and {
            "probes": numbers.probes,
            "failures": numbers.failures,
            "targets": [{"target": one.target, "outcomes": dict(one.outcomes)} for one in numbers.targets],
        },
        "request_ids": list(incident.request_ids),
        "on_failing_s": dict(incident.on_failing_s),
        "stays": [
            {"route": one.route, "target": one.target, "since": instant(one.since), "until": instant(one.until)}
            for one in stays
        ],
        "vendor": _vendor(incident, incident.vendor) if incident.vendor else None,
    }


def _vendor(incident: Incident, found: VendorLead) -> dict[str, Any]:
    return {
        "page": found.page,
        "state": found.state,
        "headline": found.headline or None,
        "said_at": _instant(found.said_at),
        "claimed_at": _instant(found.claimed_at),
        "words": lead_phrase(found, incident.opened_at, over=incident.resolved_at is not None),
    }


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None
