"""Which messages go to Slack by an incoming webhook, which can neither edit nor reply (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from controller.alerts.delivery import Action, DeliveryKind, PlannedMessage, Receipt, has_gathered
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.other_messages import call_message
from controller.alerts.slack.planner import calm_marks, plan_notices
from controller.alerts.slack.planning_input import IncidentGroup, PlanningInput
from controller.incidents.incident import FLAPPING


def plan_webhook_messages(inputs: PlanningInput) -> list[PlannedMessage]:
    """The messages that an incoming webhook may send now: when incidents open, those of one headline in one message,
    and when each is over.

    What changes in between is told by neither; the page and the log have it. What cannot wait goes first, reminders
    too; the rest, notices among it, waits for the end of quiet hours and for room.
    """
    urgent: list[PlannedMessage] = []
    free: list[PlannedMessage] = []
    waiting: list[Sequence[PlannedMessage]] = []
    alone = [IncidentGroup(inputs, (member,)) for member in inputs.snapshot.incidents]
    for is_critical, planned in chain.from_iterable(map(_of_headline, inputs.groups())):
        if is_critical:
            urgent += planned
        elif planned[0].action is Action.POST:
            waiting.append(planned)
        else:
            free += planned
    waiting += [[notice] for notice in plan_notices(inputs)]
    return [*urgent, *free, *calm_marks(alone), *chain.from_iterable(waiting[: inputs.room])]


def _of_headline(together: IncidentGroup) -> Iterator[tuple[bool, Sequence[PlannedMessage]]]:
    """What is due of its incidents: whether it is critical, and a message with the marks that go with it."""
    alone = [IncidentGroup(together.inputs, (member,)) for member in together.members]
    opened = sorted((group for group in alone if _is_to_open(group)), key=lambda group: not group.is_critical)
    if opened and (opened[0].is_critical or any(_has_waited(group) for group in opened)):
        yield opened[0].is_critical, _opening(opened)
    for group in alone:
        if group not in opened:
            for planned in _later(group):
                yield group.is_critical, [planned]


def _has_waited(group: IncidentGroup) -> bool:
    return has_gathered(group.lead.bad_periods[-1].opened_at, group.inputs.now)


def _phase(group: IncidentGroup) -> str:
    """An incident opens once, and once more each time that it comes back."""
    kind = DeliveryKind.OPENED if group.is_open else DeliveryKind.RESOLVED
    return f"{kind} {group.lead.reopened + 1}"


def _is_due(group: IncidentGroup) -> bool:
    """Whether the message of the opening or of the end is yet to be sent; while it flaps, once an hour."""
    opened = group.inputs.delivered(group.key(f"{DeliveryKind.OPENED} {group.lead.reopened + 1}"))
    is_first = group.lead.outages_lately <= FLAPPING or opened is not None
    may_be = is_first or (group.is_open and not group.told_of_flapping())
    return may_be and group.inputs.delivered(group.key(_phase(group))) is None


def _is_to_open(group: IncidentGroup) -> bool:
    return group.is_open and _is_due(group)


def _message(group: IncidentGroup, others: Sequence[IncidentGroup] = ()) -> PlannedMessage:
    """The opening or the end; `others` are told with it."""
    inputs = group.inputs
    headline = partial(
        incident_headline,
        group.lead,
        now=inputs.now,
        others=[other.lead for other in others],
        mention=inputs.slack.mention if group.may_mention else (),
        late=group.late,
        is_edited=False,
    )
    known = tuple(part for each in (group, *others) for part in each.receipt.incidents)
    call = group.calls + 1 if group.is_critical and group.may_mention else None
    kind = DeliveryKind.OPENED if group.is_open else DeliveryKind.RESOLVED
    return replace(group.draft(kind, _phase(group)), message=headline, receipt=Receipt(incidents=known, call=call))


def _opening(opened: Sequence[IncidentGroup]) -> list[PlannedMessage]:
    """One message for all of them, the first foremost, and marks that the others are open."""
    first, *others = opened
    planned = _message(first, others)
    marks = [replace(other.draft(DeliveryKind.OPENED, _phase(other)), action=Action.MARK) for other in others]
    return [planned, *(replace(mark, group=planned.group) for mark in marks)]


def _later(group: IncidentGroup) -> Iterator[PlannedMessage]:
    """The end; once it or the opening was sent, reminders, and the rest is known."""
    if _is_due(group):
        if group.is_behind:
            yield _message(group)
        return
    if group.is_behind:
        kind = DeliveryKind.OPENED if group.is_open else DeliveryKind.RESOLVED
        yield replace(group.draft(kind), action=Action.KEEP, receipt=group.receipt)
    if group.needs_call:
        inputs, again = group.inputs, group.calls > 0
        yield replace(
            group.draft(DeliveryKind.CALL, f"call {group.calls + 1}"),
            message=partial(call_message, group.lead, now=inputs.now, mention=inputs.slack.mention, again=again),
            receipt=Receipt(call=group.calls + 1),
        )
