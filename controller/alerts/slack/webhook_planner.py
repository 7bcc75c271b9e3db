"""Which messages an incoming webhook sends to Slack: no edits, no threads, each incident by itself (pure)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from controller.alerts.delivery import Action, DeliveryKind, PlannedMessage, Receipt
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.other_messages import call_message
from controller.alerts.slack.planner import plan_calm_mark, plan_notices
from controller.alerts.slack.planning_input import IncidentGroup, PlanningInput


def plan_webhook_messages(given: PlanningInput) -> list[PlannedMessage]:
    """The messages that may go out now: each incident when it opens and when it is over, reminders, notices.

    What changes between the opening and the end is told by neither; the page and the log have it. What cannot wait goes
    first; the rest waits for the end of quiet hours and for room.
    """
    alone = [IncidentGroup(given, (member,)) for member in given.snapshot.incidents]
    urgent = [planned for group in alone if group.is_critical for planned in (*_phase(group), *_reminder(group))]
    others = [planned for group in alone if not group.is_critical for planned in _phase(group)]
    free = [planned for planned in others if planned.action is not Action.POST]
    free += [mark for group in alone for mark in plan_calm_mark(group)]
    waiting = [*(planned for planned in others if planned.action is Action.POST), *plan_notices(given)]
    return [*urgent, *free, *waiting[: given.room]]


def _reminder(group: IncidentGroup) -> Iterator[PlannedMessage]:
    if group.given.delivered(group.key(_phase_name(group))) is None or not group.needs_call:
        return
    now, mention, calls = group.given.now, group.given.slack.mention, group.calls
    yield replace(
        group.draft(DeliveryKind.CALL, f"call {calls + 1}"),
        message=partial(call_message, group.lead, now=now, mention=mention, again=calls > 0),
        receipt=Receipt(call=calls + 1),
    )


def _phase(group: IncidentGroup) -> Iterator[PlannedMessage]:
    """The message of the opening or of the end, unless it was sent; then there is nothing more to tell."""
    given, name = group.given, _phase_name(group)
    kind = DeliveryKind.OPENED if group.is_open else DeliveryKind.RESOLVED
    if given.delivered(group.key(name)) is not None:
        if group.is_behind:
            yield replace(group.draft(kind), action=Action.KEEP, receipt=group.receipt)
    elif group.is_open or group.is_behind:
        mention, late = given.slack.mention, group.late
        yield replace(
            group.draft(kind, name),
            message=partial(incident_headline, group.lead, now=given.now, mention=mention, late=late, is_edited=False),
            receipt=replace(group.receipt, call=group.calls + 1 if group.is_critical else None),
        )


def _phase_name(group: IncidentGroup) -> str:
    """An incident opens once, and once more each time that it comes back."""
    phase = "opened" if group.is_open else "resolved"
    return f"{phase} {group.lead.reopened + 1}"
