"""Builds the JSON document of `status --json` from the overview (pure)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from controller.incidents.incident import Incident, VendorClaim
from controller.incidents.vendor_claim import lead_phrase
from controller.routing import override_text
from controller.routing.drill import drill_sentence, outcome
from controller.routing.overrides import Override
from controller.status.overview import Overview, TargetView
from controller.status.probe_history import EvidenceTrail
from controller.status.vendor_views import VendorView
from monitor.budget.summary import BudgetSummary
from monitor.formatting import instant
from monitor.health import FAILING


def status_document(overview: Overview) -> dict[str, Any]:
    """The overview as JSON for scripts; instants in UTC, shares 0 to 1, null where nothing is known."""
    service, beat = overview.service, overview.service.beat
    connectivity, pending = overview.connectivity, overview.pending_alerts
    return {
        "at": _instant(overview.now),
        "headline": overview.headline,
        "tone": overview.level,
        "action": overview.action.document(),
        "service": {
            "life": service.liveness,
            "pid": beat.pid if beat else None,
            "host": beat.host if beat else None,
            "started_at": _instant(beat.started_at) if beat else None,
            "beat_at": _instant(beat.beat_at) if beat else None,
            "revision": beat.revision if beat else None,
            "loaded_at": _instant(beat.loaded_at) if beat else None,
            "refused": service.refused_configuration,
        },
        "leader": overview.leader
        and {
            "holder": overview.leader.holder,
            "epoch": overview.leader.epoch,
            "until": _instant(overview.leader.until),
        },
        "regions": [
            {
                "region": each.region,
                "reporter": each.reporter or None,
                "silent_s": each.silent_s,
                "silent": each.is_silent,
                "reports_waiting": each.waiting,
            }
            for each in overview.regions
        ],
        "network": connectivity
        and {
            "sight": connectivity.state,
            "at": _instant(connectivity.at),
            "endpoints": [{"endpoint": name, "answered": name in connectivity.answered} for name in connectivity.asked],
        },
        "machine": overview.machine
        and {
            "targets": list(overview.machine.targets),
            "since": _instant(overview.machine.since),
            "words": overview.machine.sentence,
        },
        "money": overview.money and _money(overview.money),
        "routes": [
            {
                "route": route.name,
                "target": route.target,
                "since": _instant(route.since),
                "reason": route.reason,
                "failed_over": route.failed_over,
                "stuck": route.stuck,
                "weights": dict(route.weights) or {route.target: 100},
                "waiting": route.waiting,
                "waits_for": route.waits_for,
                "dry_run": route.dry_run,
                "would": route.would,
                "override": route.override.id if route.override else None,
                "drill": route.drill and _drill(route.drill, overview.now),
                "drained": [c.target for c in route.candidates if c.drain],
                "published": route.target if route.published is None else route.published or None,
                "candidates": [
                    {"target": c.target, "health": c.health, "why_not": c.why_not} for c in route.candidates
                ],
            }
            for route in overview.routes
        ],
        "targets": [_target(target) for target in overview.targets],
        "vendors": {view.provider: _vendor(view) for view in overview.vendors},
        "overrides": [override_text.override_document(override) for override in overview.overrides],
        "not_told": [
            {"sink": c.sink, "part": c.part or None, "since": _instant(c.since), "error": c.error}
            for c in overview.failing_channels
        ],
        "slack": pending
        and {
            "waiting_incidents": pending.incidents,
            "waiting_notices": pending.notices,
            "quiet_until": _instant(pending.quiet_until),
        },
        "open_incidents": [
            _incident(incident, overview.evidence_trails.get(incident.id, ())) for incident in overview.open_incidents
        ],
    }


def _vendor(view: VendorView) -> dict[str, Any]:
    report = view.report
    return {
        "page": view.url,
        "state": report.state if report else None,
        "headline": report.headline or None if report else None,
        "since": _instant(report.since) if report else None,
        "at": _instant(report.at) if report else None,
        "health": view.health,
    }


def _lead(lead: VendorClaim, opened_at: datetime) -> dict[str, Any]:
    """Who noticed first; `noticed_before_s` is negative where the vendor did, null while its page says nothing."""
    return {
        "page": lead.page,
        "state": lead.state,
        "headline": lead.headline or None,
        "said_at": _instant(lead.said_at),
        "claimed_at": _instant(lead.claimed_at),
        "noticed_before_s": (lead.said_at - opened_at).total_seconds() if lead.said_at else None,
        "words": lead_phrase(lead, opened_at),
    }


def _money(money: BudgetSummary) -> dict[str, Any]:
    return {
        "spent_usd_this_month": round(money.spent_usd, 6),
        "budget_usd_per_month": money.cap_usd,
        "stretches": dict(money.stretches),
        "spent": money.exhausted,
        "stopped": list(money.stopped),
        "month_ends": _instant(money.month_ends),
        "price_unknown": list(money.unknown),
        "words": money.sentence,
    }


def _target(target: TargetView) -> dict[str, Any]:
    state, history = target.state, target.history
    return {
        "target": state.target,
        "health": state.health,
        "since": _instant(state.since),
        "reason": state.reason,
        "evidence": round(state.evidence, 2),
        "threshold": round(state.threshold, 2),
        "last_ok_at": _instant(state.last_ok_at),
        "success_hour": history.last_hour.availability,
        "success_day": history.last_day.availability,
        "served_hour": history.last_hour.served,
        "served_day": history.last_day.served,
        "p50_s": history.p50_s,
        "p95_s": history.p95_s,
        "cost_day_usd": history.cost_day_usd,
        "learned_blip_s": target.learned_blip_s and round(target.learned_blip_s, 1),
        "notices": list(target.notices),
        "request_ids": list(target.details.request_ids) if state.health in FAILING else [],
        **({"traffic": target.traffic.document()} if target.traffic else {}),
    }


def _incident(incident: Incident, trails: Sequence[EvidenceTrail]) -> dict[str, Any]:
    return {
        "id": incident.id,
        "provider": incident.provider,
        "kind": incident.kind,
        "opened_at": _instant(incident.opened_at),
        "link": incident.link,
        "affected": [{"target": a.target, "health": a.health, "reason": a.reason} for a in incident.affected],
        "routes": [{"route": r.route, "target": r.target, "stuck": r.stuck} for r in incident.routes],
        "trails": [
            {
                "targets": trail.targets,
                "at": _instant(trail.at),
                "health": trail.health,
                "evidence": round(trail.evidence, 2),
                "threshold": round(trail.threshold, 2),
                "probes": [
                    {
                        "at": _instant(p.at),
                        "target": p.target,
                        "outcome": p.outcome,
                        "late": p.late,
                        "evidence": round(p.evidence, 2),
                    }
                    for p in trail.probes
                ],
            }
            for trail in trails
        ],
        "vendor": incident.vendor and _lead(incident.vendor, incident.opened_at),
    }


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None


def _drill(drill: Override, now: datetime) -> dict[str, Any]:
    return {
        "target": drill.target,
        "at": _instant(drill.ended_at),
        "outcome": outcome(drill),
        "text": drill_sentence(drill, now),
    }
