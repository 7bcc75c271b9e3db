"""Incidents as rows: how the journal keeps one, and reads it back."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, RowMapping, insert, select, update

from controller.incidents.incident import Incident, IncidentKind
from controller.incidents.incident_json import dump, kind_named, load
from controller.incidents.timeline_rules import joined, numbered, remarks
from controller.incidents.tracker import lead_of
from monitor.storage.columns import from_ms, maybe_from_ms, maybe_to_ms, storable, to_ms
from monitor.storage.database import DatabaseError
from monitor.storage.tables import INCIDENTS

_LINKED = (IncidentKind.OUTAGE.value, IncidentKind.DEGRADATION.value)


def keep(connection: Connection, incidents: Sequence[Incident]) -> list[Incident]:
    """Add those with id 0, replace the others; returns them in the same order as they are now stored.

    Nothing that people said meanwhile is lost: their lines and who looks after it are the stored incident's. New lines
    are numbered, new incidents are given their lead, and a revision is always higher than the stored one.
    """
    kept = {id(one): _changed(connection, one) for one in incidents if one.id}
    for one in sorted((one for one in incidents if not one.id), key=lambda one: one.opened_at):
        kept[id(one)] = _added(connection, one)
    return [kept[id(one)] for one in incidents]


def _added(connection: Connection, incident: Incident) -> Incident:
    lead_id = incident.lead_id or lead_of(incident, _open(connection))
    new = replace(incident, lead_id=lead_id, timeline=numbered(incident.timeline))
    values = {**_row(new), "told_revision": 0, "lead_id": lead_id, "acknowledged_by": new.acknowledged_by}
    return replace(new, id=connection.execute(insert(INCIDENTS).values(values).returning(INCIDENTS.c.id)).scalar_one())


def _changed(connection: Connection, incident: Incident) -> Incident:
    row = connection.execute(select(INCIDENTS).where(INCIDENTS.c.id == incident.id)).mappings().first()
    if row is None:
        raise DatabaseError(f"incident {incident.id} is not in the journal: was the database replaced while running?")
    stored = incident_of(row)
    again = stored.resolved_at is not None and incident.resolved_at is None
    kept = replace(
        incident,
        timeline=numbered(joined(incident.timeline, remarks(stored.timeline))),
        revision=max(incident.revision, stored.revision + 1),
        lead_id=stored.lead_id,
        acknowledged_by=None if again else stored.acknowledged_by,
    )
    rewrite(connection, kept)
    return kept


def rewrite(connection: Connection, incident: Incident) -> None:
    """Replace the stored incident by this one, which was read in the same transaction."""
    values = {**_row(incident), "acknowledged_by": incident.acknowledged_by}
    connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident.id).values(values))


def incident_of(row: RowMapping) -> Incident:
    """The incident of a row of the table, as far as this version can read it."""
    document = load(row["document"])
    return Incident(
        id=row["id"],
        provider=row["provider"],
        kind=kind_named(row["kind"]),
        opened_at=from_ms(row["opened_ms"]),
        resolved_at=maybe_from_ms(row["resolved_ms"]),
        affected=document.affected,
        timeline=document.timeline,
        routes=document.routes,
        vendor=document.vendor,
        revision=row["revision"],
        reopened=row["reopened"],
        lead_id=row["lead_id"],
        acknowledged_by=row["acknowledged_by"],
        numbers=document.numbers,
        request_ids=document.request_ids,
        on_failing_s=document.on_failing_s,
    )


def _open(connection: Connection) -> Iterable[Incident]:
    wanted = select(INCIDENTS).where(INCIDENTS.c.resolved_ms.is_(None), INCIDENTS.c.kind.in_(_LINKED))
    return [incident_of(row) for row in connection.execute(wanted).mappings()]


def _row(incident: Incident) -> dict[str, object]:
    return {
        "provider": storable(incident.provider),
        "kind": incident.kind.value,
        "opened_ms": to_ms(incident.opened_at),
        "resolved_ms": maybe_to_ms(incident.resolved_at),
        "document": dump(incident),
        "revision": incident.revision,
        "reopened": incident.reopened,
    }
