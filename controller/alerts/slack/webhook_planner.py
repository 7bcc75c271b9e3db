"""Which messages are due where a webhook tells Slack: no edits, no threads, each incident by itself (pure)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from controller.alerts.slack.escalation import call_key, calmed, last_call, needs_call
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.message_values import SINK, Action, MessageInput, PlannedMessage
from controller.alerts.slack.other_messages import call_message
from controller.alerts.slack.planner import notices
from controller.alerts.slack.threads import IncidentGroup
from monitor.settings import Severity


def due_by_webhook(desk: MessageInput) -> list[PlannedMessage]:
    """The letters that may go out now: each incident when it opens and when it is over, reminders, notices.

    What changes between the opening and the end is told by neither; the page and the log have it. What cannot wait goes
    first; the rest waits for the end of quiet hours and for room.
    """
    alone = [IncidentGroup(members=(one,)) for one in desk.book.known]
    urgent = [letter for group in alone if group.severity is Severity.CRITICAL for letter in _urgent(group, desk)]
    others = [letter for group in alone if group.severity is not Severity.CRITICAL for letter in _phase(group, desk)]
    free = [letter for letter in others if letter.act is not Action.POST]
    free += [letter for group in alone for letter in calmed(group, desk)]
    waiting = [*(letter for letter in others if letter.act is Action.POST), *notices(desk)]
    return [*urgent, *free, *waiting[: desk.room]]


def _urgent(group: IncidentGroup, desk: MessageInput) -> Iterator[PlannedMessage]:
    yield from _phase(group, desk)
    incident, last = group.first, last_call(group, desk)
    if desk.row(_phase_key(group)) is None or not needs_call(group, desk):
        return
    message = partial(call_message, incident, now=desk.now, mention=desk.slack.mention, again=last > 0)
    yield PlannedMessage(
        key=call_key(group, last + 1), act=Action.POST, message=message, incident_id=incident.id, group=incident.id
    )


def _phase(group: IncidentGroup, desk: MessageInput) -> Iterator[PlannedMessage]:
    """The message of the opening or of the end, unless it was sent; then there is nothing more to tell."""
    incident = group.first
    if desk.row(_phase_key(group)) is not None:
        if group.is_behind:
            yield PlannedMessage(key=f"{SINK} incident {incident.id}", act=Action.KEEP, told=group.all_told)
        return
    if not group.is_open and not group.is_behind:
        return
    late = desk.late(group.unheard_since) if group.unheard_since else None
    critical = group.severity is Severity.CRITICAL
    yield PlannedMessage(
        key=_phase_key(group),
        act=Action.POST,
        message=partial(incident_headline, incident, now=desk.now, mention=desk.slack.mention, late=late, kept=False),
        group=incident.id,
        incident_id=incident.id,
        told=replace(group.all_told, also=(call_key(group, last_call(group, desk) + 1),) if critical else ()),
    )


def _phase_key(group: IncidentGroup) -> str:
    """An incident opens once, and once more each time that it comes back."""
    phase = "opened" if group.is_open else "resolved"
    return f"{SINK} incident {group.first.id} {phase} {group.first.reopened + 1}"
