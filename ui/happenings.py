"""The sections about what happened: open and resolved incidents, decisions and events. Pure, every string escaped."""

from collections.abc import Sequence
from datetime import datetime

from controller.decision import Decision
from controller.incident import Affected, Happening, Incident, IncidentKind
from controller.overview import Event, Overview
from controller.trails import Trail
from monitor.words import span
from ui.pieces import bare, instant, pill, section, target, text
from ui.trails import trails

_KIND = {
    IncidentKind.OUTAGE: ("outage", "bad"),
    IncidentKind.DEGRADATION: ("degradation", "watch"),
    IncidentKind.CONFIGURATION: ("configuration", "ours"),
}


def open_incidents(overview: Overview) -> str:
    """Every open incident in full; nothing when there is none."""
    if not overview.open_incidents:
        return ""
    cards = "".join(
        _open_incident(incident, overview.trails.get(incident.id, ()), overview.now)
        for incident in overview.open_incidents
    )
    return section("Open incidents", "times in UTC", cards)


def past_incidents(overview: Overview) -> str:
    """Recently resolved incidents, folded."""
    past = "".join(
        _past_incident(incident, overview.trails.get(incident.id, ()), overview.now)
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


def _open_incident(incident: Incident, found: Sequence[Trail], now: datetime) -> str:
    word, colour = _KIND[incident.kind]
    users = "".join(
        f"<li>{text(now_on.route)} → {target(now_on.target)}{' <b>stuck</b>' if now_on.stuck else ''}</li>"
        for now_on in incident.routes
    )
    return (
        f'<article class="hs-card hs-edge hs-{colour}" aria-label="Open incident of {text(incident.provider)}">'
        f'<div class="hs-row"><span class="hs-route">{text(incident.provider)} {word}</span>'
        f'<span class="hs-note hs-{colour}">open</span>'
        f'<span class="hs-since">since {instant(incident.opened_at, now)} UTC</span></div>'
        f'<div class="hs-columns"><div><h3>What is affected</h3><ul class="hs-affected">'
        f"{''.join(_affected(one, now) for one in incident.affected)}</ul>"
        f"<h3>What users are on now</h3><ul class='hs-users'>{users or '<li>no route is touched</li>'}</ul>"
        f"{_evidence(found, now)}</div>"
        f"<div><h3>Timeline</h3>{_timeline(incident.timeline, now)}</div></div></article>"
    )


def _affected(one: Affected, now: datetime) -> str:
    return (
        f'<li><div class="hs-row">{target(one.target)}{pill(one.health)}'
        f'<span class="hs-since">since {instant(one.since, now)}</span></div>'
        f'<p class="hs-reason">{text(bare(one))}</p></li>'
    )


def _past_incident(incident: Incident, found: Sequence[Trail], now: datetime) -> str:
    word, colour = _KIND[incident.kind]
    end = incident.resolved_at or now
    lasted = span((end - incident.opened_at).total_seconds())
    names = ", ".join(one.target for one in incident.affected)
    return (
        f'<details class="hs-{colour}"><summary>{instant(incident.opened_at, now)}'
        f"<b>{text(incident.provider)} {word}</b><span>lasted {lasted}</span>"
        f'<span class="hs-quiet">{text(names)}</span></summary>{_timeline(incident.timeline, now)}'
        f"{_row(trails(found, now))}</details>"
    )


def _row(figures: str) -> str:
    return f'<div class="hs-trails">{figures}</div>' if figures else ""


def _evidence(found: Sequence[Trail], now: datetime) -> str:
    return f"<h3>How the evidence grew</h3>{trails(found, now)}" if found else ""


def _timeline(happenings: Sequence[Happening], now: datetime) -> str:
    items = "".join(f"<li>{instant(one.at, now)}<span>{text(one.text)}</span></li>" for one in happenings)
    return f'<ol class="hs-timeline">{items}</ol>'


def _decision(decision: Decision) -> str:
    dry = '<span class="hs-tag">dry run</span> ' if decision.dry_run else ""
    return (
        f'<b>{text(decision.route)}</b> → {target(decision.target)} <span class="hs-tag">{decision.move}</span> {dry}'
        f"{text(decision.reason)}"
    )


def _event(event: Event) -> str:
    return f'<span class="hs-tag">{text(event.kind.replace("_", " "))}</span> {text(event.subject)}: {text(event.text)}'
