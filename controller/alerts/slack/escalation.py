"""Calls for a person: when an incident becomes critical, and reminders until somebody acknowledges it (pure)."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from controller.alerts.delivery import Action, DeliveryKind, PlannedMessage, Receipt, place_key
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.buttons.buttons import add_buttons, choose_buttons
from controller.alerts.slack.incident_groups import IncidentGroup
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.other_messages import call_message
from controller.alerts.slack.planning_input import SINK, PlanningInput
from monitor.settings import Severity

_CALLS_APART: Final = timedelta(minutes=5)


def plan_escalations(group: IncidentGroup, given: PlanningInput) -> Iterator[PlannedMessage]:
    """Call a person when an incident becomes critical, and again while it stays so and nobody acknowledges it."""
    if needs_call(group, given):
        yield _call(group, given)
    yield from plan_calm_mark(group, given)


def plan_calm_mark(group: IncidentGroup, given: PlanningInput) -> Iterator[PlannedMessage]:
    """Remember that it is no longer critical, once after each call: the next call is no reminder."""
    if group.severity is not Severity.CRITICAL and last_call(group, given) and not _is_calm(group, given):
        yield PlannedMessage(
            key=_calm_key(group, given),
            kind=DeliveryKind.CALM,
            action=Action.MARK,
            incident_id=group.first.id,
            group=group.first.id,
        )


def needs_call(group: IncidentGroup, given: PlanningInput) -> bool:
    """Whether it is time to call for the first time, or again."""
    last = given.last_call(group.first.id)
    if group.severity is not Severity.CRITICAL or last is None:
        return group.severity is Severity.CRITICAL
    since = given.now - last.begun_at
    may_remind = bool(given.slack.remind_s) and not group.is_acknowledged
    if since < -_CALLS_APART:
        # The clock was set back: a call of the future holds nobody.
        return may_remind
    if _is_calm(group, given):
        return since >= _CALLS_APART
    return may_remind and since >= timedelta(seconds=given.slack.remind_s)


def last_call(group: IncidentGroup, given: PlanningInput) -> int:
    """The number of the last call; 0 where there was none."""
    last = given.last_call(group.first.id)
    return last.call or 0 if last else 0


def call_key(group: IncidentGroup, number: int) -> str:
    """The key of the message that makes a group's call of this number, from 1, and nothing else."""
    return f"{SINK} incident {group.first.id} call {number}"


def _calm_key(group: IncidentGroup, given: PlanningInput) -> str:
    return f"{SINK} incident {group.first.id} calm {last_call(group, given)}"


def _is_calm(group: IncidentGroup, given: PlanningInput) -> bool:
    return given.delivered(_calm_key(group, given)) is not None


def _call(group: IncidentGroup, given: PlanningInput) -> PlannedMessage:
    lead, number = group.first, last_call(group, given) + 1
    receipt = Receipt(call=number)
    channel = given.slack.channel_of(Severity.CRITICAL)
    place = given.delivered(place_key(SINK, channel))
    names = {channel, place.channel if place else channel}
    home = next((home for home in homes(group, given) if home[1] in names), None)
    if home is None:
        # Whoever is on call reads another channel: the headline is posted there too, and edited there as well.
        return PlannedMessage(
            key=_copy_key(group),
            kind=DeliveryKind.COPY,
            message=partial(headline_message, group, given),
            group=lead.id,
            channel=channel,
            incident_id=lead.id,
            receipt=receipt,
            shows=group.shows,
        )
    again = number > 1 and not _is_calm(group, given)
    return PlannedMessage(
        key=call_key(group, number),
        kind=DeliveryKind.CALL,
        message=partial(call_message, group.primary, now=given.now, mention=given.slack.mention, again=again),
        channel=home[1],
        ts=home[2],
        broadcast=True,
        incident_id=lead.id,
        group=lead.id,
        receipt=receipt,
    )


def homes(group: IncidentGroup, given: PlanningInput) -> Iterator[tuple[str, str, str]]:
    """Where the headline stands: the key of its delivery, Slack's id of the channel, and of the message."""
    lead = group.lead
    if lead.channel and lead.ts:
        yield headline_key(group), lead.channel, lead.ts
    copy = given.delivered(_copy_key(group))
    if copy and copy.channel and copy.ts:
        yield copy.key, copy.channel, copy.ts


def headline_key(group: IncidentGroup) -> str:
    """The key of the delivery of a group's headline."""
    return f"{SINK} incident {group.first.id}"


def _copy_key(group: IncidentGroup) -> str:
    return f"{SINK} incident {group.first.id} critical"


def headline_message(group: IncidentGroup, given: PlanningInput, late: str | None = None) -> Message:
    """The headline of a group, as it is now."""
    message = incident_headline(
        group.primary, now=given.now, others=group.others, mention=given.slack.mention, late=late
    )
    if given.routes is None:
        return message
    return add_buttons(message, choose_buttons(group.primary, given.routes, group.others))
