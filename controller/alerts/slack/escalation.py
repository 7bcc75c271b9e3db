"""Calls for a person: when an incident becomes critical, and reminders until somebody looks after it (pure)."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from controller.alerts.delivery import Delivery, channel_key
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.buttons.buttons import add_buttons, choose_buttons
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.message_values import SINK, Action, MessageInput, PlannedMessage
from controller.alerts.slack.other_messages import call_message
from controller.alerts.slack.threads import IncidentGroup
from controller.alerts.told import Receipt
from monitor.settings import Severity

_CALLS_APART: Final = timedelta(minutes=5)


def calls(group: IncidentGroup, desk: MessageInput) -> Iterator[PlannedMessage]:
    """Calls a person when an incident becomes critical, and again while it stays so and nobody looks after it."""
    if needs_call(group, desk):
        yield _call(group, desk)
    yield from calmed(group, desk)


def calmed(group: IncidentGroup, desk: MessageInput) -> Iterator[PlannedMessage]:
    """Remembers that it is no longer critical, once after each call."""
    if group.severity is not Severity.CRITICAL and last_call(group, desk) and not _is_calm(group, desk):
        yield PlannedMessage(
            key=_calm_key(group, desk), act=Action.MARK, incident_id=group.first.id, group=group.first.id
        )


def needs_call(group: IncidentGroup, desk: MessageInput) -> bool:
    """Whether it is time to call for the first time, or again."""
    last = last_call(group, desk)
    row = desk.row(call_key(group, last)) if last else None
    if group.severity is not Severity.CRITICAL or row is None:
        return group.severity is Severity.CRITICAL
    return _is_time(row, desk, fresh=_is_calm(group, desk), looked_after=group.is_looked_after)


def _calm_key(group: IncidentGroup, desk: MessageInput) -> str:
    """That it was no longer critical after the last call: the next one is no reminder."""
    return f"{SINK} incident {group.first.id} calm {last_call(group, desk)}"


def _is_calm(group: IncidentGroup, desk: MessageInput) -> bool:
    return desk.row(_calm_key(group, desk)) is not None


def _is_time(row: Delivery, desk: MessageInput, *, fresh: bool, looked_after: bool) -> bool:
    """Whether to call after this call; `fresh`: meanwhile it was not critical."""
    since = desk.now - row.begun_at
    if since < -_CALLS_APART:
        # The clock was set back: a call of the future holds nobody.
        return bool(desk.slack.remind_s) and not looked_after
    if fresh:
        return since >= _CALLS_APART
    remind = timedelta(seconds=desk.slack.remind_s)
    return bool(remind) and since >= remind and not looked_after


def _call(group: IncidentGroup, desk: MessageInput) -> PlannedMessage:
    lead, last = group.first, last_call(group, desk)
    key, again = call_key(group, last + 1), last > 0 and not _is_calm(group, desk)
    wanted = desk.slack.channel_of(Severity.CRITICAL)
    own = desk.row(channel_key(SINK, wanted))
    there = next((home for home in homes(group, desk) if home[1] in {wanted, own.channel if own else wanted}), None)
    if there is None:
        # Whoever is on call reads another channel: the headline is told there too, and kept true there.
        return PlannedMessage(
            key=f"{SINK} incident {lead.id} critical",
            act=Action.POST,
            message=partial(headline_message, group, desk),
            group=lead.id,
            channel=wanted,
            incident_id=lead.id,
            told=Receipt(also=(key,)),
            shows=group.shows,
        )
    message = partial(call_message, group.primary, now=desk.now, mention=desk.slack.mention, again=again)
    return PlannedMessage(
        key=key,
        act=Action.POST,
        message=message,
        channel=there[1],
        ts=there[2],
        broadcast=True,
        incident_id=lead.id,
        group=lead.id,
    )


def call_key(group: IncidentGroup, number: int) -> str:
    """The key of the delivery of a group's call of this number, from 1."""
    return f"{SINK} incident {group.lead.incident.id} call {number}"


def last_call(group: IncidentGroup, desk: MessageInput) -> int:
    """The number of the last call; 0 where there was none."""
    prefix = call_key(group, 0).removesuffix("0")
    return max((int(key.removeprefix(prefix)) for key in desk.book.rows if key.startswith(prefix)), default=0)


def homes(group: IncidentGroup, desk: MessageInput) -> Iterator[tuple[str, str, str]]:
    """Where the headline stands: the key of its delivery, Slack's name for the channel, and for the message."""
    lead = group.lead
    if lead.channel and lead.ts:
        yield f"{SINK} incident {lead.incident.id}", lead.channel, lead.ts
    copy = desk.row(f"{SINK} incident {lead.incident.id} critical")
    if copy and copy.channel and copy.ts:
        yield copy.key, copy.channel, copy.ts


def headline_message(group: IncidentGroup, desk: MessageInput, late: str | None = None) -> Message:
    """The headline of a group, as it is now."""
    message = incident_headline(group.primary, now=desk.now, others=group.others, mention=desk.slack.mention, late=late)
    if desk.routes is None:
        return message
    return add_buttons(message, choose_buttons(group.primary, desk.routes, group.others))
