"""The parts of one incident on the page: notes, timeline, figures. Pure, every string escaped."""

from collections.abc import Sequence
from datetime import datetime

from controller.alerts.severity import severity_of
from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import COMMENTS, EntryKind, Incident, IncidentKind, RouteImpact, TimelineEntry
from monitor.formatting import format_elapsed
from monitor.settings import Severity
from ui.components import instant, target, text

_KIND = {
    IncidentKind.OUTAGE: "bad",
    IncidentKind.DEGRADATION: "watch",
    IncidentKind.CONFIGURATION: "ours",
    IncidentKind.BLINDNESS: "none",
    IncidentKind.NOTHING_ELIGIBLE: "bad",
}
#: Symbol and colour; the word stands beside them.
_SEVERITY = {Severity.CRITICAL: ("✕", "bad"), Severity.WARNING: ("!", "watch"), Severity.INFO: ("✓", "good")}
_LINE = {
    EntryKind.FIRST_FAILURE: "bad",
    EntryKind.REOPENED: "bad",
    EntryKind.MOVED: "info",
    EntryKind.HAND: "ours",
    EntryKind.VENDOR: "ours",
    EntryKind.RESOLVED: "good",
    EntryKind.NOTE: "watch",
    EntryKind.ACKNOWLEDGED: "watch",
}


def colour(incident: Incident) -> str:
    """The colour class of its kind."""
    return _KIND[incident.kind]


def severity(incident: Incident) -> str:
    """How urgent it is, as symbol and word."""
    word = severity_of(incident)
    symbol, tone = _SEVERITY[word]
    return (
        f'<span class="hs-pill hs-{tone}" title="how urgent it is">'
        f'<span class="hs-symbol" aria-hidden="true">{symbol}</span>{word.value}</span>'
    )


def notes(incident: Incident) -> str:
    """That it came back, who acknowledged it, and under which incident it is shown."""
    parts = []
    if incident.reopened:
        parts.append(words.reopenings(incident))
    if incident.acknowledged_by:
        parts.append(f"{incident.acknowledged_by} looks after it")
    if incident.lead_id:
        parts.append(f"began while incident {incident.lead_id} was open")
    return f'<p class="hs-quiet">{text("; ".join(parts))}</p>' if parts else ""


def users(incident: Incident) -> str:
    """The target that the users of each affected route are on."""
    items = "".join(f"<li>{_users(route)}</li>" for route in incident.routes)
    return f'<ul class="hs-users">{items or "<li>no route is touched</li>"}</ul>'


def _users(route: RouteImpact) -> str:
    stuck = " <b>stuck: no other candidate is healthy</b>" if route.stuck else ""
    unpublished = " <b>the routing file cannot be written</b>" if route.unpublished else ""
    would = f' <span class="hs-quiet">dry run, or {text(route.would)}</span>' if route.would else ""
    return f"{text(route.route)} → {target(route.target)}{stuck}{unpublished}{would}"


def timeline(entries: Sequence[TimelineEntry], now: datetime) -> str:
    """The timeline, one line per entry; comments of people are set off, with their names."""
    items = "".join(_line(entry, now) for entry in entries)
    return f'<ol class="hs-timeline hs-story">{items}</ol>'


def _line(entry: TimelineEntry, now: datetime) -> str:
    remark = " hs-remark" if entry.kind in COMMENTS else ""
    html = text(entry.text)
    if entry.author and entry.kind is EntryKind.NOTE:
        html = f"<b>{text(entry.author)}</b>: {html}"
    return f'<li class="hs-{_LINE.get(entry.kind, "none")}{remark}">{instant(entry.at, now)}<span>{html}</span></li>'


def figures(incident: Incident, periods: Sequence[RoutePeriod] = ()) -> str:
    """The evidence in numbers, how long routes were on a failing target, request ids; empty where nothing is known."""
    items = [text(words.evidence(incident.numbers))] if incident.numbers else []
    for route, seconds in incident.on_failing_s:
        where = words.route_history(period for period in periods if period.route == route)
        items.append(text(words.time_on_failing(route, seconds) + (f"; it was on {where}" if where else "")))
    if incident.request_ids:
        ids = ", ".join(f"<code>{text(request_id)}</code>" for request_id in incident.request_ids)
        items.append(f"request ids of failed probes: {ids}")
    return f'<ul class="hs-figures">{"".join(f"<li>{item}</li>" for item in items)}</ul>' if items else ""


def lasted(incident: Incident, now: datetime) -> str:
    """`12 min 5 s`; for resolved incidents only, because the HTML must not change every second."""
    return format_elapsed(incident.lasted_s(now))
