"""Incidents that are told under one headline, and what people have been told of them (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.alerts.delivery import IncidentDelivery, Receipt
from controller.alerts.severity import most_urgent, severity_of
from controller.incidents.incident import Incident
from monitor.settings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentGroup:
    """An incident and those that have it for their lead."""

    members: tuple[IncidentDelivery, ...]
    """The lead first, then in the order of their ids."""

    @property
    def lead(self) -> IncidentDelivery:
        """The one under whose headline all are told."""
        return self.members[0]

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """All of them."""
        return tuple(member.incident for member in self.members)

    @property
    def is_open(self) -> bool:
        """Whether one of them is."""
        return any(incident.resolved_at is None for incident in self.incidents)

    @property
    def over_since(self) -> datetime | None:
        """When the last of them was resolved; None while one is open."""
        ends = (incident.resolved_at or incident.opened_at for incident in self.incidents)
        return None if self.is_open else max(ends)

    @property
    def is_posted(self) -> bool:
        """Whether a headline of it stands in Slack."""
        return self.lead.ts is not None

    @property
    def is_behind(self) -> bool:
        """Whether people have not been told of everything."""
        return any(member.revision < member.incident.revision for member in self.members)

    @property
    def new_since(self) -> datetime | None:
        """When the first of those was opened of which people were told nothing; None where there is none."""
        new = (member.incident.opened_at for member in self.members if member.revision == member.line == 0)
        return min(new, default=None)

    @property
    def first(self) -> Incident:
        """The lead's incident."""
        return self.lead.incident

    @property
    def severity(self) -> Severity:
        """The worst of theirs."""
        return most_urgent(severity_of(incident) for incident in self.incidents)

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody has acknowledged every critical one."""
        return all(incident.acknowledged_by for incident in self._critical())

    @property
    def primary(self) -> Incident:
        """The one that the headline is about: what is critical, else the lead while it is open, else what is open."""
        still_open = [incident for incident in self.incidents if incident.resolved_at is None]
        return next(iter([*self._critical(), *still_open, self.first]))

    @property
    def others(self) -> tuple[Incident, ...]:
        """The rest."""
        return tuple(incident for incident in self.incidents if incident is not self.primary)

    @property
    def shows(self) -> str:
        """What a headline of it shows, in short."""
        return " ".join(f"{incident.id}@{incident.revision}" for incident in self.incidents)

    @property
    def receipt(self) -> Receipt:
        """What people know once its headline has been posted: everything that the headline is about.

        What happened to the others is yet to be told below it, unless all is over.
        """
        told = (incident for incident in self.incidents if incident is self.primary or not self.is_open)
        return Receipt(
            incidents=tuple(
                (incident.id, incident.revision, max((line.number for line in incident.timeline), default=0))
                for incident in told
            )
        )

    def _critical(self) -> list[Incident]:
        return [incident for incident in self.incidents if severity_of(incident) is Severity.CRITICAL]


def groups_of(incidents: Iterable[IncidentDelivery]) -> list[IncidentGroup]:
    """The groups, in the order in which their leads were opened."""
    groups: dict[int, list[IncidentDelivery]] = {}
    for one in sorted(incidents, key=lambda one: (one.incident.opened_at, one.incident.id)):
        groups.setdefault(one.incident.lead_id or one.incident.id, []).append(one)
    return [
        IncidentGroup(members=tuple(sorted(members, key=lambda one: (one.incident.id != lead, one.incident.id))))
        for lead, members in groups.items()
    ]
