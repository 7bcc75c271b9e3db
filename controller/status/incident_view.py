"""Everything that is known of one incident, and the incidents of the last months, for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident
from controller.incidents.queries import read_facts
from controller.journal import Journal
from controller.status.probe_history import EvidenceTrail
from controller.status.queries import read_evidence_trails

_MOST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """One incident with its figures; texts in it may stem from a provider and must be escaped."""

    incident: Incident
    periods: Sequence[RoutePeriod]
    """Where its routes pointed while it lasted."""
    trails: Sequence[EvidenceTrail]
    """The evidence behind its verdicts."""


def read_incident(engine: Engine, incident_id: int, now: datetime) -> IncidentView | None:
    """The incident of this id; None when there is none. Raises DatabaseError."""
    incident = Journal(engine).incident(incident_id)
    if incident is None:
        return None
    with engine.connect() as connection:
        counted, periods = read_facts(connection, incident, now)
        trails = read_evidence_trails(connection, [incident])
    return IncidentView(incident=counted, periods=periods, trails=trails.get(incident_id, ()))


def read_incidents(engine: Engine) -> list[Incident]:
    """The latest incidents, open and resolved, the newest first; at most 500. Raises DatabaseError."""
    return Journal(engine).incidents(_MOST)


def read_incidents_since(engine: Engine, since: datetime | None) -> list[Incident]:
    """Those that are open, and those that were resolved since then, the newest first. Raises DatabaseError."""
    journal = Journal(engine)
    past = [] if since is None else journal.resolved_since(since)
    incidents = [*journal.open_incidents(), *past]
    return sorted(incidents, key=lambda incident: (incident.opened_at, incident.id), reverse=True)
