"""What the planned messages to Slack depend on: what was told, and which incidents stand under one headline (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.alerts.delivery import (
    Delivery,
    DeliveryKind,
    DeliverySnapshot,
    IncidentDelivery,
    PlannedMessage,
    Receipt,
)
from controller.alerts.owners import NO_OWNERS, Owners
from controller.alerts.quiet_hours import quiet_until
from controller.alerts.severity import most_urgent, severity_of
from controller.incidents.incident import FLAPPING, EntryKind, Incident
from monitor.config.alert_settings import Severity, SlackSettings
from monitor.config.route import Route

SINK: Final = "slack"
#: What waited for longer than this is told late, and says so.
_LATE: Final = timedelta(minutes=5)
_CALLS_APART: Final = timedelta(minutes=5)
#: Of the headlines that stand once more, so many of the newest are kept up to date.
_MOST_REOPENED: Final = 2
#: What flaps on is told anew after so long.
_FLAPPING_AGAIN: Final = timedelta(hours=1)
#: The part of a delivery's key that says that it told of flapping.
FLAPPING_PART: Final = "flapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningInput:
    """Everything that decides which messages are due."""

    snapshot: DeliverySnapshot
    slack: SlackSettings
    now: datetime
    shown: Mapping[str, str]
    """What the messages show that this process has posted or edited, by their ts."""
    owners: Owners = NO_OWNERS
    routes: Sequence[Route] | None = None
    """The configured routes, where headlines get buttons; None: nobody hears a press, and they get none."""

    @property
    def is_quiet(self) -> bool:
        """Whether only what is critical is told now."""
        return quiet_until(self.slack.quiet_hours, self.now) is not None

    @property
    def room(self) -> int:
        """How many more messages there may be in this hour, what is critical aside."""
        return 0 if self.is_quiet else max(0, self.slack.most_per_hour - len(self.snapshot.sent_at))

    def more_at(self, sending: int) -> datetime | None:
        """When the bound allows one more message after those that are sent now; None where it does at once."""
        sent_at = [*self.snapshot.sent_at, *[self.now] * sending]
        over = len(sent_at) - self.slack.most_per_hour
        return sent_at[over] + timedelta(hours=1) if over >= 0 else None

    def delivered(self, key: str) -> Delivery | None:
        """The delivery of this key, if it is done."""
        delivery = self.snapshot.deliveries.get(key)
        return delivery if delivery and delivery.done_at else None

    def late(self, since: datetime) -> str | None:
        """Why something of that time is told only now, as a phrase; None where it is told in time."""
        if self.now - since < _LATE:
            return None
        outage = self.snapshot.outage
        if outage and (outage.over_at is None or outage.over_at > since):
            return "while Slack was unreachable"
        if quiet_until(self.slack.quiet_hours, since):
            return "during quiet hours"
        held = any(delivery.kind is DeliveryKind.HELD for delivery in self.snapshot.deliveries.values())
        return "while messages were held back" if held else "while alerts could not be delivered"

    def groups(self) -> list["IncidentGroup"]:
        """The incidents by the headline that they are told under, in the order in which their leads were opened."""
        groups: dict[int, list[IncidentDelivery]] = {}
        for member in sorted(self.snapshot.incidents, key=lambda m: (m.incident.opened_at, m.incident.id)):
            groups.setdefault(member.incident.lead_id or member.incident.id, []).append(member)
        return [
            IncidentGroup(self, tuple(sorted(members, key=lambda m: (m.incident.id != lead, m.incident.id))))
            for lead, members in groups.items()
        ]


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """An incident and those that have it for their lead, what people know of them, and who was called."""

    inputs: PlanningInput
    members: tuple[IncidentDelivery, ...]
    """The one under whose headline all are told first, then in the order of their ids."""

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """All of them."""
        return tuple(member.incident for member in self.members)

    @property
    def lead(self) -> Incident:
        """The one under whose headline all are told."""
        return self.members[0].incident

    @property
    def is_open(self) -> bool:
        """Whether one of them is."""
        return any(incident.resolved_at is None for incident in self.incidents)

    @property
    def is_behind(self) -> bool:
        """Whether people have not been told of everything."""
        return any(member.revision < member.incident.revision for member in self.members)

    @property
    def late(self) -> str | None:
        """Why those of which people know nothing are told only now; None where there is none, or it is in time."""
        new = [member.incident.opened_at for member in self.members if member.revision == member.line == 0]
        return self.inputs.late(min(new)) if new else None

    @property
    def is_critical(self) -> bool:
        """Whether a person must act now on one of them."""
        return self.severity is Severity.CRITICAL

    @property
    def severity(self) -> Severity:
        """The worst of theirs."""
        return most_urgent(severity_of(incident) for incident in self.incidents)

    @property
    def primary(self) -> Incident:
        """The one that the headline is about: what is critical, else the lead while it is open, else what is open."""
        still_open = [incident for incident in self.incidents if incident.resolved_at is None]
        return next(iter([*self._critical(), *still_open, self.lead]))

    @property
    def shows(self) -> str:
        """What a headline of it shows, in short."""
        return " ".join(f"{incident.id}@{incident.revision}" for incident in self.incidents)

    @property
    def receipt(self) -> Receipt:
        """What people know once its headline has been posted: everything that the headline is about.

        What happened to the others is yet to be told below it, unless all is over.
        """
        covered = (incident for incident in self.incidents if incident is self.primary or not self.is_open)
        return Receipt(
            incidents=tuple(
                (incident.id, incident.revision, max((line.number for line in incident.timeline), default=0))
                for incident in covered
            )
        )

    def key(self, part: str = "") -> str:
        """The key of the delivery of its headline, or of another message about it."""
        return f"{SINK} incident {self.lead.id} {part}".strip()

    def draft(self, kind: DeliveryKind, part: str = "") -> PlannedMessage:
        """A message about it that is yet to be written."""
        return PlannedMessage(key=self.key(part), kind=kind, incident_id=self.lead.id, group=self.lead.id)

    def owner_key(self, channel: str) -> str:
        """The key of the headline in the channel of an owner, who is told anew of what comes back or gets critical."""
        return self.key(f"owner {channel} {self.reopenings}" + (" critical" if self.is_critical else ""))

    def owner_channels(self) -> tuple[str, ...]:
        """The channels of the owners of what is open, besides the usual ones."""
        still_open = [incident for incident in self.incidents if incident.resolved_at is None]
        channels = [owner.channel for owner in self.inputs.owners.of(still_open)]
        return tuple(dict.fromkeys(channel for channel in channels if channel and self._is_elsewhere(channel)))

    def people(self, key: str = "") -> tuple[str, ...]:
        """Whom the message of this key calls where a person must act: in an owner's channel the owner's people."""
        owners, here = self.inputs.owners.of(self.incidents), [*self.inputs.slack.mention]
        for owner in owners:
            if not self._is_elsewhere(owner.channel):
                here += owner.mention
            elif key.startswith(self.key(f"owner {owner.channel} ")):
                return owner.mention
        return tuple(dict.fromkeys(here))

    def _is_elsewhere(self, channel: str | None) -> bool:
        return channel is not None and channel not in {self.inputs.slack.channel_of(each) for each in Severity}

    def homes(self) -> Iterator[tuple[str, str, str]]:
        """Where the headline stands: the key of its delivery, Slack's id of the channel, and of the message."""
        places: list[tuple[str, IncidentDelivery | Delivery]] = [(self.key(), self.members[0])]
        places += [(one.key, one) for one in self._delivered(DeliveryKind.COPY)]
        places += [(one.key, one) for one in self._delivered(DeliveryKind.REOPENED)[-_MOST_REOPENED:]]
        for key, place in places:
            if place.channel and place.ts:
                yield key, place.channel, place.ts

    @property
    def thread(self) -> tuple[str, str]:
        """Where it goes on: Slack's id of the channel, and of the newest message that is not a copy."""
        copies = {one.key for one in self._delivered(DeliveryKind.COPY)}
        *_, (_, channel, ts) = (home for home in self.homes() if home[0] not in copies)
        return channel, ts

    @property
    def come_back(self) -> tuple[tuple[int, int, int], ...]:
        """Of those that were opened again, as far as people have not been told: id, 0, and the line that says so."""
        return tuple(
            (member.incident.id, 0, line.number)
            for member in self.members
            if member.incident.resolved_at is None
            for line in member.incident.timeline
            if line.kind is EntryKind.REOPENED and line.number > member.line
        )

    @property
    def is_flapping(self) -> bool:
        """Whether all that is news, or calls for a person, comes back again and again: told again, it says little.

        Another provider's trouble is news however often its neighbour flaps.
        """
        back = {incident_id for incident_id, _, _ in self.come_back}
        news = [incident for incident in self.incidents if incident.id in back] or self._critical() or self.incidents
        return all(incident.outages_lately >= FLAPPING for incident in news)

    @property
    def reopenings(self) -> int:
        """How often any of them was opened again."""
        return sum(incident.reopened for incident in self.incidents)

    def told_of_flapping(self) -> bool:
        """Whether people have heard within the hour that what is flapping does so."""
        if not self.is_flapping:
            return False
        since, told = self.inputs.now - _FLAPPING_AGAIN, self._delivered(DeliveryKind.REOPENED, DeliveryKind.OPENED)
        return any(
            one.begun_at > since and (one.kind is DeliveryKind.OPENED or FLAPPING_PART in one.key) for one in told
        )

    def _delivered(self, *kinds: DeliveryKind) -> list[Delivery]:
        """Those of its deliveries that are done, oldest first."""
        deliveries = self.inputs.snapshot.deliveries.values()
        own = (one for one in deliveries if one.incident_id == self.lead.id and one.done_at and one.kind in kinds)
        return sorted(own, key=lambda one: one.begun_at)

    @property
    def last_call(self) -> Delivery | None:
        """The last message that called a person to it; None: there was none."""
        calls = (one for one in self._delivered(*DeliveryKind) if one.call)
        return max(calls, key=lambda call: call.call or 0, default=None)

    @property
    def calls(self) -> int:
        """How often a person was called to it."""
        return (last.call or 0) if (last := self.last_call) else 0

    @property
    def was_calm(self) -> bool:
        """Whether it was no longer critical at some time after the last call: the next one is no reminder."""
        return self.inputs.delivered(self.key(f"calm {self.calls}")) is not None

    @property
    def needs_call(self) -> bool:
        """Whether it is time to call for the first time, or again."""
        last, remind_s = self.last_call, self.inputs.slack.remind_s
        if last is None or not self.is_critical:
            return self.is_critical
        since = self.inputs.now - last.begun_at
        may_remind = bool(remind_s) and not all(incident.acknowledged_by for incident in self._critical())
        if since < -_CALLS_APART:
            # The clock was set back: a call of the future holds nobody.
            return may_remind
        if self._has_further_held_route(last) or (self.was_calm and not self.is_flapping):
            return since >= _CALLS_APART
        return may_remind and since >= timedelta(seconds=remind_s)

    def is_called(self, incident: Incident) -> bool:
        """Whether a call tells, or told, of this incident: its opening need not stand in the channel beside it."""
        called = self.last_call is not None and self.last_call.begun_at >= incident.opened_at
        return severity_of(incident) is Severity.CRITICAL and (called or self.needs_call)

    @property
    def may_mention(self) -> bool:
        """Whether a message about it may call a person: while it flaps, not before it is time for a reminder."""
        last, remind_s = self.last_call, self.inputs.slack.remind_s
        if last is None or not self.is_flapping:
            return True
        return bool(remind_s) and not timedelta(0) <= self.inputs.now - last.begun_at < timedelta(seconds=remind_s)

    def _has_further_held_route(self, call: Delivery) -> bool:
        """Whether a route that had a candidate when a person was called last has none now, and nobody sees to it."""
        critical = [incident for incident in self._critical() if not incident.acknowledged_by]
        stuck = {route.route for incident in critical for route in incident.routes if route.stuck}
        held = [line for incident in critical for line in incident.timeline if line.kind is EntryKind.HELD]
        return any(
            not any(f"Route {route} " in line.text for line in held if line.at <= call.begun_at)
            and any(f"Route {route} " in line.text for line in held)
            for route in stuck
        )

    def _critical(self) -> list[Incident]:
        return [incident for incident in self.incidents if severity_of(incident) is Severity.CRITICAL]
