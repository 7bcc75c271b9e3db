"""An incident as the JSON that scripts and receivers of a webhook get (pure)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident, VendorLead
from controller.incidents.vendor_lead import lead_phrase
from monitor.formatting import instant


def incident_summary(incident: Incident, now: datetime) -> dict[str, Any]:
    """An incident without its timeline and figures; instants in UTC, null where nothing is known."""
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


def incident_document(incident: Incident, periods: Sequence[RoutePeriod], now: datetime) -> dict[str, Any]:
    """An incident with all that is known of it."""
    numbers = incident.numbers
    return {
        **incident_summary(incident, now),
        "began_at": instant(incident.onset),
        "timeline": [
            {
                "number": entry.number,
                "at": instant(entry.at),
                "kind": entry.kind,
                "text": entry.text,
                "author": entry.author,
            }
            for entry in incident.timeline
        ],
        "numbers": numbers
        and {
            "probes": numbers.probes,
            "failures": numbers.failures,
            "targets": [{"target": target.target, "outcomes": dict(target.outcomes)} for target in numbers.targets],
        },
        "request_ids": list(incident.request_ids),
        "on_failing_s": dict(incident.on_failing_s),
        "stays": [
            {
                "route": period.route,
                "target": period.target,
                "since": instant(period.since),
                "until": instant(period.until),
            }
            for period in periods
        ],
        "vendor": _vendor(incident, incident.vendor) if incident.vendor else None,
    }


def _vendor(incident: Incident, lead: VendorLead) -> dict[str, Any]:
    return {
        "page": lead.page,
        "state": lead.state,
        "headline": lead.headline or None,
        "said_at": _instant(lead.said_at),
        "claimed_at": _instant(lead.claimed_at),
        "words": lead_phrase(lead, incident.opened_at, over=incident.resolved_at is not None),
    }


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None
