"""The journal: decisions, incidents, what operators did: durable before it is published, and whether people know."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, Select, func, insert, select, update

from controller.incidents.cycle_facts import FailureOnset
from controller.incidents.incident import Incident
from controller.incidents.queries import read_beginnings, read_facts
from controller.incidents.remarks import CommentStore
from controller.incidents.store import incident_of, keep
from controller.routing.decision import Decision, RouteState
from controller.routing.store import OverrideStore, decision_from_row, decision_to_row
from monitor.health import TargetHealth
from monitor.storage.columns import from_ms, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.tables import DECISIONS, EVENTS, INCIDENTS

_LONGEST_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """An incident that people have not been told of in its present form."""

    incident: Incident
    told_revision: int
    """What they were told last; 0 when nothing."""
    channel: str | None = None
    """Where the message stands that must be edited; None when there is none yet."""
    ts: str | None = None
    """Slack's name for that message."""
    error: str | None = None
    """Why the last attempt failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEvent:
    """An event that people must be told of and have not been."""

    id: int
    at: datetime
    kind: str
    subject: str
    text: str
    """It may quote a provider or an operator."""


class Journal:
    """What was decided and told, on an engine of `open_writer`, or of `open_reader` for what only reads.

    Not for several threads at once. Instants must be aware and are kept to the millisecond, rounded down. NUL and lone
    surrogates are kept as U+FFFD, a decision's reason is cut at 2,000 characters. Every method is one transaction that
    survives a power cut, and raises `monitor.storage.database.DatabaseError` when it did not happen: call it again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)
        self._reading = reading(engine)
        self.overrides = OverrideStore(engine)
        self.remarks = CommentStore(engine)
        """What people say about incidents."""

    def commit(self, decisions: Sequence[Decision], incidents: Sequence[Incident]) -> list[Incident]:
        """Keep all of it or nothing: add the decisions, add the incidents with id 0 and replace the others.

        Returns the incidents in the same order, each with its id, its lead, its lines numbered, and what people have
        said of it meanwhile (`controller.incidents.store.keep`).
        """
        if not decisions and not incidents:
            return []
        with self._engine.begin() as connection:
            if decisions:
                connection.execute(insert(DECISIONS), [decision_to_row(d) for d in decisions])
            return keep(connection, incidents)

    def routes(self) -> dict[str, RouteState]:
        """Where each route points by its latest decision, by route; routes without a decision are missing.

        What a dry run decided last is among them, marked as such.
        """
        latest = select(func.max(DECISIONS.c.id)).group_by(DECISIONS.c.route)
        with self._engine.connect() as connection:
            rows = connection.execute(select(DECISIONS).where(DECISIONS.c.id.in_(latest))).mappings()
            return {row["route"]: decision_from_row(row).state() for row in rows}

    def generation(self) -> int:
        """The highest generation decided; 0 when there is no decision."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.max(DECISIONS.c.generation))) or 0

    def decisions(self, limit: int = 100) -> list[Decision]:
        """The latest decisions, newest first."""
        wanted = select(DECISIONS).order_by(DECISIONS.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [decision_from_row(row) for row in connection.execute(wanted).mappings()]

    def open_incidents(self) -> list[Incident]:
        """The incidents that are not resolved, oldest first."""
        wanted = select(INCIDENTS).where(INCIDENTS.c.resolved_ms.is_(None))
        return self._incidents(wanted.order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id))

    def incidents(self, limit: int = 100) -> list[Incident]:
        """The latest incidents, open and resolved, newest first."""
        return self._incidents(
            select(INCIDENTS).order_by(INCIDENTS.c.opened_ms.desc(), INCIDENTS.c.id.desc()).limit(limit)
        )

    def resolved_since(self, after: datetime) -> list[Incident]:
        """The incidents that were resolved after this, oldest first."""
        wanted = select(INCIDENTS).where(INCIDENTS.c.resolved_ms > to_ms(after))
        return self._incidents(wanted.order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id))

    def incident(self, incident_id: int) -> Incident | None:
        """The incident of this id; None when there is none."""
        return next(iter(self._incidents(select(INCIDENTS).where(INCIDENTS.c.id == incident_id))), None)

    def with_facts(self, incident: Incident, now: datetime) -> Incident:
        """The incident with its figures until the resolution, or until now: numbers, request ids, time on what failed.

        It reads the observations of that time: for who shows one incident, and for its resolution, not for every cycle.
        """
        with self._reading.connect() as connection:
            return read_facts(connection, incident, now).of(incident)

    def beginnings(self, bad: Collection[TargetHealth]) -> dict[str, FailureOnset]:
        """How targets that are bad came to be so, as far as is known: for the incident that they open."""
        if not bad:
            return {}
        with self._reading.connect() as connection:
            return read_beginnings(connection, bad)

    def undelivered(self) -> list[Undelivered]:
        """The incidents that changed since people were told, oldest first.

        One that opened and was resolved before anyone was told is among them: it is told once, as resolved.
        """
        wanted = select(INCIDENTS).where(INCIDENTS.c.told_revision < INCIDENTS.c.revision)
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id)).mappings()
            return [_undelivered(row) for row in rows]

    def untold(self, limit: int = 20) -> list[PendingEvent]:
        """The oldest events that people must yet be told of."""
        wanted = select(EVENTS).where(EVENTS.c.telling == "due").order_by(EVENTS.c.id).limit(limit)
        with self._reading.connect() as connection:
            return [
                PendingEvent(id=row.id, at=from_ms(row.at_ms), kind=row.kind, subject=row.subject, text=row.text)
                for row in connection.execute(wanted)
            ]

    def forget_untold(self, before: datetime) -> int:
        """Treat incidents resolved before this that nobody was ever told of as told; says how many.

        Telling people of last month's outages the day Slack is configured helps nobody. An incident that they were
        told of stays undelivered until its message says that it is resolved. Events from before this are forgotten too.
        """
        with self._engine.begin() as connection:
            old = update(EVENTS).where(EVENTS.c.telling == "due", EVENTS.c.at_ms < to_ms(before))
            connection.execute(old.values(telling="stale"))
            forgotten = connection.execute(
                update(INCIDENTS)
                .where(INCIDENTS.c.resolved_ms < to_ms(before), INCIDENTS.c.told_revision == 0)
                .values(told_revision=INCIDENTS.c.revision)
            )
            return forgotten.rowcount

    def _incidents(self, wanted: Select[Any]) -> list[Incident]:
        with self._engine.connect() as connection:
            return [incident_of(row) for row in connection.execute(wanted).mappings()]


def _undelivered(row: RowMapping) -> Undelivered:
    return Undelivered(
        incident=incident_of(row),
        told_revision=row["told_revision"],
        channel=row["slack_channel"],
        ts=row["slack_ts"],
        error=row["delivery_error"],
    )
