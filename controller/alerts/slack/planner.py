"""Which messages go to Slack: what there is to tell compared with what was told, and what can wait (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from controller.alerts.alert import PendingEvent
from controller.alerts.delivery import (
    NOTHING_TOLD,
    Action,
    DeliveryKind,
    PlannedMessage,
    Receipt,
    place_key,
)
from controller.alerts.severity import most_urgent, severity_of_notice
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.buttons.buttons import add_buttons, choose_buttons
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.other_messages import (
    call_message,
    end_message,
    held_message,
    notice_message,
    notices_message,
    passed_message,
)
from controller.alerts.slack.planning_input import FLAPPING_PART, SINK, IncidentGroup, PlanningInput
from controller.alerts.slack.thread_replies import new_lines, timely_replies
from monitor.config.alert_settings import Severity

#: Up to so many that come late are told one by one.
_ONE_BY_ONE: Final = 3
_MOST_TOGETHER: Final = 50
_HELD_FOR: Final = timedelta(hours=6)
#: The part of the key of the headline's copy in the channel of critical messages.
_COPY: Final = "critical"


def plan_messages(inputs: PlanningInput) -> list[PlannedMessage]:
    """The messages that a bot may send now, the most urgent first.

    1. Headlines of critical incidents, and calls: whatever the hour, and however many there were.
    2. New headlines, also of what has come back, what came and went untold, notices: as far as quiet hours and the
       bound for a storm allow.
    3. Edits, which notify nobody: always.
    4. Replies in threads, outside quiet hours, and what is held back.
    """
    groups = inputs.groups()
    posted = [group for group in groups if group.members[0].ts]
    new = [group for group in groups if not group.members[0].ts]
    again = [group for group in posted if group.come_back and not group.told_of_flapping()]
    going_on = [group for group in posted if group not in again]
    urgent = [_headline(group) for group in new if group.is_critical]
    urgent += [_reopened(group) for group in again if group.is_critical]
    urgent += [*(_call(group) for group in going_on if group.needs_call), *calm_marks(posted)]
    urgent += [end for group in posted for end in _end_of_call(group)]
    openings = [_headline(group) for group in new if group.is_open and not group.is_critical]
    openings += [_reopened(group) for group in again if not group.is_critical]
    for group in going_on:
        (urgent if group.is_critical else openings).extend(_to_owners(group))
    waiting = [*openings, *_passed(new, inputs), *plan_notices(inputs)]
    now = waiting[: inputs.room]
    edits = [planned for group in posted for planned in _edits(group)]
    return [
        *urgent,
        *now,
        *edits,
        *timely_replies(going_on, inputs),
        *_held(groups, inputs, waiting, sending=len(now)),
    ]


def _headline(group: IncidentGroup) -> PlannedMessage:
    severity = group.severity if group.is_open else Severity.WARNING
    return replace(
        group.draft(DeliveryKind.HEADLINE),
        message=partial(headline_message, group, group.late),
        channel=group.inputs.slack.channel_of(severity),
        receipt=replace(group.receipt, home=group.lead.id, call=1 if group.is_critical else None),
        shows=group.shows,
    )


def _reopened(group: IncidentGroup) -> PlannedMessage:
    """The headline once more, as news: what came back is a call of its own, in the channel for how urgent it is now."""
    flapping = f"{FLAPPING_PART} " if group.is_flapping else ""
    key = group.key(f"{flapping}reopened {group.reopenings}")
    return replace(
        group.draft(DeliveryKind.REOPENED),
        key=key,
        message=partial(headline_message, group, group.late, key=key),
        channel=group.inputs.slack.channel_of(group.severity),
        receipt=replace(
            group.receipt,
            incidents=(*group.come_back, *group.receipt.incidents),
            call=group.calls + 1 if group.is_critical and group.may_mention else None,
        ),
        shows=group.shows,
    )


def headline_message(group: IncidentGroup, late: str | None = None, *, key: str = "") -> Message:
    """The headline of a group, as it is now; `key` that of its delivery, which says where it stands once more."""
    inputs, primary = group.inputs, group.primary
    others = [incident for incident in group.incidents if incident is not primary]
    mention = group.people(key) if group.may_mention else ()
    again = None
    if DeliveryKind.REOPENED in key:
        _, channel, ts = next(group.homes())
        again = (FLAPPING_PART in key, f"https://slack.com/archives/{channel}/p{ts.replace('.', '')}")
    message = incident_headline(primary, now=inputs.now, others=others, mention=mention, late=late, again=again)
    if inputs.routes is None:
        return message
    return add_buttons(message, choose_buttons(primary, inputs.routes, others))


def _passed(groups: Iterable[IncidentGroup], inputs: PlanningInput) -> list[PlannedMessage]:
    """What came and went before anybody was told: each one message with its end, many of them together."""
    passed = [group for group in groups if not group.is_open and group.is_behind]
    if len(passed) <= _ONE_BY_ONE:
        return [_headline(group) for group in passed]
    together = passed[:_MOST_TOGETHER]
    incidents = [incident for group in together for incident in group.incidents]
    reason = inputs.late(min(group.lead.opened_at for group in together)) or "within minutes"
    return [
        PlannedMessage(
            key=f"{SINK} together incidents {incidents[0].id}-{incidents[-1].id}",
            kind=DeliveryKind.TOGETHER,
            message=partial(passed_message, incidents, reason),
            channel=inputs.slack.channel_of(Severity.WARNING),
            receipt=Receipt(incidents=tuple(part for group in together for part in group.receipt.incidents)),
        )
    ]


def plan_notices(inputs: PlanningInput) -> list[PlannedMessage]:
    """What happened once, in the order in which it happened; many of them that come late together."""
    events = inputs.snapshot.events
    late = [event for event in events if inputs.late(event.at)]
    if len(late) <= _ONE_BY_ONE:
        return [_notice(event, inputs) for event in events]
    together = late[:_MOST_TOGETHER]
    severity = most_urgent(severity_of_notice(event.kind) for event in together)
    message = PlannedMessage(
        key=f"{SINK} together events {together[0].id}-{together[-1].id}",
        kind=DeliveryKind.TOGETHER,
        message=partial(notices_message, together, inputs.late(together[0].at) or ""),
        channel=inputs.slack.channel_of(severity),
        receipt=Receipt(events=tuple(event.id for event in together)),
    )
    return [message, *(_notice(event, inputs) for event in events if event not in late)]


def _notice(event: PendingEvent, inputs: PlanningInput) -> PlannedMessage:
    late = inputs.late(event.at)
    return PlannedMessage(
        key=f"{SINK} event {event.id}",
        kind=DeliveryKind.EVENT,
        message=partial(notice_message, event.kind, event.subject, event.text, at=event.at, late=late),
        channel=inputs.slack.channel_of(severity_of_notice(event.kind)),
        event_id=event.id,
        receipt=Receipt(events=(event.id,)),
    )


def calm_marks(groups: Iterable[IncidentGroup]) -> list[PlannedMessage]:
    """Remember which are no longer critical, once after each call: the next call is no reminder."""
    return [
        replace(group.draft(DeliveryKind.CALM, f"calm {group.calls}"), action=Action.MARK)
        for group in groups
        if group.calls and not group.is_critical and not group.was_calm
    ]


def _call(group: IncidentGroup) -> PlannedMessage:
    """Calls a person when an incident has become critical, and again while it stays so and nobody acknowledges it."""
    inputs, number = group.inputs, group.calls + 1
    channel = inputs.slack.channel_of(Severity.CRITICAL)
    place = inputs.delivered(place_key(SINK, channel))
    names = {channel, place.channel if place else channel}
    home = next((home for home in reversed([*group.homes()]) if home[1] in names), None)
    if home is None:
        # Whoever is on call reads another channel: the headline is posted there too, and edited there as well.
        return replace(
            group.draft(DeliveryKind.COPY, _COPY),
            message=partial(headline_message, group),
            channel=channel,
            receipt=Receipt(call=number),
            shows=group.shows,
        )
    again = number > 1 and not group.was_calm
    others = [incident for incident in group.incidents if incident is not group.primary]
    return replace(
        group.draft(DeliveryKind.CALL, f"call {number}"),
        message=partial(call_message, group.primary, others, now=inputs.now, mention=group.people(), again=again),
        channel=home[1],
        ts=home[2],
        broadcast=True,
        receipt=Receipt(call=number),
    )


def _end_of_call(group: IncidentGroup) -> Iterator[PlannedMessage]:
    """That it is over, where people were called by a copy of the headline: its edit notifies nobody."""
    if group.is_open or not group.is_behind:
        return
    for key, channel, ts in group.homes():
        end = f"{key} end {group.reopenings}"
        if key.endswith(f" {_COPY}") and not group.inputs.delivered(end):
            yield replace(
                group.draft(DeliveryKind.ENDED),
                key=end,
                message=partial(end_message, group.incidents),
                channel=channel,
                ts=ts,
                broadcast=True,
            )


def _to_owners(group: IncidentGroup) -> Iterator[PlannedMessage]:
    """The headline once more in the channels of the owners of what is open."""
    for channel in group.owner_channels():
        if not group.inputs.delivered(key := group.owner_key(channel)):
            yield replace(
                group.draft(DeliveryKind.COPY),
                key=key,
                message=partial(headline_message, group, key=key),
                channel=channel,
                shows=group.shows,
            )


def _edits(group: IncidentGroup) -> Iterator[PlannedMessage]:
    """Edits of the headline wherever it stands; once it shows all, the members without an untold line are told."""
    if not group.is_behind:
        return
    complete = (m for m in group.members if m.revision < m.incident.revision and not new_lines(m))
    receipt = Receipt(incidents=tuple((m.incident.id, m.incident.revision, m.line) for m in complete))
    draft = group.draft(DeliveryKind.HEADLINE)
    stale = [home for home in group.homes() if group.inputs.shown.get(home[2]) != group.shows]
    for number, (key, channel, ts) in enumerate(stale, 1):
        yield replace(
            draft,
            key=f"{key} edit",
            action=Action.EDIT,
            message=partial(headline_message, group, key=key),
            channel=channel,
            ts=ts,
            receipt=receipt if number == len(stale) else NOTHING_TOLD,
            shows=group.shows,
        )
    if not stale and receipt.incidents:
        yield replace(draft, action=Action.KEEP, receipt=receipt)


def _held(
    groups: Iterable[IncidentGroup], inputs: PlanningInput, due: Sequence[PlannedMessage], *, sending: int
) -> Iterator[PlannedMessage]:
    """One message that lists what is held back, edited as that changes; of what is due `sending` are sent now."""
    if inputs.is_quiet:
        return
    waiting = due[sending:]
    incident_ids = {incident_id for planned in waiting for incident_id, _, _ in planned.receipt.incidents}
    event_ids = {event_id for planned in waiting for event_id in planned.receipt.events}
    incidents = [(group.primary, "") for group in groups if group.primary.id in incident_ids]
    copies = [planned for planned in waiting if planned.kind is DeliveryKind.COPY]
    incidents += [(group.primary, copy.channel) for copy in copies for group in groups if group.lead.id == copy.group]
    notices = [event for event in inputs.snapshot.events if event.id in event_ids]
    held = PlannedMessage(
        key=f"{SINK} held {inputs.now:%Y-%m-%d %H:%M}",
        kind=DeliveryKind.HELD,
        message=partial(held_message, incidents, notices, inputs.slack.most_per_hour, inputs.more_at(sending)),
        channel=inputs.slack.channel_of(Severity.WARNING),
        shows=str(len(incidents) + len(notices)) if waiting else "nothing",
    )
    lists = [one for one in inputs.snapshot.deliveries.values() if one.kind is DeliveryKind.HELD and one.done_at]
    newest = max(lists, key=lambda one: one.begun_at, default=None)
    if newest and newest.channel and newest.ts and inputs.now - newest.begun_at < _HELD_FOR:
        if inputs.shown.get(newest.ts) != held.shows:
            key = f"{newest.key} edit"
            yield replace(held, key=key, action=Action.EDIT, channel=newest.channel, ts=newest.ts)
    elif waiting:
        yield held
