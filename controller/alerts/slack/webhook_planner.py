"""Which messages an incoming webhook sends to Slack: no edits, no threads, each incident by itself (pure)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from controller.alerts.delivery import Action, DeliveryKind, PlannedMessage, Receipt
from controller.alerts.slack.escalation import call_key, headline_key, last_call, needs_call, plan_calm_mark
from controller.alerts.slack.incident_groups import IncidentGroup
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.other_messages import call_message
from controller.alerts.slack.planner import plan_notices
from controller.alerts.slack.planning_input import SINK, PlanningInput
from monitor.settings import Severity


def plan_webhook_messages(given: PlanningInput) -> list[PlannedMessage]:
    """The messages that may go out now: each incident when it opens and when it is over, reminders, notices.

    What changes between the opening and the end is told by neither; the page and the log have it. What cannot wait goes
    first; the rest waits for the end of quiet hours and for room.
    """
    alone = [IncidentGroup(members=(one,)) for one in given.snapshot.incidents]
    urgent = [one for group in alone if group.severity is Severity.CRITICAL for one in _urgent(group, given)]
    others = [one for group in alone if group.severity is not Severity.CRITICAL for one in _phase(group, given)]
    free = [one for one in others if one.action is not Action.POST]
    free += [one for group in alone for one in plan_calm_mark(group, given)]
    waiting = [*(one for one in others if one.action is Action.POST), *plan_notices(given)]
    return [*urgent, *free, *waiting[: given.room]]


def _urgent(group: IncidentGroup, given: PlanningInput) -> Iterator[PlannedMessage]:
    yield from _phase(group, given)
    incident, last = group.first, last_call(group, given)
    if given.delivered(_phase_key(group)) is None or not needs_call(group, given):
        return
    yield PlannedMessage(
        key=call_key(group, last + 1),
        kind=DeliveryKind.CALL,
        message=partial(call_message, incident, now=given.now, mention=given.slack.mention, again=last > 0),
        incident_id=incident.id,
        group=incident.id,
        receipt=Receipt(call=last + 1),
    )


def _phase(group: IncidentGroup, given: PlanningInput) -> Iterator[PlannedMessage]:
    """The message of the opening or of the end, unless it was sent; then there is nothing more to tell."""
    incident = group.first
    kind = DeliveryKind.OPENED if group.is_open else DeliveryKind.RESOLVED
    if given.delivered(_phase_key(group)) is not None:
        if group.is_behind:
            yield PlannedMessage(key=headline_key(group), kind=kind, action=Action.KEEP, receipt=group.receipt)
        return
    if not group.is_open and not group.is_behind:
        return
    late = given.late(group.new_since) if group.new_since else None
    call = last_call(group, given) + 1 if group.severity is Severity.CRITICAL else None
    mention = given.slack.mention
    yield PlannedMessage(
        key=_phase_key(group),
        kind=kind,
        message=partial(incident_headline, incident, now=given.now, mention=mention, late=late, is_edited=False),
        group=incident.id,
        incident_id=incident.id,
        receipt=replace(group.receipt, call=call),
    )


def _phase_key(group: IncidentGroup) -> str:
    """An incident opens once, and once more each time that it comes back."""
    phase = "opened" if group.is_open else "resolved"
    return f"{SINK} incident {group.first.id} {phase} {group.first.reopened + 1}"
