"""Which messages a bot sends to Slack: what there is to tell compared with what was told, and what can wait (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from controller.alerts.delivery import NOTHING_TOLD, Action, DeliveryKind, PlannedMessage, Receipt
from controller.alerts.pending_event import PendingEvent
from controller.alerts.severity import most_urgent, severity_of_notice
from controller.alerts.slack.escalation import headline_key, headline_message, homes, last_call, plan_escalations
from controller.alerts.slack.incident_groups import IncidentGroup, groups_of
from controller.alerts.slack.other_messages import (
    held_message,
    notice_message,
    notices_message,
    passed_message,
    reply_message,
)
from controller.alerts.slack.planning_input import SINK, PlanningInput
from controller.incidents.incident import EntryKind, TimelineEntry
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


def plan_messages(given: PlanningInput) -> list[PlannedMessage]:
    """The messages that may go out now, the most urgent first.

    1. Headlines of critical incidents, and calls: whatever the hour, and however many there were.
    2. New headlines, what came and went untold, notices: as far as quiet hours and the bound for a storm allow.
    3. Edits, which notify nobody: always.
    4. Replies in threads, for which a third of the hour's messages is not to be had, and what is held back.
    """
    groups = groups_of(given.snapshot.incidents)
    posted = [group for group in groups if group.is_posted]
    new = [group for group in groups if not group.is_posted]
    urgent = [_headline(group, given) for group in new if group.severity is Severity.CRITICAL]
    urgent += [planned for group in posted for planned in plan_escalations(group, given)]
    openings = [group for group in new if group.is_open and group.severity is not Severity.CRITICAL]
    waiting = [*(_headline(group, given) for group in openings), *_passed(new, given), *plan_notices(given)]
    now = waiting[: max(0, given.room - given.reserve)]
    room = given.room - len(now)
    edits = [planned for group in posted for planned in _edits(group, given)]
    replies = _affordable(posted, given, room - max(given.reserve, given.slack.most_per_hour // 3))
    return [*urgent, *now, *edits, *replies, *_held(groups, given, waiting[len(now) :], room)]


def _affordable(groups: Iterable[IncidentGroup], given: PlanningInput, room: int) -> Iterator[PlannedMessage]:
    """The replies that may go out; those to what has been over for an hour are not worth waiting for: the headline,
    which is edited, has it all.
    """
    for group in groups:
        for reply in _replies(group, given):
            if group.severity is Severity.CRITICAL or _ends_a_call(reply, group, given) or room > 0:
                room -= 1
                yield reply
            elif group.over_since and given.now - group.over_since > _STALE:
                yield replace(reply, action=Action.KEEP, message=None)


def _ends_a_call(reply: PlannedMessage, group: IncidentGroup, given: PlanningInput) -> bool:
    """Whether the reply tells people who were called, at night too, that it is over."""
    return reply.broadcast and not group.is_open and last_call(group, given) > 0


def _headline(group: IncidentGroup, given: PlanningInput) -> PlannedMessage:
    lead = group.first
    critical = group.severity is Severity.CRITICAL
    late = given.late(group.new_since) if group.new_since else None
    return PlannedMessage(
        key=headline_key(group),
        kind=DeliveryKind.HEADLINE,
        message=partial(headline_message, group, given, late),
        group=lead.id,
        channel=given.slack.channel_of(group.severity if group.is_open else Severity.WARNING),
        incident_id=lead.id,
        receipt=replace(group.receipt, home=lead.id, call=1 if critical else None),
        shows=group.shows,
    )


def _passed(groups: Iterable[IncidentGroup], given: PlanningInput) -> list[PlannedMessage]:
    """What came and went before anybody was told: each one message with its end, many of them together."""
    passed = [group for group in groups if not group.is_open and group.is_behind]
    if len(passed) <= _ONE_BY_ONE:
        return [_headline(group, given) for group in passed]
    together = passed[:_MOST_TOGETHER]
    incidents = [incident for group in together for incident in group.incidents]
    reason = given.late(min(group.first.opened_at for group in together)) or "within minutes"
    return [
        PlannedMessage(
            key=f"{SINK} together incidents {incidents[0].id}-{incidents[-1].id}",
            kind=DeliveryKind.TOGETHER,
            message=partial(passed_message, incidents, reason),
            channel=given.slack.channel_of(Severity.WARNING),
            receipt=Receipt(incidents=tuple(part for group in together for part in group.receipt.incidents)),
        )
    ]


def plan_notices(given: PlanningInput) -> list[PlannedMessage]:
    """What happened once, in the order in which it happened; many of them that come late together."""
    events = given.snapshot.events
    late = [event for event in events if given.late(event.at)]
    if len(late) <= _ONE_BY_ONE:
        return [_notice(event, given) for event in events]
    together = late[:_MOST_TOGETHER]
    severity = most_urgent(severity_of_notice(event.kind) for event in together)
    message = PlannedMessage(
        key=f"{SINK} together events {together[0].id}-{together[-1].id}",
        kind=DeliveryKind.TOGETHER,
        message=partial(notices_message, together, given.late(together[0].at) or ""),
        channel=given.slack.channel_of(severity),
        receipt=Receipt(events=tuple(event.id for event in together)),
    )
    return [message, *(_notice(event, given) for event in events if event not in late)]


def _notice(event: PendingEvent, given: PlanningInput) -> PlannedMessage:
    late = given.late(event.at)
    return PlannedMessage(
        key=f"{SINK} event {event.id}",
        kind=DeliveryKind.EVENT,
        message=partial(notice_message, event.kind, event.subject, event.text, at=event.at, late=late),
        channel=given.slack.channel_of(severity_of_notice(event.kind)),
        event_id=event.id,
        receipt=Receipt(events=(event.id,)),
    )


def _edits(group: IncidentGroup, given: PlanningInput) -> Iterator[PlannedMessage]:
    """Edits of the headline wherever it stands."""
    if not group.is_behind:
        return
    stale = [home for home in homes(group, given) if given.shown.get(home[2]) != group.shows]
    for number, (key, channel, ts) in enumerate(stale, 1):
        yield PlannedMessage(
            key=f"{key} edit",
            kind=DeliveryKind.HEADLINE,
            action=Action.EDIT,
            message=partial(headline_message, group, given),
            group=group.first.id,
            channel=channel,
            ts=ts,
            incident_id=group.first.id,
            receipt=_receipt_of_edit(group) if number == len(stale) else NOTHING_TOLD,
            shows=group.shows,
        )
    if not stale and _receipt_of_edit(group).incidents:
        yield PlannedMessage(
            key=headline_key(group),
            kind=DeliveryKind.HEADLINE,
            action=Action.KEEP,
            group=group.first.id,
            receipt=_receipt_of_edit(group),
        )


def _receipt_of_edit(group: IncidentGroup) -> Receipt:
    """What people know once the headline shows it all: the members without a line that is yet to be told."""
    behind = (member for member in group.members if member.revision < member.incident.revision)
    complete = (member for member in behind if not _new_lines(member.incident.timeline, member.line))
    return Receipt(incidents=tuple((member.incident.id, member.incident.revision, member.line) for member in complete))


def _new_lines(timeline: Iterable[TimelineEntry], after: int) -> list[TimelineEntry]:
    """The lines after this number, in the order in which they became known; at most 40."""
    return sorted((line for line in timeline if line.number > after), key=lambda line: line.number)[:_MOST_LINES]


def _replies(group: IncidentGroup, given: PlanningInput) -> Iterator[PlannedMessage]:
    """What happened since, one reply for each incident that has something new."""
    _, channel, ts = next(homes(group, given))
    for member in group.members:
        incident, lines = member.incident, _new_lines(member.incident.timeline, member.line)
        if not lines:
            continue
        first, last = lines[0].number, lines[-1].number
        shown = given.shown.get(ts) == group.shows
        complete = shown and last == max(line.number for line in incident.timeline)
        yield PlannedMessage(
            key=f"{SINK} incident {incident.id} line {first}" + (f"-{last}" if last > first else ""),
            kind=DeliveryKind.REPLY,
            message=partial(reply_message, incident, lines, named=len(group.members) > 1),
            group=group.first.id,
            channel=channel,
            ts=ts,
            broadcast=_is_news(group, member.line == 0, lines, given),
            incident_id=incident.id,
            receipt=Receipt(incidents=((incident.id, incident.revision if complete else 0, last),)),
        )


def _is_news(group: IncidentGroup, begins: bool, lines: Sequence[TimelineEntry], given: PlanningInput) -> bool:
    """Whether a reply is worth the channel's attention: a further provider fails, it is back, or a call is over."""
    posted = given.delivered(headline_key(group))
    if posted and given.now - posted.begun_at < _FRESH:
        return False
    kinds = {line.kind for line in lines}
    if begins or (EntryKind.REOPENED in kinds and group.first.reopened == 1):
        return True
    return EntryKind.RESOLVED in kinds and not group.is_open and last_call(group, given) > 0


def _held(
    groups: Iterable[IncidentGroup], given: PlanningInput, waiting: Sequence[PlannedMessage], room: int
) -> Iterator[PlannedMessage]:
    """One message that lists what is held back, edited as that changes."""
    if given.is_quiet:
        return
    lists = [one for one in given.snapshot.deliveries.values() if one.kind is DeliveryKind.HELD and one.done_at]
    newest = max(lists, key=lambda one: one.begun_at, default=None)
    incident_ids = {incident_id for planned in waiting for incident_id, _, _ in planned.receipt.incidents}
    event_ids = {event_id for planned in waiting for event_id in planned.receipt.events}
    incidents = [group.primary for group in groups if group.primary.id in incident_ids]
    notices = [event for event in given.snapshot.events if event.id in event_ids]
    shows = str(len(incidents) + len(notices)) if waiting else "nothing"
    message = partial(held_message, incidents, notices, given.slack.most_per_hour)
    if newest and newest.channel and newest.ts and given.now - newest.begun_at < _HELD_FOR:
        if given.shown.get(newest.ts) != shows:
            yield PlannedMessage(
                key=f"{newest.key} edit",
                kind=DeliveryKind.HELD,
                action=Action.EDIT,
                message=message,
                channel=newest.channel,
                ts=newest.ts,
                shows=shows,
            )
    elif waiting and room > 0:
        yield PlannedMessage(
            key=f"{SINK} held {given.now:%Y-%m-%d %H:%M}",
            kind=DeliveryKind.HELD,
            message=message,
            channel=given.slack.channel_of(Severity.WARNING),
            shows=shows,
        )
