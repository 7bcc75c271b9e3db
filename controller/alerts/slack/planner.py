"""Which messages are due: compares what there is to tell with what was told, and says what can wait (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from controller.alerts.severity import severity_of_notice, worst
from controller.alerts.slack.escalation import call_key, calls, headline_message, homes, last_call
from controller.alerts.slack.message_values import SINK, Action, MessageInput, PlannedMessage
from controller.alerts.slack.other_messages import (
    HeldBack,
    held_message,
    notice_message,
    notices_message,
    passed_message,
    reply_message,
)
from controller.alerts.slack.threads import IncidentGroup, groups_of
from controller.alerts.told import Receipt
from controller.incidents.incident import EntryKind, TimelineEntry
from controller.journal import PendingEvent
from monitor.settings import Severity

#: Up to so many that come late are told one by one.
_ONE_BY_ONE: Final = 3
_MOST_TOGETHER: Final = 50
_MOST_LINES: Final = 40
#: A headline that is younger than this is still being read: what joins it is not called out in the channel.
_FRESH: Final = timedelta(minutes=5)
#: What happened to an incident that has been over for so long is not told in its thread any more.
_STALE: Final = timedelta(hours=1)
_HELD_FOR: Final = timedelta(hours=6)


def due(desk: MessageInput) -> list[PlannedMessage]:
    """The letters that may go out now, the most urgent first.

    1. Headlines of critical incidents, and calls: whatever the hour, and however many there were.
    2. New headlines, what came and went untold, notices: as far as quiet hours and the bound for a storm allow.
    3. Edits, which notify nobody: always.
    4. Replies in threads, for which a third of the hour's messages is not to be had, and what is held back.
    """
    groups = groups_of(desk.book.known)
    standing = [group for group in groups if group.stands]
    urgent = [_headline(group, desk) for group in groups if group.severity is Severity.CRITICAL and not group.stands]
    urgent += [letter for group in standing for letter in calls(group, desk)]
    waiting = [*_openings(groups, desk), *_passed(groups, desk), *notices(desk)]
    now = waiting[: max(0, desk.room - desk.reserve)]
    room = desk.room - len(now)
    edits = [letter for group in standing for letter in _edits(group, desk)]
    replies = _affordable(standing, desk, room - max(desk.reserve, desk.slack.most_per_hour // 3))
    return [*urgent, *now, *edits, *replies, *_held(groups, desk, waiting[len(now) :], room)]


def _affordable(groups: Iterable[IncidentGroup], desk: MessageInput, room: int) -> Iterator[PlannedMessage]:
    """The replies that may go out; those to what has been over for an hour are not worth waiting for: the headline,
    which is edited, has it all.
    """
    for group in groups:
        for letter in _replies(group, desk):
            if group.severity is Severity.CRITICAL or _ends_a_call(letter, group, desk) or room > 0:
                room -= 1
                yield letter
            elif group.over_since and desk.now - group.over_since > _STALE:
                yield replace(letter, act=Action.KEEP, message=None)


def _ends_a_call(letter: PlannedMessage, group: IncidentGroup, desk: MessageInput) -> bool:
    """Whoever was called, at night too, is told that it is over."""
    return letter.broadcast and not group.is_open and last_call(group, desk) > 0


def _headline(group: IncidentGroup, desk: MessageInput) -> PlannedMessage:
    lead = group.lead.incident
    critical = group.severity is Severity.CRITICAL
    return PlannedMessage(
        key=f"{SINK} incident {lead.id}",
        act=Action.POST,
        message=partial(headline_message, group, desk, desk.late(group.unheard_since) if group.unheard_since else None),
        group=lead.id,
        channel=desk.slack.channel_of(group.severity if group.is_open else Severity.WARNING),
        incident_id=lead.id,
        told=replace(group.all_told, home=lead.id, also=(call_key(group, 1),) if critical else ()),
        shows=group.shows,
    )


def _openings(groups: Iterable[IncidentGroup], desk: MessageInput) -> list[PlannedMessage]:
    """The headlines of what is open and not critical."""
    wanted = (group for group in groups if group.is_open and not group.stands)
    return [_headline(group, desk) for group in wanted if group.severity is not Severity.CRITICAL]


def _passed(groups: Iterable[IncidentGroup], desk: MessageInput) -> list[PlannedMessage]:
    """What came and went before anybody was told: each one message with its end, many of them together."""
    passed = [group for group in groups if not group.is_open and not group.stands and group.is_behind]
    if len(passed) <= _ONE_BY_ONE:
        return [_headline(group, desk) for group in passed]
    together = passed[:_MOST_TOGETHER]
    incidents = [one.incident for group in together for one in group.members]
    reason = desk.late(min(group.first.opened_at for group in together)) or "within minutes"
    return [
        PlannedMessage(
            key=f"{SINK} together incidents {incidents[0].id}-{incidents[-1].id}",
            act=Action.POST,
            message=partial(passed_message, incidents, reason),
            channel=desk.slack.channel_of(Severity.WARNING),
            told=Receipt(incidents=tuple(part for group in together for part in group.all_told.incidents)),
        )
    ]


def notices(desk: MessageInput) -> list[PlannedMessage]:
    """What happened once, in the order in which it happened; many of them that come late together."""
    late = [one for one in desk.book.events if desk.late(one.at)]
    if len(late) <= _ONE_BY_ONE:
        return [_notice(one, desk) for one in desk.book.events]
    together = late[:_MOST_TOGETHER]
    severity = worst(severity_of_notice(one.kind) for one in together)
    letter = PlannedMessage(
        key=f"{SINK} together events {together[0].id}-{together[-1].id}",
        act=Action.POST,
        message=partial(notices_message, together, desk.late(together[0].at) or ""),
        channel=desk.slack.channel_of(severity),
        told=Receipt(events=tuple(one.id for one in together)),
    )
    return [letter, *(_notice(one, desk) for one in desk.book.events if one not in late)]


def _notice(one: PendingEvent, desk: MessageInput) -> PlannedMessage:
    return PlannedMessage(
        key=f"{SINK} event {one.id}",
        act=Action.POST,
        message=partial(notice_message, one.kind, one.subject, one.text, at=one.at, late=desk.late(one.at)),
        channel=desk.slack.channel_of(severity_of_notice(one.kind)),
        told=Receipt(events=(one.id,)),
    )


def _edits(group: IncidentGroup, desk: MessageInput) -> Iterator[PlannedMessage]:
    """The headline, kept true wherever it stands."""
    if not group.is_behind:
        return
    stale = [home for home in homes(group, desk) if desk.shown.get(home[2]) != group.shows]
    for number, (key, channel, ts) in enumerate(stale, 1):
        yield PlannedMessage(
            key=f"{key} edit",
            act=Action.EDIT,
            message=partial(headline_message, group, desk),
            group=group.first.id,
            channel=channel,
            ts=ts,
            incident_id=group.lead.incident.id,
            told=_quietly_told(group) if number == len(stale) else Receipt(),
            shows=group.shows,
        )
    if not stale and _quietly_told(group).incidents:
        key = f"{SINK} incident {group.first.id}"
        yield PlannedMessage(key=key, act=Action.KEEP, group=group.first.id, told=_quietly_told(group))


def _quietly_told(group: IncidentGroup) -> Receipt:
    """What people know once the headline shows it all: the members without a line that is yet to be told."""
    behind = (one for one in group.members if one.revision < one.incident.revision)
    complete = (one for one in behind if not _lines(one.incident.timeline, one.line))
    return Receipt(incidents=tuple((one.incident.id, one.incident.revision, one.line) for one in complete))


def _lines(timeline: Iterable[TimelineEntry], told: int) -> list[TimelineEntry]:
    """The lines after those that were told, in the order in which they became known; at most 40."""
    return sorted((line for line in timeline if line.number > told), key=lambda line: line.number)[:_MOST_LINES]


def _replies(group: IncidentGroup, desk: MessageInput) -> Iterator[PlannedMessage]:
    """What happened since, one reply for each incident that has something new."""
    _, channel, ts = next(homes(group, desk))
    for one in group.members:
        incident, lines = one.incident, _lines(one.incident.timeline, one.line)
        if not lines:
            continue
        first, last = lines[0].number, lines[-1].number
        shown = desk.shown.get(ts) == group.shows
        complete = shown and last == max(line.number for line in incident.timeline)
        yield PlannedMessage(
            key=f"{SINK} incident {incident.id} line {first}" + (f"-{last}" if last > first else ""),
            act=Action.POST,
            message=partial(reply_message, incident, lines, named=len(group.members) > 1),
            group=group.first.id,
            channel=channel,
            ts=ts,
            broadcast=_is_news(group, one.line == 0, lines, desk),
            incident_id=incident.id,
            told=Receipt(incidents=((incident.id, incident.revision if complete else 0, last),)),
        )


def _is_news(group: IncidentGroup, begins: bool, lines: Sequence[TimelineEntry], desk: MessageInput) -> bool:
    """Whether a reply is worth the channel's attention: a further provider fails, it is back, or a call is over."""
    posted = desk.row(f"{SINK} incident {group.lead.incident.id}")
    if posted and desk.now - posted.begun_at < _FRESH:
        return False
    kinds = {line.kind for line in lines}
    if begins or (EntryKind.REOPENED in kinds and group.lead.incident.reopened == 1):
        return True
    return EntryKind.RESOLVED in kinds and not group.is_open and last_call(group, desk) > 0


def _held(
    groups: Iterable[IncidentGroup], desk: MessageInput, waiting: Sequence[PlannedMessage], room: int
) -> Iterator[PlannedMessage]:
    """One message that lists what is held back, edited as that changes."""
    if desk.quiet:
        return
    rows = [row for key, row in desk.book.rows.items() if key.startswith(f"{SINK} held ") and row.done_at]
    stands = max(rows, key=lambda row: row.begun_at, default=None)
    holding = _holding(groups, desk, waiting) if waiting else None
    shows = str(len(holding.incidents) + len(holding.notices)) if holding else "nothing"
    message = partial(held_message, holding)
    if stands and stands.channel and stands.ts and desk.now - stands.begun_at < _HELD_FOR:
        if desk.shown.get(stands.ts) != shows:
            yield PlannedMessage(
                key=f"{stands.key} edit",
                act=Action.EDIT,
                message=message,
                channel=stands.channel,
                ts=stands.ts,
                shows=shows,
            )
    elif holding and room > 0:
        yield PlannedMessage(
            key=f"{SINK} held {desk.now:%Y-%m-%d %H:%M}",
            act=Action.POST,
            message=message,
            channel=desk.slack.channel_of(Severity.WARNING),
            shows=shows,
        )


def _holding(groups: Iterable[IncidentGroup], desk: MessageInput, waiting: Iterable[PlannedMessage]) -> HeldBack:
    told = [letter.told for letter in waiting]
    incidents = {incident_id for one in told for incident_id, _, _ in one.incidents}
    events = {event_id for one in told for event_id in one.events}
    return HeldBack(
        incidents=tuple(group.primary for group in groups if group.primary.id in incidents),
        notices=tuple(event for event in desk.book.events if event.id in events),
        most_per_hour=desk.slack.most_per_hour,
    )
