"""The sections of open and resolved incidents, with the chart of the evidence. Pure, every string escaped.

The chart has one step per probe, up to the threshold. Its times count back from the verdict, not from now, so that the
HTML stays the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from controller.alerts.severity import severity_of
from controller.incidents import text as words
from controller.incidents.failed_requests import sentences
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import (
    COMMENTS,
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TimelineEntry,
)
from controller.incidents.vendor_claim import lead_sentence
from controller.status.incident_view import IncidentView
from controller.status.overview import Overview
from controller.status.probe_history import EvidenceTrail
from monitor.config.alert_settings import Severity
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import capitalized, format_elapsed, plural
from monitor.health import WeighedProbe
from probes.outcome import Outcome
from ui.components import (
    empty,
    instant,
    link,
    outcome_class,
    pill,
    prose,
    section,
    target,
    target_link,
    text,
    zone_note,
)

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
    EntryKind.HELD: "bad",
    EntryKind.HAND: "ours",
    EntryKind.VENDOR: "ours",
    EntryKind.RESOLVED: "good",
    EntryKind.NOTE: "watch",
    EntryKind.ACKNOWLEDGED: "watch",
}
_TAG = 'class="hs-tag"'
_MOST_ROWS = 6
_MOST_TICKS = 4
_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400)
#: A tick closer to either end would run into the label there.
_MARGIN_PERCENT = 9.0
#: Of a long timeline the page shows so many of the first and of the last entries.
_FIRST, _LAST = 10, 30


def open_incidents(overview: Overview) -> str:
    """Every open incident in full; nothing when there is none."""
    if not overview.open_incidents:
        return ""
    cards = "".join(
        _open_incident(incident, overview.evidence_trails.get(incident.id, ()), overview.now)
        for incident in overview.open_incidents
    )
    return section("Open incidents", zone_note(overview.now), cards)


def figures_so_far(overview: Overview) -> str:
    """The figures of the open incidents so far, apart from the cards because they change with every probe."""
    cards = "".join(
        f'<div class="hs-sofar"><span class="hs-tag">incident {incident.id}</span>{html}</div>'
        for incident in overview.open_incidents
        if (html := figures(incident, overview.route_periods.get(incident.id, ())))
    )
    return section("Evidence and effect so far", "of the open incidents", cards) if cards else ""


def whole_incident(view: IncidentView, now: datetime) -> str:
    """One incident, open or resolved, with all of its timeline, evidence and figures."""
    incident, title = view.incident, words.title(view.incident)
    lasted = format_elapsed(incident.lasted_s(now))
    until = f"resolved {instant(incident.resolved_at, now)}, lasted" if incident.resolved_at else "open for"
    effect = figures(incident, view.periods)
    effect = f"<h3>Evidence and effect in figures</h3>{effect}" if effect else ""
    story = _whole_story(words.whole_timeline(incident), now)
    return (
        f'<article class="hs-card hs-edge hs-{"good" if incident.resolved_at else _KIND[incident.kind]}">'
        f'<div class="hs-row"><span class="hs-route">{text(capitalized(title))}</span>{severity(incident)}'
        f'<span class="hs-since">opened {instant(incident.opened_at, now)}, {until} {lasted}</span></div>'
        f"{notes(incident, now)}"
        f'<div class="hs-columns"><div>{_all_affected(incident, now)}<h3>Timeline</h3>{story}</div>'
        f"<div>{effect}{_vendor(incident)}{_evidence(view.trails, now)}</div></div></article>"
    )


def incident_list(
    incidents: Sequence[Incident], now: datetime, *, title: str = "Incidents", linked: bool = True
) -> str:
    """Incidents by day, the newest first, each `linked` to all that is known of it; days are those of `now`'s zone."""
    parts = []
    for day, of_day in groupby(incidents, key=lambda incident: incident.opened_at.astimezone(now.tzinfo).date()):
        items = "".join(_listed(incident, now, linked=linked) for incident in of_day)
        parts.append(f'<div class="hs-day"><h3>{day:%Y-%m-%d}</h3><ul class="hs-list">{items}</ul></div>')
    body = f'<div class="hs-card hs-diary">{"".join(parts)}</div>' if parts else empty("None.")
    return section(title, f"the newest first; {zone_note(now)}", body)


def _listed(incident: Incident, now: datetime, *, linked: bool) -> str:
    title = words.title(incident)
    name = f"<b>{text(capitalized(title))}</b>"
    name = link("incidents", name, incident=str(incident.id)) if linked else name
    state = "good" if incident.resolved_at else _KIND[incident.kind]
    word = "over" if incident.resolved_at else "open"
    lasted = f"{'lasted' if incident.resolved_at else 'open for'} {format_elapsed(incident.lasted_s(now))}"
    began = f"{incident.opened_at.astimezone(now.tzinfo):%H:%M}"
    return (
        f'<li><span class="hs-note hs-{state}">{word}</span>{name}'
        f'<span class="hs-quiet"><time title="{incident.opened_at:%Y-%m-%d %H:%M:%S} UTC">{began}</time>, '
        f"{text(f'{lasted}; {words.affected_summary(incident)}')}</span></li>"
    )


def _open_incident(incident: Incident, verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    tone, title = _KIND[incident.kind], words.title(incident)
    return (
        f'<article class="hs-card hs-edge hs-{tone}" aria-label="Open incident {incident.id}: {text(title)}">'
        f'<div class="hs-row"><span class="hs-route">{text(capitalized(title))}</span>'
        f"{link('incidents', f'incident {incident.id}', _TAG, incident=str(incident.id))}{severity(incident)}"
        f'<span class="hs-since">open since {instant(incident.open_since, now)}</span></div>'
        f"{notes(incident, now)}"
        f'<div class="hs-columns"><div>{_all_affected(incident, now)}<h3>Timeline</h3>{timeline(incident, now)}</div>'
        f"<div><h3>What users are on now</h3>{users(incident)}{_vendor(incident)}"
        f"{_evidence(verdicts, now)}</div></div></article>"
    )


def _all_affected(incident: Incident, now: datetime) -> str:
    reasons = [words.short_reason(affected) for affected in incident.affected]
    items = "".join(
        # What is said of several targets stands below the last of them.
        _affected(affected, "" if reason in reasons[number:] else reason, now)
        for number, (affected, reason) in enumerate(zip(incident.affected, reasons, strict=True), 1)
    )
    return f'<h3>What is affected</h3><ul class="hs-affected">{items}</ul>' if items else ""


def _evidence(verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    return f"<h3>How the evidence grew</h3>{trails(verdicts, now)}" if verdicts else ""


def _affected(affected: AffectedTarget, reason: str, now: datetime) -> str:
    why = f'<p class="hs-reason">{prose(reason, now)}</p>' if reason else ""
    return (
        f'<li><div class="hs-row">{target_link(affected.target)}{pill(affected.health)}'
        f'<span class="hs-since">since {instant(affected.since, now)}</span></div>{why}</li>'
    )


def _vendor(incident: Incident) -> str:
    """Whether the vendor's status page or our probes showed it first."""
    if incident.vendor is None:
        return ""
    sentence = lead_sentence(incident.vendor, incident.opened_at, over=incident.resolved_at is not None)
    return f'<h3>And the vendor</h3><p class="hs-lead">{text(sentence)}</p>'


def severity(incident: Incident) -> str:
    """How urgent it is, as symbol and word."""
    word = severity_of(incident)
    symbol, tone = _SEVERITY[word]
    return (
        f'<span class="hs-pill hs-{tone}" title="how urgent it is">'
        f'<span class="hs-symbol" aria-hidden="true">{symbol}</span>{word.value}</span>'
    )


def notes(incident: Incident, now: datetime) -> str:
    """That it came back, who acknowledged it, and under which incident it is shown."""
    parts = []
    if incident.reopened:
        parts.append(words.reopenings(incident, now))
    if incident.acknowledged_by:
        parts.append(f"{incident.acknowledged_by} looks after it")
    if incident.lead_id:
        parts.append(f"began while incident {incident.lead_id} was open")
    return f'<p class="hs-quiet">{text("; ".join(parts))}</p>' if parts else ""


def users(incident: Incident) -> str:
    """The target that the users of each affected route are on."""
    items = "".join(_user(route) for route in incident.routes)
    return f'<ul class="hs-users">{items or "<li>no route is touched</li>"}</ul>'


def _user(route: RouteImpact) -> str:
    stuck = f" <b>stuck: {text(words.stuck_clause(route))}</b>" if route.stuck else ""
    unpublished = " <b>the routing file cannot be written</b>" if route.unpublished else ""
    would = f' <span class="hs-quiet">dry run, or {text(route.would)}</span>' if route.would else ""
    return f"<li>{text(route.route)} → {target(route.target)}{stuck}{unpublished}{would}</li>"


def timeline(incident: Incident, now: datetime) -> str:
    """The timeline, one line per entry, a long one abridged; comments of people are set off, with their names."""
    short = words.abridged(incident.timeline, first=_FIRST, last=_LAST, dropped=incident.dropped_entries)
    return _story(short, now)


def _whole_story(entries: Sequence[TimelineEntry | str], now: datetime) -> str:
    """The whole timeline; what lies in the middle of a long one is folded."""
    hidden = entries[_FIRST : len(entries) - _LAST] if len(entries) > _FIRST + _LAST + 1 else []
    if not hidden:
        return _story(entries, now, whole=True)
    folded = (
        f"<details><summary>{plural(len(hidden), 'more line')}</summary>{_story(hidden, now, whole=True)}</details>"
    )
    return f"{_story(entries[:_FIRST], now, whole=True)}{folded}{_story(entries[-_LAST:], now, whole=True)}"


def _story(entries: Iterable[TimelineEntry | str], now: datetime, *, whole: bool = False) -> str:
    items = "".join(
        f"<li>{text(each)}</li>" if isinstance(each, str) else _line(each, now, whole=whole) for each in entries
    )
    return f'<ol class="hs-timeline hs-story">{items}</ol>'


def _line(entry: TimelineEntry, now: datetime, *, whole: bool) -> str:
    """One line; where the `whole` is wanted, it opens to the words as they were decided, statistics included.

    Native expanders take Markdown for a label, in which a provider's words could name a picture elsewhere.
    """
    remark = " hs-remark" if entry.kind in COMMENTS else ""
    short = entry.text if entry.kind in COMMENTS else plain_reason(entry.text)
    html = text(short) if entry.kind in COMMENTS else prose(short, now)
    if entry.author and entry.kind is EntryKind.NOTE:
        html = f"<b>{text(entry.author)}</b>: {html}"
    if whole and short != entry.text:
        html = f"<details><summary>{html}</summary><p>{prose(entry.text, now)}</p></details>"
    return f'<li class="hs-{_LINE.get(entry.kind, "none")}{remark}">{instant(entry.at, now)}<span>{html}</span></li>'


def figures(incident: Incident, periods: Sequence[RoutePeriod] = ()) -> str:
    """The evidence in numbers, how long routes were on a failing target, request ids; empty where nothing is known."""
    items = [text(words.evidence(incident.numbers))] if incident.numbers else []
    for route, seconds in incident.on_failing_s:
        where = words.route_history(period for period in periods if period.route == route)
        items.append(text(words.time_on_failing(route, seconds) + (f"; it was on {where}" if where else "")))
    items += map(text, (*sentences(incident.failed_requests), *words.verdict_statistics(incident)))
    if incident.request_ids:
        ids = ", ".join(f"<code>{text(request_id)}</code>" for request_id in incident.request_ids)
        items.append(f"request ids of failed probes: {ids}")
    return f'<ul class="hs-figures">{"".join(f"<li>{item}</li>" for item in items)}</ul>' if items else ""


def trails(verdicts: Sequence[EvidenceTrail], now: datetime) -> str:
    """One chart with its sentence for each verdict; empty when there is none."""
    return "".join(_figure(trail, text(trail.sentence), now) for trail in verdicts)


def _figure(trail: EvidenceTrail, sentence: str, now: datetime) -> str:
    height = f"{100 * trail.threshold / _top(trail):.0f}"
    return (
        f'<figure class="hs-trail"><figcaption class="hs-row">{_targets(trail)}{pill(trail.health)}'
        f'<span class="hs-since">{instant(trail.at, now)}</span></figcaption>'
        f'<div role="img" aria-label="How the evidence grew: {sentence}">'
        f'<div class="hs-plot">{_steps(trail)}<b class="hs-verdict" style="bottom:{height}%">'
        f"<span>verdict at {trail.threshold:.1f}</span></b></div>{_target_rows(trail)}{_axis(trail)}</div>"
        f'<p class="hs-reason">{sentence}</p></figure>'
    )


def _targets(trail: EvidenceTrail) -> str:
    if len(trail.targets) == 1:
        return target(trail.targets[0])
    provider = trail.targets[0].partition("/")[0]
    return f'<span class="hs-id">{text(provider)}</span><span class="hs-quiet">{len(trail.targets)} targets</span>'


def _steps(trail: EvidenceTrail) -> str:
    """The evidence over time as steps; the left edge of each step is a probe, in its colour."""
    probes, top = trail.probes, _top(trail)
    ends = [*(_left(trail, probe) for probe in probes[1:]), 100.0]
    return "".join(
        f'<i class="hs-{_colour(probe)}" title="{text(_tip(trail, probe))}" style="left:{left:.1f}%;'
        f'width:{max(0.0, end - left):.1f}%;height:{100 * probe.evidence / top:.0f}%"></i>'
        for probe, left, end in zip(probes, (_left(trail, probe) for probe in probes), ends, strict=True)
    )


def _target_rows(trail: EvidenceTrail) -> str:
    """One row of marks per target where the probes are of several, the targets with most failures first."""
    against = Counter(probe.target for probe in trail.probes if trail.against(probe))
    names = sorted({probe.target for probe in trail.probes}, key=lambda name: (-against[name], name))
    if len(names) < 2:
        return ""
    rows = "".join(_target_row(trail, name, against[name]) for name in names[:_MOST_ROWS])
    rest = plural(len(names) - _MOST_ROWS, "more target")
    return rows + (f'<div class="hs-lane-name">and {rest}</div>' if len(names) > _MOST_ROWS else "")


def _target_row(trail: EvidenceTrail, name: str, against: int) -> str:
    own = [probe for probe in trail.probes if probe.target == name]
    marks = "".join(
        f'<i class="hs-{_colour(probe)}" title="{text(_tip(trail, probe))}" '
        f'style="left:{_left(trail, probe):.1f}%"></i>'
        for probe in own
    )
    model = name.partition("/")[2] or name
    return (
        f'<div class="hs-lane-name"><span>{text(model)}</span><span>{against} of {len(own)}</span></div>'
        f'<div class="hs-lane">{marks}</div>'
    )


def _axis(trail: EvidenceTrail) -> str:
    length_s = _length_s(trail)
    step_s = next((step for step in _TICKS_S if length_s / step <= _MOST_TICKS), _TICKS_S[-1])
    places = [(tick, 100 - 100 * tick / length_s) for tick in range(step_s, int(length_s) + 1, step_s)][:_MOST_TICKS]
    ticks = "".join(
        f'<span style="left:{left:.1f}%">−{format_elapsed(tick)}</span>'
        for tick, left in places
        if _MARGIN_PERCENT <= left <= 100 - 2 * _MARGIN_PERCENT
    )
    return f'<div class="hs-axis">{ticks}<span class="hs-end">verdict</span></div>'


def _tip(trail: EvidenceTrail, probe: WeighedProbe) -> str:
    before = format_elapsed(max(0.0, (trail.at - probe.at).total_seconds()))
    outcome = f"{probe.outcome}, late," if probe.late else probe.outcome
    return f"{before} before: {outcome} from {probe.target}, evidence {probe.evidence:.1f}"


def _colour(probe: WeighedProbe) -> str:
    """Grey for `ok`: the chart shows what led to the verdict; late answers are drawn as slow ones."""
    return outcome_class(Outcome.SLOW if probe.late else probe.outcome) if probe.is_bad else "none"


def _top(trail: EvidenceTrail) -> float:
    """The evidence at the upper edge of the chart."""
    return 1.12 * max(trail.threshold, *(probe.evidence for probe in trail.probes))


def _left(trail: EvidenceTrail, probe: WeighedProbe) -> float:
    """Percent from the left: 0 the first probe, 100 the verdict."""
    before_s = (trail.at - probe.at).total_seconds()
    return min(100.0, max(0.0, 100 - 100 * before_s / _length_s(trail)))


def _length_s(trail: EvidenceTrail) -> float:
    return max(trail.span_s, 1.0)
