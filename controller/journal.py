"""The journal: decisions and incidents in one transaction, durable before they are published."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, func
from sqlmodel import Session, col, select, update

from controller.incidents.incident import Incident, TimelineEntry
from controller.incidents.queries import read_facts, read_numbers_lately, read_onsets
from controller.incidents.store import CommentStore, incident_of, save
from controller.routing.decision import Decision
from controller.routing.store import OverrideStore, decision_from_row, decision_to_row
from monitor.health import TargetHealth
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import durable, reading
from monitor.storage.lease_fence import LeaseFence
from monitor.storage.tables import DecisionRow, EventRow, IncidentRow


class Journal:
    """What was decided, and the incidents, on an engine of `open_writer`, or of `open_reader` for what only reads.

    Not for several threads at once. Instants must be aware and are kept to the millisecond, rounded down. NUL and lone
    surrogates are kept as U+FFFD, a decision's reason is cut at 2,000 characters. Every method is one transaction that
    survives a power cut, and raises `monitor.storage.database.DatabaseError` when it did not happen: call it again.
    """

    def __init__(self, engine: Engine, fence: LeaseFence | None = None) -> None:
        """With a `fence` nothing is committed unless its lease is held until the commit."""
        self._fence = fence
        self._engine = durable(engine)
        self._reading = reading(engine)
        self.overrides = OverrideStore(engine)
        self.comments = CommentStore(engine)
        """What people say about incidents."""

    def commit(self, decisions: Sequence[Decision], incidents: Sequence[Incident]) -> list[Incident]:
        """Store all of it or nothing: add the decisions, add the incidents with id 0 and replace the others.

        Returns the incidents in the same order, each with its id, its lead, its lines numbered, and what people have
        said of it meanwhile (`controller.incidents.store.save`).
        """
        if not decisions and not incidents:
            return []
        with Session(self._engine) as session, session.begin():
            if self._fence:
                self._fence.hold(session.connection())
            session.add_all(map(decision_to_row, decisions))
            return save(session, incidents)

    def routes(self) -> dict[str, Decision]:
        """Where each route points by its latest decision, by route; routes without a decision are missing.

        What a dry run decided last is among them, marked as such.
        """
        latest = select(func.max(DecisionRow.id)).group_by(DecisionRow.route)
        with Session(self._reading) as session:
            rows = session.exec(
                select(DecisionRow).where(col(DecisionRow.id).in_(latest)).order_by(col(DecisionRow.id))
            )
            return {row.route: decision_from_row(row) for row in rows}

    def generation(self) -> int:
        """The highest generation decided; 0 when there is no decision."""
        with Session(self._reading) as session:
            return session.exec(select(func.max(DecisionRow.generation))).one() or 0

    def decisions(self, limit: int = 100) -> list[Decision]:
        """The latest decisions, newest first."""
        query = select(DecisionRow).order_by(col(DecisionRow.id).desc()).limit(limit)
        with Session(self._reading) as session:
            return [decision_from_row(row) for row in session.exec(query)]

    def open_incidents(self) -> list[Incident]:
        """The incidents that are not resolved, oldest first."""
        return self._incidents(col(IncidentRow.resolved_ms).is_(None))

    def incidents(self, limit: int = 100) -> list[Incident]:
        """The latest incidents, open and resolved, newest first."""
        newest_first = (col(IncidentRow.opened_ms).desc(), col(IncidentRow.id).desc())
        with Session(self._reading) as session:
            return [incident_of(row) for row in session.exec(select(IncidentRow).order_by(*newest_first).limit(limit))]

    def resolved_since(self, after: datetime) -> list[Incident]:
        """The incidents that were resolved after this, oldest first."""
        return self._incidents(col(IncidentRow.resolved_ms) > to_ms(after))

    def incident(self, incident_id: int) -> Incident | None:
        """The incident of this id; None when there is none."""
        return next(iter(self._incidents(col(IncidentRow.id) == incident_id)), None)

    def with_facts(self, incident: Incident, now: datetime) -> Incident:
        """The incident with its figures until the resolution, or until now: numbers, request ids, time on what failed.

        It reads the observations of that time: for who shows one incident, and for its resolution, not for every cycle.
        """
        with self._reading.connect() as connection:
            return read_facts(connection, incident, now)[0]

    def with_numbers_lately(self, incident: Incident, now: datetime) -> Incident:
        """The open incident with how its probes ended lately, for its headline; cheap however long it lasts."""
        with self._reading.connect() as connection:
            return replace(incident, numbers=read_numbers_lately(connection, incident, now))

    def onsets(self, bad: Collection[TargetHealth]) -> dict[str, list[TimelineEntry]]:
        """How targets that are bad came to be so, as far as is known: for the incident that they open."""
        if not bad:
            return {}
        with self._reading.connect() as connection:
            return read_onsets(connection, bad)

    def count_untold(self) -> int:
        """How many incidents have changed since Slack was told of them."""
        untold = select(func.count()).where(col(IncidentRow.told_revision) < col(IncidentRow.revision))
        with Session(self._reading) as session:
            return session.exec(untold).one()

    def skip_stale_alerts(self, before: datetime) -> int:
        """Mark old alerts as delivered: incidents resolved before this and never delivered; returns how many.

        Slack, configured today, is not told of last month's outages. An incident that was delivered stays due until
        its message says that it is resolved. Events from before this are skipped too.
        """
        old_events = update(EventRow).where(col(EventRow.telling) == "due", col(EventRow.at_ms) < to_ms(before))
        old_incidents = update(IncidentRow).where(
            col(IncidentRow.resolved_ms) < to_ms(before), col(IncidentRow.told_revision) == 0
        )
        with Session(self._engine) as session, session.begin():
            session.exec(old_events.values(telling="stale"))
            return session.exec(old_incidents.values(told_revision=IncidentRow.revision)).rowcount

    def _incidents(self, condition: ColumnElement[bool]) -> list[Incident]:
        query = select(IncidentRow).where(condition).order_by(col(IncidentRow.opened_ms), col(IncidentRow.id))
        with Session(self._reading) as session:
            return [incident_of(row) for row in session.exec(query)]
