"""Which replies go into the threads of incidents: what happened since people were last told (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from controller.alerts.delivery import Action, DeliveryKind, IncidentDelivery, PlannedMessage, Receipt
from controller.alerts.slack.other_messages import reply_message
from controller.alerts.slack.planning_input import SINK, IncidentGroup, PlanningInput
from controller.incidents.incident import EntryKind, Incident, TimelineEntry

_MOST_LINES: Final = 40
#: What happened to an incident that has been over for so long is not told in its thread any more.
_STALE: Final = timedelta(hours=1)
#: What several incidents may have in their timelines: it is about a route, not about a provider.
_SHARED: Final = frozenset({EntryKind.MOVED, EntryKind.HELD, EntryKind.HAND})
#: A headline that is younger than this is still being read: its end is not called out in the channel.
_FRESH: Final = timedelta(minutes=5)


def timely_replies(groups: Iterable[IncidentGroup], inputs: PlanningInput) -> Iterator[PlannedMessage]:
    """The replies that may go out; those to what has been over for an hour are not worth waiting for: the headline,
    which is edited, has it all.
    """
    for group in groups:
        stale_at = group.inputs.now - _STALE
        is_stale = all(incident.resolved_at and incident.resolved_at < stale_at for incident in group.incidents)
        for reply in _replies(group):
            # People who were called are told at night too that it is over.
            ends_call = reply.broadcast and not group.is_open and group.calls > 0
            if group.is_critical or ends_call or not inputs.is_quiet:
                yield reply
            elif is_stale:
                yield replace(reply, action=Action.KEEP, message=None)


def new_lines(member: IncidentDelivery) -> list[TimelineEntry]:
    """The lines that are yet to be told, in the order in which they became known; at most 40."""
    new = (line for line in member.incident.timeline if line.number > member.line)
    return sorted(new, key=lambda line: line.number)[:_MOST_LINES]


def _replies(group: IncidentGroup) -> Iterator[PlannedMessage]:
    """What happened since, one reply for each incident that has something new."""
    channel, ts = group.thread
    for member in group.members:
        incident, lines = member.incident, new_lines(member)
        if not lines:
            continue
        own = [line for line in lines if not _is_told_by_another(line, member, group)]
        first, last = lines[0].number, lines[-1].number
        shown = group.inputs.shown.get(ts) == group.shows
        complete = shown and last == max(line.number for line in incident.timeline)
        yield PlannedMessage(
            key=f"{SINK} incident {incident.id} line {first}" + (f"-{last}" if last > first else ""),
            kind=DeliveryKind.REPLY,
            action=Action.POST if own else Action.KEEP,
            message=partial(reply_message, incident, own, named=len(group.members) > 1) if own else None,
            group=group.lead.id,
            channel=channel,
            ts=ts,
            broadcast=(member.line == 0 and not group.is_called(incident)) or _is_news(group, incident, lines),
            incident_id=incident.id,
            receipt=Receipt(incidents=((incident.id, incident.revision if complete else 0, last),)),
        )


def _is_told_by_another(line: TimelineEntry, member: IncidentDelivery, group: IncidentGroup) -> bool:
    """Whether an earlier incident of the same thread has the line as well: a route that both touch moves once."""
    if line.kind not in _SHARED:
        return False
    said = line.text.partition(": ")[0] if line.kind is EntryKind.MOVED else line.text
    earlier = group.members[: group.members.index(member)]
    lines = (other for before in earlier for other in before.incident.timeline if other.at == line.at)
    return any(other.kind is line.kind and other.text.startswith(said) for other in lines)


def _is_news(group: IncidentGroup, incident: Incident, lines: Sequence[TimelineEntry]) -> bool:
    """Whether more of an incident is worth the channel's attention: its first route has moved, or a call is over.

    Until a route moved, people had read that no route uses what fails; where one has nowhere to go, a call says so.
    """
    first_move = next((line for line in incident.timeline if line.kind is EntryKind.MOVED), None)
    if first_move in lines and group.is_open and not group.is_critical:
        return True
    posted = group.inputs.delivered(group.key())
    if posted and group.inputs.now - posted.begun_at < _FRESH:
        return False
    return EntryKind.RESOLVED in {line.kind for line in lines} and not group.is_open and group.calls > 0
