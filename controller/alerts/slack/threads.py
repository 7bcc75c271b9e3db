"""Incidents that are told under one headline, and what people have been told of them (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.alerts.delivery import IncidentDelivery
from controller.alerts.severity import severity_of, worst
from controller.alerts.told import Receipt
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
        return tuple(one.incident for one in self.members)

    @property
    def is_open(self) -> bool:
        """Whether one of them is."""
        return any(one.resolved_at is None for one in self.incidents)

    @property
    def over_since(self) -> datetime | None:
        """When the last of them was resolved; None while one is open."""
        return None if self.is_open else max(one.resolved_at or one.opened_at for one in self.incidents)

    @property
    def stands(self) -> bool:
        """Whether a headline of it stands in Slack."""
        return self.lead.ts is not None

    @property
    def is_behind(self) -> bool:
        """Whether people have not been told of everything."""
        return any(one.revision < one.incident.revision for one in self.members)

    @property
    def unheard_since(self) -> datetime | None:
        """When the first of those was opened that people have never heard of; None where there is none."""
        unheard = (one.incident.opened_at for one in self.members if one.revision == one.line == 0)
        return min(unheard, default=None)

    @property
    def first(self) -> Incident:
        """The lead's incident."""
        return self.lead.incident

    @property
    def severity(self) -> Severity:
        """The worst of theirs."""
        return worst(severity_of(one) for one in self.incidents)

    @property
    def is_looked_after(self) -> bool:
        """Whether somebody has acknowledged every critical one."""
        critical = [one for one in self.incidents if severity_of(one) is Severity.CRITICAL]
        return all(one.acknowledged_by for one in critical)

    @property
    def primary(self) -> Incident:
        """The one that the headline is about: what is critical, else the lead while it is open, else what is open."""
        critical = [one for one in self.incidents if severity_of(one) is Severity.CRITICAL]
        still_open = [one for one in self.incidents if one.resolved_at is None]
        return next(iter([*critical, *still_open, self.first]))

    @property
    def others(self) -> tuple[Incident, ...]:
        """The rest."""
        return tuple(one for one in self.incidents if one is not self.primary)

    @property
    def shows(self) -> str:
        """What a headline of it shows, in short."""
        return " ".join(f"{one.id}@{one.revision}" for one in self.incidents)

    @property
    def all_told(self) -> Receipt:
        """What people know once its headline has been posted: everything that the headline is about.

        What happened to the others is yet to be told below it, unless all is over.
        """
        told = (one for one in self.incidents if one is self.primary or not self.is_open)
        return Receipt(
            incidents=tuple(
                (one.id, one.revision, max((line.number for line in one.timeline), default=0)) for one in told
            )
        )


def groups_of(known: Iterable[IncidentDelivery]) -> list[IncidentGroup]:
    """The groups, in the order in which their leads were opened."""
    found: dict[int, list[IncidentDelivery]] = {}
    for one in sorted(known, key=lambda one: (one.incident.opened_at, one.incident.id)):
        found.setdefault(one.incident.lead_id or one.incident.id, []).append(one)
    return [
        IncidentGroup(members=tuple(sorted(members, key=lambda one: (one.incident.id != lead, one.incident.id))))
        for lead, members in found.items()
    ]
