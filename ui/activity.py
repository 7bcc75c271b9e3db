"""The sections of open and resolved incidents, decisions and events. Pure, every string escaped."""

from collections.abc import Sequence
from datetime import datetime

from controller.incidents import text as words
from controller.incidents.incident import AffectedTarget, Incident
from controller.incidents.vendor_claim import lead_sentence
from controller.routing.decision import Decision
from controller.status.evidence import EvidenceTrail
from controller.status.overview import EventView, Overview
from ui import incident_parts
from ui.components import instant, pill, section, short_reason, target, text
from ui.evidence_chart import trails


def open_incidents(overview: Overview) -> str:
    """Every open incident in full; nothing when there is none."""
    if not overview.open_incidents:
        return ""
    cards = "".join(
        _open_incident(incident, overview.evidence_trails.get(incident.id, ()), overview.now)
        for incident in overview.open_incidents
    )
    return section("Open incidents", "times in UTC", cards)


def figures(overview: Overview) -> str:
    """The figures of the open incidents so far, apart from the cards because they change with every probe."""
    rendered = [
        (incident.id, incident_parts.figures(incident, overview.route_periods.get(incident.id, ())))
        for incident in overview.open_incidents
    ]
    cards = "".join(
        f'<div class="hs-sofar"><span class="hs-tag">incident {number}</span>{html}</div>'
        for number, html in rendered
        if html
    )
    return section("Evidence and effect so far", "of the open incidents", cards) if cards else ""


def past_incidents(overview: Overview) -> str:
    """Recently resolved incidents, folded."""
    past = "".join(
        _past_incident(incident, overview.evidence_trails.get(incident.id, ()), overview.now)
        for incident in overview.past_incidents
    )
    body = f'<div class="hs-past">{past}</div>' if past else '<p class="hs-empty">None so far.</p>'
    return section("Resolved incidents", "times in UTC", body)


def log(overview: Overview) -> str:
    """The newest decisions and events together, the newest first."""
    lines = sorted(
        [(decision.at, _decision(decision)) for decision in overview.decisions]
        + [(event.at, _event(event)) for event in overview.events],
        key=lambda line: line[0],
        reverse=True,
    )
    items = "".join(f"<li>{instant(at, overview.now)}<span>{line}</span></li>" for at, line in lines[:12])
    body = f'<ol class="hs-timeline">{items}</ol>' if items else '<p class="hs-empty">Nothing has happened yet.</p>'
    return section("Decisions and events", "times in UTC", body)


def _open_incident(incident: Incident, verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    tone, title = incident_parts.colour(incident), words.title(incident)
    items = "".join(_affected(affected, now) for affected in incident.affected)
    who = f'<h3>What is affected</h3><ul class="hs-affected">{items}</ul>' if items else ""
    return (
        f'<article class="hs-card hs-edge hs-{tone}" aria-label="Open incident {incident.id}: {text(title)}">'
        f'<div class="hs-row"><span class="hs-route">{text(title[:1].upper() + title[1:])}</span>'
        f'<span class="hs-tag">incident {incident.id}</span>{incident_parts.severity(incident)}'
        f'<span class="hs-since">open since {instant(incident.opened_at, now)} UTC</span></div>'
        f"{incident_parts.notes(incident)}"
        f'<div class="hs-columns"><div>{who}<h3>What users are on now</h3>{incident_parts.users(incident)}'
        f"{_vendor(incident)}{_evidence(verdicts, now)}</div>"
        f"<div><h3>Timeline</h3>{incident_parts.timeline(incident.timeline, now)}</div></div></article>"
    )


def _affected(affected: AffectedTarget, now: datetime) -> str:
    return (
        f'<li><div class="hs-row">{target(affected.target)}{pill(affected.health)}'
        f'<span class="hs-since">since {instant(affected.since, now)}</span></div>'
        f'<p class="hs-reason">{text(short_reason(affected))}</p></li>'
    )


def _past_incident(incident: Incident, verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    title = words.title(incident)
    return (
        f'<details class="hs-{incident_parts.colour(incident)}"><summary>{instant(incident.opened_at, now)}'
        f'<b>{text(title[:1].upper() + title[1:])}</b><span class="hs-tag">incident {incident.id}</span>'
        f"<span>lasted {incident_parts.lasted(incident, now)}</span>"
        f'<span class="hs-quiet">{text(words.affected_summary(incident))}</span></summary>'
        f"{incident_parts.notes(incident)}"
        f"{incident_parts.timeline(incident.timeline, now)}{incident_parts.figures(incident)}"
        f"{_vendor(incident)}{_row(trails(verdicts, now))}</details>"
    )


def _vendor(incident: Incident) -> str:
    """Whether the vendor's status page or our probes showed it first."""
    if incident.vendor is None:
        return ""
    sentence = lead_sentence(incident.vendor, incident.opened_at, over=incident.resolved_at is not None)
    return f'<h3>And the vendor</h3><p class="hs-lead">{text(sentence)}</p>'


def _row(figures: str) -> str:
    return f'<div class="hs-trails">{figures}</div>' if figures else ""


def _evidence(verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    return f"<h3>How the evidence grew</h3>{trails(verdicts, now)}" if verdicts else ""


def _decision(decision: Decision) -> str:
    dry = '<span class="hs-tag">dry run</span> ' if decision.dry_run else ""
    return (
        f'<b>{text(decision.route)}</b> → {target(decision.target)} <span class="hs-tag">{decision.move}</span> {dry}'
        f"{text(decision.reason)}"
    )


def _event(event: EventView) -> str:
    return f'<span class="hs-tag">{text(event.kind.replace("_", " "))}</span> {text(event.subject)}: {text(event.text)}'
