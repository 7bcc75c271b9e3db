"""The message about an incident: what broke, what was done, whether a person must act; edited until the end (pure)."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Final

from controller.alerts.next_action import incident_action
from controller.alerts.severity import (
    SETTLED,
    is_held_on_failing,
    is_stuck_now,
    misconfigured_targets,
    route_trouble,
    severity_of,
)
from controller.alerts.slack.blocks import (
    NAME_CHARS,
    Block,
    Message,
    code_span,
    first_lines,
    footer,
    header,
    plain_name,
    safe,
    section,
)
from controller.incidents.failed_requests import sentences
from controller.incidents.incident import FLAPPING, ROUTE, EntryKind, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.incidents.text import (
    abridged,
    duration,
    entry_text,
    in_regions,
    incident_shares,
    kind_of,
    reasons,
    refusal_of,
    stuck_clause,
    vendor_sentence,
)
from monitor.config.alert_settings import Severity
from monitor.detection.reasons import ALL_REFUSED
from monitor.formatting import format_elapsed, format_percent, listed, plural
from monitor.health import FAILING, WORST_FIRST, Health
from probes.redaction import one_line

_VENDOR_CHARS = 200
#: So much of a message at most says how it is; with the story and the buttons it stays below 8,000.
_STATE_CHARS = 2_000
_MAX_ROUTES = 6
_WAIT_CHARS = 240
_MAX_FIXES = 3
_EDGE_LINES = 5

#: What stands before a line of the timeline.
SYMBOLS: Final = {
    EntryKind.FIRST_FAILURE: "❗",
    EntryKind.SUSPECT: "🔎",
    EntryKind.HEALTH: "🩺",
    EntryKind.MOVED: "🔀",
    EntryKind.HELD: "⛔",
    EntryKind.VENDOR: "📣",
    EntryKind.NOTE: "📝",
    EntryKind.ACKNOWLEDGED: "🙋",
    EntryKind.HAND: "✋",
    EntryKind.RESOLVED: "✅",
    EntryKind.REOPENED: "🔁",
    EntryKind.OTHER: "▫️",
}
_AFTER_THE_FIX = (
    "A changed variable or configuration takes effect when Hotspare is restarted; it notices everything else by itself."
)


def incident_headline(
    incident: Incident,
    *,
    now: datetime,
    others: Sequence[Incident] = (),
    mention: Sequence[str] = (),
    late: str | None = None,
    again: tuple[bool, str] | None = None,
    is_edited: bool = True,
) -> Message:
    """What broke, how we know, what was done about it, what users are on, and whether a person must act.

    `others` are the incidents that are told under this headline, `mention` whom it calls where a person must act now
    and nobody has acknowledged it; `late` says why it comes late, such as `while Slack was unreachable`; `again` is for
    a message that stands once more because the incident came back: whether it flapped then, and the address of the
    first message; `is_edited` whether it will be edited when what is true `now` changes. It is inside Slack's limits
    whatever the incidents hold, and nothing from outside can mention anybody, link anywhere or change how it looks.
    """
    headline, action = headline_of(incident, others), action_line([incident, *others])
    if again and not incident.resolved_at:
        headline = f"🔁 {'Flapping' if again[0] else 'Again'}: {headline}"
    to_fix = misconfigured_targets(incident)
    fixes, fix_reasons = reasons(to_fix)[:_MAX_FIXES], {affected.reason for affected in to_fix}
    timeline = [entry for entry in incident.timeline if entry.text not in fix_reasons]
    mentions = [*mention, ""] if severity_of(incident) is Severity.CRITICAL and not incident.acknowledged_by else []
    routes, other_lines = route_lines(incident, code_span), _other_incident_lines(others, safe)
    acknowledged = []
    if incident.acknowledged_by and not incident.resolved_at:
        who = safe(incident.acknowledged_by, NAME_CHARS)
        acknowledged = [f"{SYMBOLS[EntryKind.ACKNOWLEDGED]} {who} looks after it."]
    ended = f", resolved {incident.resolved_at:%H:%M}" if incident.resolved_at else ""
    late_note = [f"Opened {incident.opened_at:%H:%M}{ended} {late}."] if late else []
    blocks = [
        header(headline),
        section(
            [
                f"{' '.join(mentions)}*{action}*",
                *(f"_{text}_" for text in late_note),
                *([f"_{came_back}_"] if (came_back := came_back_sentence(incident)) else []),
                *([f"<{again[1]}|The first message>"] if again else []),
                *routes,
                *(exposure_lines(incident) if incident.resolved_at else []),
                *([safe(claim, _VENDOR_CHARS)] if (claim := vendor_sentence(incident)) else []),
                *acknowledged,
                *other_lines,
            ],
            _STATE_CHARS,
        ),
        *([section(["*To fix*", *(f"• {safe(text, 240)}" for text in fixes), _AFTER_THE_FIX])] if fixes else []),
        *_timeline_sections(timeline, incident),
        _footer(incident, now, is_edited=is_edited),
    ]
    lines = [safe(headline, 200), *([" ".join(mention)] if mentions and mention else []), action]
    lines += [*routes[:1], *(safe(text) for text in fixes[:1]), *other_lines[:1], *late_note]
    return Message(text="\n".join(lines), blocks=tuple(blocks))


def plain_text(incident: Incident, others: Sequence[Incident] = ()) -> str:
    """The same for where no markup is read: at most 40 lines, the headline first, then whether a person must act.

    `others` are told with it.
    """
    fixes = [f"To fix: {one_line(text, 280)}" for text in reasons(misconfigured_targets(incident))[:_MAX_FIXES]]
    vendor = [one_line(claim, _VENDOR_CHARS)] if (claim := vendor_sentence(incident)) else []
    story = _story_lines(
        incident,
        incident.timeline,
        lambda entry: f"{time_of_day(entry.at, incident.opened_at)} {one_line(entry_text(entry), 280)}",
    )
    came_back = [sentence] if (sentence := came_back_sentence(incident)) else []
    lines = [headline_of(incident, others), incident_action([incident, *others]).line, *came_back]
    lines += _other_incident_lines(others, one_line)
    lines += [*route_lines(incident, plain_name), *vendor, *fixes]
    link = f": {incident.link}" if incident.link else ""
    lines += [*story, f"Incident {incident.id}, opened {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC{link}"]
    return "\n".join(one_line(line, 600) for line in lines)


def came_back_sentence(incident: Incident) -> str:
    """That an open incident came back, and whether it is flapping; empty where it did not."""
    if incident.resolved_at or not incident.reopened:
        return ""
    if incident.outages_lately >= FLAPPING:
        return f"It is flapping: it began {incident.outages_lately} times within an hour."
    ends = [entry.at for entry in incident.timeline if entry.kind is EntryKind.RESOLVED]
    return f"It came back; it was over at {ends[-1]:%H:%M} UTC." if ends else "It came back."


def headline_of(incident: Incident, others: Sequence[Incident] = ()) -> str:
    """The first line, plain: `🔴 openai/gpt-6-luna is down`; with `others` that are open, how many providers fail."""
    what = _describe_several([incident, *others]) or describe_failure(incident)
    if incident.resolved_at:
        return f"✅ Resolved after {duration(incident, incident.resolved_at)}: {what}"
    if (urgent := _urgent_clause([incident, *others])) is not None:
        return f"🚨 Act now: {what}{urgent}"
    if misconfigured_targets(incident):
        return f"🔧 To fix: {what}"
    return f"{_symbol(incident)} {what}"


def _urgent_clause(incidents: Sequence[Incident]) -> str | None:
    """Why a person must act now, after what is wrong; None where nobody must, or where a key is to be put right.

    What keeps routes counts in all of the incidents.
    """
    routes = [(route, incident) for incident in incidents for route in incident.routes if not incident.resolved_at]
    if any(route.unpublished for route, _ in routes):
        return " and the routing file cannot be written"
    if incidents[0].kind is IncidentKind.NOTHING_ELIGIBLE:
        return ""
    if stuck := {route.route: route for route, incident in routes if is_stuck_now(route, incident)}:
        who = f"route {plain_name(next(iter(stuck)))} has" if len(stuck) == 1 else f"{len(stuck)} routes have"
        return f" and {who} {_nowhere(stuck.values())}"
    held = (route for route, incident in routes if is_held_on_failing(route, incident))
    return next((f" and route {plain_name(route.route)} is {plain_name(route.held)}" for route in held), None)


def _nowhere(stuck: Iterable[RouteImpact]) -> str:
    return "no good candidate" if any(route.least_bad for route in stuck) else "nowhere to go"


def _describe_several(incidents: Sequence[Incident]) -> str:
    """`3 providers fail (a, b, c), 7 targets down`; empty where not several do, or where the first is over."""
    if incidents[0].resolved_at:
        return ""
    failing = {
        affected.target: incident.provider
        for incident in incidents
        for affected in incident.affected
        if affected.health in FAILING and not incident.resolved_at
    }
    providers = list(dict.fromkeys(map(plain_name, failing.values())))
    if len(providers) < 2:
        return ""
    every = [a.health for incident in incidents for a in incident.affected if a.target in failing]
    word = "down" if set(every) == {Health.DOWN} else "failing"
    return f"{len(providers)} providers fail ({listed(providers, 3)}), {plural(len(failing), 'target')} {word}"


def describe_failure(incident: Incident) -> str:
    """What is wrong, or was: `openai/gpt-6-luna is down`, or `openai: 3 models down, 1 recovering`."""
    over = incident.resolved_at is not None
    if incident.kind is IncidentKind.BLINDNESS:
        return "our own network works again" if over else "our own network is down or loses packets"
    if incident.kind is IncidentKind.NOTHING_ELIGIBLE:
        route = plain_name(incident.provider.removeprefix(ROUTE))
        return f"route {route} has {'somewhere to go again' if over else _nowhere(incident.routes)}"
    troubled = [a for a in incident.affected if a.health not in SETTLED] or list(incident.affected)
    if not troubled:
        return f"{plain_name(incident.provider)} has an incident of kind {incident.kind.label}"
    refusing = {refusal_of(affected) if affected.health is Health.UNUSABLE else None for affected in troubled}
    if len(troubled) == 1:
        name = plain_name(troubled[0].target)
        return f"{name} {refusing.pop() or f'is {_health_text(troubled[0].health)}'}{_shares(incident)}"
    if None not in refusing:
        what = refusing.pop() if len(refusing) == 1 else None
        answers = (what or f"{ALL_REFUSED} errors").replace("answers", "answer", 1)
        return (
            f"{len(troubled)} {kind_of(troubled)}s of {plain_name(incident.provider)} {answers}{in_regions(troubled)}"
        )
    counts = Counter(a.health for a in troubled)
    worst, *others = [f"{counts[h]} {{}}{_health_text(h)}" for h in WORST_FIRST if counts[h]]
    models = f"{kind_of(troubled)}{'' if worst.startswith('1 ') else 's'} "
    return (
        f"{plain_name(incident.provider)}: "
        + ", ".join([worst.format(models), *(other.format("") for other in others)])
        + in_regions(troubled)
        + _shares(incident)
    )


def _shares(incident: Incident) -> str:
    """What it answered and refused, where it refuses much and not everything, while it is open."""
    shares = incident_shares(incident) if incident.resolved_at is None else None
    refuses_all = any(refusal_of(affected) for affected in incident.affected)
    return f": {shares}" if shares and not refuses_all else ""


def action_line(incidents: Sequence[Incident]) -> str:
    """Whether a person must act, as Slack's markup; commands in it can be copied."""
    action = incident_action(incidents)
    parts = re.split("`(.*?)`", action.sentence)
    shown = (f"`{escape(part)}`" if number % 2 else _safe_part(part) for number, part in enumerate(parts))
    return " ".join(["".join(shown), *(f"<{escape(address)}|Runbook>" for address in action.runbooks)])


def _safe_part(part: str) -> str:
    """The same without losing the spaces around it."""
    return f"{' ' * part.startswith(' ')}{safe(part, 600)}{' ' * part.endswith(' ')}" if part.strip() else part


def route_lines(incident: Incident, format_name: Callable[[str], str]) -> list[str]:
    """What the users of each touched route are on, those in trouble first; `format_name` makes names harmless."""
    routes = sorted(incident.routes, key=lambda r: (not r.stuck, route_trouble(r, incident) is None))
    return first_lines([_route_line(route, incident, format_name) for route in routes], _MAX_ROUTES, " routes")


def exposure_lines(incident: Incident) -> list[str]:
    """How long each route pointed at a target that failed, and how many requests failed; a line of each, or none."""
    requests = [f"{safe(each, 200)}." for each in sentences(incident.failed_requests[:_MAX_ROUTES])]
    return [*_time_lines(incident), *requests]


def _time_lines(incident: Incident) -> list[str]:
    if not incident.on_failing_s:
        return []
    before_s = sum((period.opened_at - period.began_at).total_seconds() for period in incident.bad_periods)
    duration_s = max(1.0, incident.lasted_s(incident.opened_at) + before_s)
    routes = [
        f"{code_span(route)} {format_elapsed(seconds)} ({format_percent(min(1.0, seconds / duration_s))})"
        for route, seconds in incident.on_failing_s[:_MAX_ROUTES]
    ]
    more = len(incident.on_failing_s) - len(routes)
    others = f" and {plural(more, 'route')} more" if more > 0 else ""
    return [f"Time that routes pointed at a failing target: {', '.join(routes)}{others}."]


def format_timeline_entry(entry: TimelineEntry, opened_at: datetime, limit: int) -> str:
    """An entry as Slack shows it: its symbol, its time, its text of at most `limit` characters."""
    return f"{SYMBOLS[entry.kind]} `{time_of_day(entry.at, opened_at)}` {safe(entry_text(entry), limit)}"


def time_of_day(at: datetime, opened_at: datetime) -> str:
    """The time of day in UTC; with the date where it is not that of the opening."""
    return f"{at:%H:%M:%S}" if at.date() == opened_at.date() else f"{at:%d %b %H:%M:%S}"


def _symbol(incident: Incident) -> str:
    if incident.kind is IncidentKind.BLINDNESS:
        return "📡"
    health = {a.health for a in incident.affected} - SETTLED
    if health <= {Health.RECOVERING}:
        return "🟡"
    return "🔴" if Health.DOWN in health else "🟠"


def _health_text(health: Health) -> str:
    return {Health.UP: "up again", Health.UNKNOWN: "no longer configured"}.get(health, str(health))


def _route_line(route: RouteImpact, incident: Incident, format_name: Callable[[str], str]) -> str:
    if incident.resolved_at:
        # What has been over for a while is still edited, and routes have moved since.
        return f"Users of {format_name(route.route)} were on {format_name(route.target)} when it ended."
    health = route_trouble(route, incident) or route.failing
    line = f"Users of {format_name(route.route)} are on {format_name(route.target)}"
    if health:
        line += f", which is {health}"
    if route.stuck:
        line += f"; {safe(stuck_clause(route), _WAIT_CHARS)}"
    for target, percent in route.weights[:3]:
        if target != route.target:
            line += f"; {percent:g} % of them are on {format_name(target)} again"
    if route.would:
        line += f"; this is a dry run, or they would be on {format_name(route.would)}"
    return line + "."


def _other_incident_lines(others: Sequence[Incident], make_safe: Callable[[str, int], str]) -> list[str]:
    """What else is told under the same headline, what is open first."""
    ordered = sorted(others, key=lambda other: (other.resolved_at is not None, other.id))
    lines = [
        f"{'Also reported' if one.resolved_at else 'Also failing'}: {make_safe(headline_of(one), 200)}"
        f" (incident {one.id})"
        for one in ordered
    ]
    return first_lines(lines, 6, " incidents")


def timeline_lines(
    entries: Sequence[TimelineEntry], each: int, format_entry: Callable[[TimelineEntry], str], dropped: int = 0
) -> list[str]:
    """The entries as lines; of many the first and the last `each`, and how many are left out between them."""
    short = abridged(entries, first=each, last=each, dropped=dropped, keep=frozenset())
    return [entry if isinstance(entry, str) else format_entry(entry) for entry in short]


def _story_lines(
    incident: Incident, entries: Sequence[TimelineEntry], format_entry: Callable[[TimelineEntry], str]
) -> list[str]:
    """The entries as lines; of an open incident that came back those of the present period alone."""
    if incident.resolved_at or not incident.reopened:
        return timeline_lines(entries, _EDGE_LINES, format_entry, incident.dropped_entries)
    began_at = incident.bad_periods[-1].began_at
    present = [entry for entry in entries if entry.at >= began_at]
    earlier = len(entries) - len(present) + incident.dropped_entries
    told = [f"… {plural(earlier, 'line')} of earlier periods left out …"] if earlier else []
    return [*told, *timeline_lines(present, _EDGE_LINES, format_entry)]


def _timeline_sections(timeline: Sequence[TimelineEntry], incident: Incident) -> list[Block]:
    """The timeline, its beginning and its end each in a section of its own."""
    if not timeline:
        return []
    lines = _story_lines(incident, timeline, lambda entry: format_timeline_entry(entry, incident.opened_at, 220))
    end = _EDGE_LINES + (len(lines) > 2 * _EDGE_LINES)
    return [section(["*What happened* (UTC)", *lines[:end]]), *([section(lines[end:])] if lines[end:] else [])]


def incident_number(incident: Incident) -> str:
    """`Incident 7` in Slack's markup, a link where the page has an address."""
    number = f"Incident {incident.id}" if incident.id else "Incident"
    return f"<{escape(incident.link)}|{number}>" if incident.link else number


def _footer(incident: Incident, now: datetime, *, is_edited: bool) -> Block:
    opened = f"{incident.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    # Slack shows the reader's own time here; where it cannot, the words after the bar.
    local = f"<!date^{int(incident.opened_at.timestamp())}^{{date_short_pretty}} {{time}} your time|UTC>"
    number = incident_number(incident)
    again = f" · reopened {incident.reopened} ×" if incident.reopened else ""
    state = "This message is kept up to date." if is_edited else "This message will not change."
    state = "This message is final." if incident.resolved_at else state
    return footer(f"{number} · opened {opened} ({local}){again} · as of {now:%H:%M:%S} UTC. {state}")
