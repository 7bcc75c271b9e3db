"""What the page says of one incident: its standing, its story line by line, its figures. Pure, every string escaped."""

from collections.abc import Sequence
from datetime import datetime

from controller.alerts.severity import severity_of
from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import REMARKS, EntryKind, Incident, IncidentKind, RouteImpact, TimelineEntry
from monitor.formatting import span
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


def standing(incident: Incident) -> str:
    """What else is to know of it at once: that it came back, who looks after it, whose headline it is told under."""
    said = []
    if incident.reopened:
        said.append(words.came_back(incident))
    if incident.acknowledged_by:
        said.append(f"{incident.acknowledged_by} looks after it")
    if incident.lead_id:
        said.append(f"began while incident {incident.lead_id} was open")
    return f'<p class="hs-quiet">{text("; ".join(said))}</p>' if said else ""


def users(incident: Incident) -> str:
    """What the users of each touched route are on."""
    items = "".join(f"<li>{_users(route)}</li>" for route in incident.routes)
    return f'<ul class="hs-users">{items or "<li>no route is touched</li>"}</ul>'


def _users(route: RouteImpact) -> str:
    stuck = " <b>stuck: no other candidate is healthy</b>" if route.stuck else ""
    unpublished = " <b>the routing file cannot be written</b>" if route.unpublished else ""
    would = f' <span class="hs-quiet">dry run, or {text(route.would)}</span>' if route.would else ""
    return f"{text(route.route)} → {target(route.target)}{stuck}{unpublished}{would}"


def timeline(happenings: Sequence[TimelineEntry], now: datetime) -> str:
    """Its story, line by line; what people said is set off, with their names."""
    items = "".join(_line(one, now) for one in happenings)
    return f'<ol class="hs-timeline hs-story">{items}</ol>'


def _line(one: TimelineEntry, now: datetime) -> str:
    remark = " hs-remark" if one.kind in REMARKS else ""
    said = text(one.text)
    if one.author and one.kind is EntryKind.NOTE:
        said = f"<b>{text(one.author)}</b>: {said}"
    return f'<li class="hs-{_LINE.get(one.kind, "none")}{remark}">{instant(one.at, now)}<span>{said}</span></li>'


def figures(incident: Incident, stays: Sequence[RoutePeriod] = ()) -> str:
    """The evidence in numbers, how long routes were on what failed, request ids; nothing where nothing is known."""
    said = [text(words.evidence(incident.numbers))] if incident.numbers else []
    for route, seconds in incident.on_failing_s:
        where = words.where(one for one in stays if one.route == route)
        said.append(text(words.on_failing(route, seconds) + (f"; it was on {where}" if where else "")))
    if incident.request_ids:
        ids = ", ".join(f"<code>{text(one)}</code>" for one in incident.request_ids)
        said.append(f"request ids of failed probes: {ids}")
    return f'<ul class="hs-figures">{"".join(f"<li>{one}</li>" for one in said)}</ul>' if said else ""


def lasted(incident: Incident, now: datetime) -> str:
    """`12 min 5 s`; only for what is over, for it would count."""
    return span(incident.lasted_s(now))
