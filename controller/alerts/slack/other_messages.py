"""The other messages: notices, replies in a thread, calls for a person, many things in one message (pure)."""

from collections.abc import Sequence
from datetime import datetime

from controller.alerts.alert import PendingEvent, notice_headline
from controller.alerts.digest.digest import DIGEST, digest_message
from controller.alerts.slack.blocks import NAME_CHARS, Message, first_lines, footer, header, safe, section
from controller.alerts.slack.incident_message import (
    action_line,
    exposure_lines,
    format_timeline_entry,
    headline_of,
    incident_number,
    time_of_day,
    timeline_lines,
)
from controller.incidents.incident import EntryKind, Incident, TimelineEntry, sum_numbers
from controller.incidents.text import duration, first_failed, vendor_sentence
from monitor.detection.reasons import outcome_mix
from monitor.formatting import format_elapsed, plural

_NOTICE_CHARS = 2_500
_NOTE_CHARS = 600
_EDGE_LINES = 6


def notice_message(kind: str, subject: str, text: str, *, at: datetime, late: str | None = None) -> Message:
    """Something that happened once, `at` that time, such as an override; never edited.

    `late` says why it comes late. Like every message it is inside Slack's limits, and nothing from outside does
    anything in it.
    """
    if kind == DIGEST:
        return digest_message(text, at=at)
    headline = notice_headline(kind, subject)
    final = footer(f"{at:%Y-%m-%d %H:%M:%S} UTC. This message is final.")
    body = section([*([f"_Happened {at:%H:%M} {late}._"] if late else []), safe(text, _NOTICE_CHARS)])
    return Message(text=f"{safe(headline, 200)}\n{safe(text)}", blocks=(header(headline), body, final))


def reply_message(incident: Incident, lines: Sequence[TimelineEntry], *, named: bool) -> Message:
    """What has happened since the last reply in an incident's thread; the end says how long it took and its effect.

    `named` says of which incident, where several are told in one thread.
    """
    entries = [line for line in lines if line.kind is not EntryKind.RESOLVED]
    over = len(entries) < len(lines) and incident.resolved_at is not None
    title = [f"*{safe(incident.provider, NAME_CHARS)}, incident {incident.id}*"] if named else []
    limit = _NOTE_CHARS if len(entries) <= 3 else 220
    shown = timeline_lines(entries, _EDGE_LINES, lambda entry: format_timeline_entry(entry, incident.opened_at, limit))
    blocks = [section([*title, *shown])] if shown else []
    if over:
        blocks.append(section([*(title if not shown else []), *_end_lines(incident)]))
    first = shown[0] if shown and not over else f"{safe(headline_of(incident), 200)}"
    return Message(text="\n".join([*title, first]), blocks=tuple(blocks))


def call_message(
    incident: Incident, others: Sequence[Incident] = (), *, now: datetime, mention: Sequence[str], again: bool
) -> Message:
    """Calls a person, below a headline that does not do so by itself; `again`: it is a reminder.

    `others` are told under the same headline.
    """
    headline = headline_of(incident, others)
    if again:
        elapsed = format_elapsed(incident.bad_periods[-1].lasted_s(now))
        headline = f"⏰ Still open after {elapsed}, and nobody has acknowledged it: {headline}"
    who = f"{' '.join(mention)} " if mention else ""
    acknowledge = f"`hotspare incidents ack {incident.id}` ends the reminders."
    action = action_line([incident, *others])
    page = [incident_number(incident)] if incident.link else []
    lines = [f"{who}*{safe(headline)}*", action, *([acknowledge] if again else []), *page]
    return Message(text=f"{who}{safe(headline)}\n{action}", blocks=(section(lines),))


def end_message(incidents: Sequence[Incident]) -> Message:
    """That all of these, for which people were called, are over."""
    lines = [f"*{safe(headline_of(incident), 200)}*" for incident in incidents]
    shown = [*first_lines(lines, 6, " incidents"), action_line(incidents)]
    return Message(text="\n".join(shown), blocks=(section(shown),))


def passed_message(incidents: Sequence[Incident], late: str) -> Message:
    """Incidents that came and went before anybody could be told, in one message; `late` says why."""
    headline = f"✅ {plural(len(incidents), 'incident')} came and went {late}"
    lines = [
        f"`{one.opened_at:%H:%M}–{one.resolved_at:%H:%M}` incident {one.id}: {safe(_passed_text(one))}"
        for one in incidents
        if one.resolved_at
    ]
    return _together(headline, lines)


def notices_message(notices: Sequence[PendingEvent], late: str) -> Message:
    """Things that happened once, in one message, because they could not be told when they did; `late` says why."""
    headline = f"🔔 {plural(len(notices), 'notice')} {late}"
    return _together(headline, [f"`{event.at:%H:%M}` {_notice_text(event)}" for event in notices])


def held_message(
    incidents: Sequence[tuple[Incident, str]],
    notices: Sequence[PendingEvent],
    most_per_hour: int,
    more_at: datetime | None,
) -> Message:
    """What is held back by the bound for a storm, if anything still is, and until when.

    Beside each incident is the owner's channel that its message is for; empty where it is for the usual one.
    """
    lines = [
        f"• {safe(headline_of(incident), 200)} (incident {incident.id})" + (f", for {safe(owner)}" if owner else "")
        for incident, owner in incidents
    ]
    lines += [f"• {_notice_text(event)}" for event in notices]
    if not lines:
        text = "▶️ All messages that were held back have been sent"
        return Message(text=text, blocks=(section([text + "."]),))
    headline = f"⏸️ {plural(len(lines), 'message')} held back: the limit is {most_per_hour} an hour (most_per_hour)"
    next_at = f" The first comes at {more_at:%H:%M} UTC." if more_at else ""
    end = f"They are sent as soon as the limit allows.{next_at} Incidents that are over by then come in one message."
    return _together(headline, lines, end=end)


def _together(headline: str, lines: Sequence[str], *, end: str | None = None) -> Message:
    shown = first_lines(lines, 15, ": `hotspare incidents` and the page list all")
    blocks = [header(headline), section(shown), *([footer(end)] if end else [])]
    return Message(text="\n".join([safe(headline, 200), *shown[:3]]), blocks=tuple(blocks))


def _passed_text(incident: Incident) -> str:
    targets = ", ".join(affected.target for affected in incident.affected[:3])
    more = f" and {len(incident.affected) - 3} more" if len(incident.affected) > 3 else ""
    about = f" ({targets}{more})" if targets else ""
    return f"{incident.kind.label} of {incident.provider}{about}, {duration(incident, incident.opened_at)}"


def _notice_text(event: PendingEvent) -> str:
    return f"{safe(notice_headline(event.kind, event.subject), 120)}: {safe(event.text, 160)}"


def _end_lines(incident: Incident) -> list[str]:
    """How long it took, what it touched and who knew first, as lines of Slack's markup that are safe already."""
    lines = [f"*{safe(headline_of(incident), 200)}*", action_line([incident])]
    if incident.resolved_at:
        lines.append(f"It ended at `{time_of_day(incident.resolved_at, incident.opened_at)}`.")
    lines += [*_first_move(incident), *exposure_lines(incident)]
    if incident.on_failing_s and not incident.failed_requests:
        lines.append("Only the applications know how many requests failed meanwhile.")
    probes, failures = sum_numbers(incident.numbers)
    if failures:
        lines.append(f"{failures.total()} of {plural(probes, 'probe')} failed: {outcome_mix(failures)}.")
    if claim := vendor_sentence(incident):
        lines.append(safe(claim, 220))
    if ids := ", ".join(safe(request_id, 60) for request_id in incident.request_ids[:3]):
        lines.append(f"Request ids for the vendor's support: {ids}")
    return lines


def _first_move(incident: Incident) -> list[str]:
    """How soon the first route moved, where one did."""
    first = next((line for line in incident.timeline if line.kind is EntryKind.MOVED), None)
    if first is None:
        return []
    after = format_elapsed(max(0.0, (first.at - incident.onset).total_seconds()))
    known = any(line.kind is EntryKind.FIRST_FAILURE for line in incident.timeline)
    since = f"the first {first_failed(incident)} (`{incident.onset:%H:%M:%S}`)" if known else "the opening"
    return [f"The first route moved {after} after {since}."]
