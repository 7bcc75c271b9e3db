"""The journal: decisions, incidents, what operators did: durable before it is published, and whether people know."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, Select, func, insert, select, update

from controller.decision import Decision, Move, RouteState
from controller.hand import Hand
from controller.incident import Incident
from controller.incident_json import dump, kind_named, load
from monitor.columns import brief, from_ms, maybe_from_ms, maybe_to_ms, storable, to_ms
from monitor.database import DatabaseError, durable, reading
from monitor.tables import DECISIONS, EVENTS, INCIDENTS

_LONGEST_REASON: Final = 2_000
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
class Untold:
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
    survives a power cut, and raises `monitor.database.DatabaseError` when it did not happen: call it again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)
        self._reading = reading(engine)
        self.hand = Hand(engine)
        """What operators laid on."""

    def commit(self, decisions: Sequence[Decision], incidents: Sequence[Incident]) -> list[Incident]:
        """Keep all of it or nothing: add the decisions, add the incidents with id 0 and replace the others.

        Returns the incidents in the same order, each with its id.
        """
        if not decisions and not incidents:
            return []
        with self._engine.begin() as connection:
            if decisions:
                connection.execute(insert(DECISIONS), [_decision_row(d) for d in decisions])
            return [_keep(connection, incident) for incident in incidents]

    def routes(self) -> dict[str, RouteState]:
        """Where each route points by its latest decision, by route; routes without a decision are missing.

        What a dry run decided last is among them, marked as such.
        """
        latest = select(func.max(DECISIONS.c.id)).group_by(DECISIONS.c.route)
        with self._engine.connect() as connection:
            rows = connection.execute(select(DECISIONS).where(DECISIONS.c.id.in_(latest))).mappings()
            return {row["route"]: _decision(row).state() for row in rows}

    def generation(self) -> int:
        """The highest generation decided; 0 when there is no decision."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.max(DECISIONS.c.generation))) or 0

    def decisions(self, limit: int = 100) -> list[Decision]:
        """The latest decisions, newest first."""
        wanted = select(DECISIONS).order_by(DECISIONS.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_decision(row) for row in connection.execute(wanted).mappings()]

    def open_incidents(self) -> list[Incident]:
        """The incidents that are not resolved, oldest first."""
        wanted = select(INCIDENTS).where(INCIDENTS.c.resolved_ms.is_(None))
        return self._incidents(wanted.order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id))

    def incidents(self, limit: int = 100) -> list[Incident]:
        """The latest incidents, open and resolved, newest first."""
        return self._incidents(
            select(INCIDENTS).order_by(INCIDENTS.c.opened_ms.desc(), INCIDENTS.c.id.desc()).limit(limit)
        )

    def undelivered(self) -> list[Undelivered]:
        """The incidents that changed since people were told, oldest first.

        One that opened and was resolved before anyone was told is among them: it is told once, as resolved.
        """
        wanted = select(INCIDENTS).where(INCIDENTS.c.told_revision < INCIDENTS.c.revision)
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(INCIDENTS.c.opened_ms, INCIDENTS.c.id)).mappings()
            return [_undelivered(row) for row in rows]

    def told(self, incident_id: int, *, revision: int, channel: str, ts: str) -> None:
        """People see this revision, in this message. Ignored when they have seen a later one."""
        with self._engine.begin() as connection:
            connection.execute(
                update(INCIDENTS)
                .where(INCIDENTS.c.id == incident_id, INCIDENTS.c.told_revision <= revision)
                .values(told_revision=revision, slack_channel=channel, slack_ts=ts, delivery_error=None)
            )

    def delivery_failed(self, incident_id: int, error: str) -> None:
        """The last attempt to tell people failed, for this reason (cut at 500 characters)."""
        with self._engine.begin() as connection:
            connection.execute(
                update(INCIDENTS)
                .where(INCIDENTS.c.id == incident_id)
                .values(delivery_error=brief(error, _LONGEST_ERROR))
            )

    def untold(self, limit: int = 20) -> list[Untold]:
        """The oldest events that people must yet be told of."""
        wanted = select(EVENTS).where(EVENTS.c.telling == "due").order_by(EVENTS.c.id).limit(limit)
        with self._reading.connect() as connection:
            return [
                Untold(id=row.id, at=from_ms(row.at_ms), kind=row.kind, subject=row.subject, text=row.text)
                for row in connection.execute(wanted)
            ]

    def event_told(self, event_id: int) -> None:
        """People have been told of this event."""
        self._set_event(event_id, telling="told", delivery_error=None)

    def event_not_told(self, event_id: int, error: str) -> None:
        """The last attempt to tell people of this event failed, for this reason (cut at 500 characters)."""
        self._set_event(event_id, delivery_error=brief(error, _LONGEST_ERROR))

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

    def _set_event(self, event_id: int, **values: str | None) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(EVENTS).where(EVENTS.c.id == event_id).values(values))

    def _incidents(self, wanted: Select[Any]) -> list[Incident]:
        with self._engine.connect() as connection:
            return [_incident(row) for row in connection.execute(wanted).mappings()]


def _keep(connection: Connection, incident: Incident) -> Incident:
    row = {
        "provider": storable(incident.provider),
        "kind": incident.kind.value,
        "opened_ms": to_ms(incident.opened_at),
        "resolved_ms": maybe_to_ms(incident.resolved_at),
        "document": dump(incident),
        "revision": incident.revision,
    }
    if incident.id == 0:
        new = insert(INCIDENTS).values(told_revision=0, **row).returning(INCIDENTS.c.id)
        return replace(incident, id=connection.execute(new).scalar_one())
    if connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident.id).values(row)).rowcount == 0:
        raise DatabaseError(f"incident {incident.id} is not in the journal: was the database replaced while running?")
    return incident


def _decision_row(decision: Decision) -> dict[str, object]:
    return {
        "route": storable(decision.route),
        "at_ms": to_ms(decision.at),
        "move": decision.move.value,
        "before": None if decision.before is None else storable(decision.before),
        "target": storable(decision.target),
        "reason": brief(decision.reason, _LONGEST_REASON),
        "generation": decision.generation,
        "weights": storable(json.dumps(dict(decision.weights), ensure_ascii=False)) if decision.weights else None,
        "dry_run": 1 if decision.dry_run else None,
    }


def _decision(row: RowMapping) -> Decision:
    return Decision(
        route=row["route"],
        at=from_ms(row["at_ms"]),
        move=Move(row["move"]),
        before=row["before"],
        target=row["target"],
        reason=row["reason"],
        generation=row["generation"],
        weights=_weights(row["weights"]),
        dry_run=bool(row["dry_run"]),
    )


def _weights(text: str | None) -> tuple[tuple[str, float], ...]:
    return tuple((str(target), float(percent)) for target, percent in json.loads(text).items()) if text else ()


def _incident(row: RowMapping) -> Incident:
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
        revision=row["revision"],
    )


def _undelivered(row: RowMapping) -> Undelivered:
    return Undelivered(
        incident=_incident(row),
        told_revision=row["told_revision"],
        channel=row["slack_channel"],
        ts=row["slack_ts"],
        error=row["delivery_error"],
    )
