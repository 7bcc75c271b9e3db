"""Stores incidents and what people say about them: one row each, its inner parts as a JSON document."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Annotated, Any, Final, cast

from pydantic import TypeAdapter, ValidationError, WrapValidator
from sqlalchemy import Engine, Row
from sqlmodel import Session, col, select

from controller.incidents.incident import (
    EntryKind,
    Incident,
    IncidentDocument,
    IncidentKind,
    TimelineEntry,
    readable_fields,
)
from controller.incidents.timeline import MAX_COMMENTS, comments_in, merge_entries, number_entries
from controller.incidents.tracker import lead_incident_id
from controller.routing.operator_requests import RefusalKind, RefusedError
from monitor.storage.column_conversions import RowMapper, storable
from monitor.storage.database import durable
from monitor.storage.tables import INCIDENTS, IncidentRow
from monitor.storage.upsert import count_on
from probes.redaction import one_line

LONGEST_NOTE: Final = 1_000
_LONGEST_AUTHOR: Final = 80
_WITH_LEAD = (IncidentKind.OUTAGE.value, IncidentKind.DEGRADATION.value, IncidentKind.CONFIGURATION.value)
_DOCUMENT_FIELDS = [field.name for field in fields(IncidentDocument)]
_COLUMNS: Final = RowMapper(Incident, "kind", *_DOCUMENT_FIELDS)
_DOCUMENT: Final = TypeAdapter[IncidentDocument](Annotated[IncidentDocument, WrapValidator(readable_fields)])


def dump(incident: Incident) -> str:
    """The document of an incident; instants in epoch milliseconds."""
    values = _DOCUMENT.dump_python(incident, mode="json", by_alias=True)
    values["numbers"] = values["numbers"] or None
    return storable(json.dumps(values, ensure_ascii=False, separators=(",", ":")))


def load(text: str) -> IncidentDocument:
    """What `dump` wrote, or what another version did: parts that are unknown or cannot be read are left out.

    Never raises: an incident with a gap can still be told and resolved.
    """
    try:
        return _DOCUMENT.validate_json(text)
    except ValidationError:
        return IncidentDocument()


def save(session: Session, incidents: Sequence[Incident]) -> list[Incident]:
    """Add those with id 0, replace the others; returns them in the same order as they are now stored.

    Nothing that people said meanwhile is lost: their lines and who looks after it are the stored incident's. New lines
    are numbered, new incidents are given their lead, and a revision is always higher than the stored one.
    """
    saved = {id(incident): _replace(session, incident) for incident in incidents if incident.id}
    new = sorted((incident for incident in incidents if not incident.id), key=lambda incident: incident.opened_at)
    for incident in new:
        saved[id(incident)] = _add(session, incident)
    return [saved[id(incident)] for incident in incidents]


def incident_of(row: IncidentRow | Row[Any]) -> Incident:
    """The incident of a row of the table, as far as this version can read it."""
    document = load(row.document)
    kind = next((kind for kind in IncidentKind if kind == row.kind), IncidentKind.OUTAGE)
    return _COLUMNS.value(row, kind=kind, **{name: getattr(document, name) for name in _DOCUMENT_FIELDS})


class CommentStore:
    """Adds what people say to incidents, on an engine of `open_writer` or `open_operator`.

    Each comment is one transaction that survives a power cut and raises the incident's revision, so that people who
    were told of it are told this too. The service, which rewrites incidents from its memory, keeps what was added
    here. Raises RefusedError, and `monitor.storage.database.DatabaseError` when it did not happen.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def note(self, incident_id: int, text: str, *, author: str, at: datetime) -> Incident:
        """Add a line to the timeline of an open or a resolved incident; the text becomes one line."""
        person = one_line(author, _LONGEST_AUTHOR)
        line = TimelineEntry(at=at, text=one_line(text, LONGEST_NOTE), kind=EntryKind.NOTE, author=person)
        with Session(self._engine) as session, session.begin():
            row = _row(session, incident_id)
            return _comment(row, incident_of(row), line)

    def acknowledge(self, incident_id: int, *, author: str, at: datetime) -> Incident:
        """Record who looks after an open incident; nothing changes when that person does already."""
        person = one_line(author, _LONGEST_AUTHOR)
        with Session(self._engine) as session, session.begin():
            row = _row(session, incident_id)
            incident = incident_of(row)
            if incident.resolved_at:
                resolved = f"incident {incident_id} is resolved and needs no acknowledgement"
                raise RefusedError(resolved, RefusalKind.NOTHING_TO_DO)
            if incident.acknowledged_by == person:
                return incident
            over = f", who takes over from {incident.acknowledged_by}" if incident.acknowledged_by else ""
            text = f"Acknowledged by {person}{over}"
            line = TimelineEntry(at=at, text=text, kind=EntryKind.ACKNOWLEDGED, author=person)
            return _comment(row, replace(incident, acknowledged_by=person), line)


def _row(session: Session, incident_id: int) -> IncidentRow:
    row = session.get(IncidentRow, incident_id)
    if row is None:
        raise RefusedError(f"there is no incident {incident_id}", RefusalKind.NOT_FOUND)
    return row


def _comment(row: IncidentRow, incident: Incident, line: TimelineEntry) -> Incident:
    if len(comments_in(incident.timeline)) >= MAX_COMMENTS:
        full = f"incident {incident.id} has {MAX_COMMENTS} comments, and takes no more"
        raise RefusedError(f"{full}: write the rest elsewhere", RefusalKind.UNSAFE)
    timeline = number_entries(merge_entries(incident.timeline, [line]))
    changed = replace(incident, timeline=timeline, revision=incident.revision + 1)
    row.sqlmodel_update(_columns(changed))
    return changed


def _add(session: Session, incident: Incident) -> Incident:
    query = select(IncidentRow).where(col(IncidentRow.resolved_ms).is_(None), col(IncidentRow.kind).in_(_WITH_LEAD))
    lead_id = incident.lead_id or lead_incident_id(incident, map(incident_of, session.exec(query)))
    new = replace(incident, lead_id=lead_id, timeline=number_entries(incident.timeline))
    row = IncidentRow(**_columns(new), told_revision=0, told_lines=0)
    session.add(row)
    session.flush()
    return replace(new, id=cast(int, row.id))  # the flush has given it one


def _replace(session: Session, incident: Incident) -> Incident:
    row = session.get(IncidentRow, incident.id)
    if row is None:  # another database than the one that it was first stored in
        new = replace(incident, timeline=number_entries(incident.timeline))
        session.add(IncidentRow(**_columns(new), told_revision=0, told_lines=0))
        session.flush()
        count_on(session.connection(), INCIDENTS)
        return new
    stored = incident_of(row)
    again = stored.resolved_at is not None and incident.resolved_at is None
    new = replace(
        incident,
        timeline=number_entries(merge_entries(incident.timeline, comments_in(stored.timeline))),
        revision=max(incident.revision, stored.revision + 1),
        lead_id=stored.lead_id,
        acknowledged_by=None if again else stored.acknowledged_by,
    )
    row.sqlmodel_update(_columns(new))
    return new


def _columns(incident: Incident) -> dict[str, Any]:
    columns = _COLUMNS.columns(incident)
    return {**columns, "id": incident.id or None, "kind": incident.kind.value, "document": dump(incident)}
