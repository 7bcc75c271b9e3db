"""Stores overrides; converts decisions to rows of the journal and back."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, insert, or_, select, update

from controller.routing.decision import Decision
from controller.routing.least_bad import FailingShare
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import LONGEST_AUTHOR, LONGEST_REASON, Override, OverrideKind
from monitor.history.rollup import MINUTE
from monitor.storage.column_conversions import RowMapper, maybe_from_ms, storable, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.store import insert_event
from monitor.storage.tables import OVERRIDES, DecisionRow
from monitor.storage.traffic_store import read_outcomes
from monitor.storage.upsert import count_on, insert_into
from probes.outcome import ANSWERED
from probes.redaction import one_line

#: Characters of the texts of an override.
_LONGEST = {
    "subject": 300,
    "target": 300,
    "author": LONGEST_AUTHOR,
    "reason": LONGEST_REASON,
    "ended_by": LONGEST_AUTHOR,
    "ended_reason": LONGEST_REASON,
}
#: Read in every cycle: built once, it is compiled once.
_UNFINISHED = (
    select(OVERRIDES)
    .where(or_(OVERRIDES.c.ended_ms.is_(None), OVERRIDES.c.heeded_ms.is_(None)))
    .order_by(OVERRIDES.c.id)
)
_OVERRIDE = RowMapper(Override, "id", *_LONGEST)
_DECISION = RowMapper(Decision, "weights", "dry_run", longest={"reason": 2_000})


class StoredOverride(NamedTuple):
    """An override, and what the service has done about it."""

    override: Override
    published: bool
    """What follows from it (from its end, once it has ended) is in the routing file."""
    warned_at: datetime | None
    """When people were last warned that it points at a failing target, or told that it has no effect."""


class OverrideStore:
    """The overrides in the database, on an engine of `open_writer` or `open_operator`; `open_reader` for reading only.

    Not for several threads at once. Every method that writes is one transaction that survives a power cut, its event
    included; each raises `monitor.storage.database.DatabaseError` when it did not happen. Instants are rounded down to
    the millisecond.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)
        self._reading = reading(engine)

    def unfinished(self) -> list[StoredOverride]:
        """Those that nobody ended, expired ones included, and those whose end is not published; oldest first."""
        with self._reading.connect() as connection:
            return [
                StoredOverride(_override(row), row.heeded_ms is not None, maybe_from_ms(row.warned_ms))
                for row in connection.execute(_UNFINISHED)
            ]

    def in_force(self, now: datetime) -> list[Override]:
        """Those in force, oldest first."""
        with self._reading.connect() as connection:
            return [override for override in _not_ended(connection, *OverrideKind) if override.active(now)]

    def latest(self, limit: int = 100) -> list[Override]:
        """The latest ones, ended ones included, newest first."""
        query = select(OVERRIDES).order_by(OVERRIDES.c.id.desc()).limit(limit)
        with self._reading.connect() as connection:
            return [_override(row) for row in connection.execute(query)]

    def drills(self) -> list[Override]:
        """The fire drills that are kept, oldest first."""
        query = select(OVERRIDES).where(OVERRIDES.c.kind == OverrideKind.DRILL).order_by(OVERRIDES.c.id)
        with self._reading.connect() as connection:
            return [_override(row) for row in connection.execute(query)]

    def requests(self, route: str, target: str, since: datetime, until: datetime) -> FailingShare:
        """The requests of a route at a target that applications reported of these minutes, and how many failed."""
        with self._reading.connect() as connection:
            minutes = read_outcomes(connection, [target], MINUTE, since=since, until=until)
            ended = [pair for each in minutes if each.route == route for pair in each.outcomes.items()]
        failed = sum(count for outcome, count in ended if outcome not in ANSWERED)
        return FailingShare(failed, sum(count for _, count in ended))

    def begin(
        self, override: Override, event_for: Callable[[Sequence[Override]], OverrideEvent], *, warned: bool = False
    ) -> Override:
        """Add an override, which replaces those of its kind on the same subject; returns it with its id.

        `event_for` gets the replaced ones and returns the event to add. With `warned`, that event was also the first
        warning.
        """
        with self._engine.begin() as connection:
            same = [old for old in _not_ended(connection, override.kind) if old.subject == override.subject]
            for old in same:
                ended = replace(old, ended_at=min(override.at, old.until), ended_by=override.author)
                _end(connection, replace(ended, ended_reason=f"replaced: {override.reason}"))
            row = {
                **_OVERRIDE.columns(override),
                "warned_ms": to_ms(override.at) if warned else None,
                **{name: _clean(name, getattr(override, name)) for name in _LONGEST},
            }
            new_id = connection.execute(insert(OVERRIDES).returning(OVERRIDES.c.id), row).scalar_one()
            _add_event(connection, override.at, event_for([old for old in same if old.active(override.at)]))
        return replace(override, id=new_id)

    def end(
        self,
        kind: OverrideKind,
        subjects: Collection[str] | None,
        *,
        at: datetime,
        by: str,
        reason: str,
        event_for: Callable[[Override], OverrideEvent],
        until: datetime | None = None,
    ) -> list[Override]:
        """End those in force on one of the subjects (None: on any); returns them as they then are, oldest first.

        With `until` only those that were to end then, to the millisecond.
        """
        with self._engine.begin() as connection:
            ended = [
                replace(override, ended_at=max(at, override.at), ended_by=by, ended_reason=reason)
                for override in _not_ended(connection, kind)
                if override.active(at) and (subjects is None or override.subject in subjects)
                if until is None or to_ms(override.until) == to_ms(until)
            ]
            for override in ended:
                _end(connection, override)
                _add_event(connection, at, event_for(override))
        return ended

    def add_missing(self, overrides: Collection[Override]) -> None:
        """Add these as they are, under their ids, where the database has none of that id."""
        rows = [
            {"id": override.id, **_OVERRIDE.columns(override)}
            | {name: _clean(name, getattr(override, name)) for name in _LONGEST}
            for override in overrides
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(insert_into(connection.dialect.name, OVERRIDES).on_conflict_do_nothing(), rows)
                count_on(connection, OVERRIDES)

    def begin_scheduled(self, override: Override, event: OverrideEvent) -> bool:
        """Add what the configuration schedules, unless it is there, ended or not; it replaces nobody's override."""
        row = {**_OVERRIDE.columns(override), **{name: _clean(name, getattr(override, name)) for name in _LONGEST}}
        alike = (OVERRIDES.c[name] == row[name] for name in ("kind", "subject", "author", "at_ms", "until_ms"))
        with self._engine.begin() as connection:
            if connection.execute(select(OVERRIDES.c.id).where(*alike).limit(1)).first():
                return False
            connection.execute(insert(OVERRIDES), row)
            _add_event(connection, override.at, event)
        return True

    def record_end(self, ended: Override, event: OverrideEvent, now: datetime) -> None:
        """Store its end as it says, and add the event; does nothing when somebody ended it meanwhile."""
        with self._engine.begin() as connection:
            if _end(connection, ended):
                _add_event(connection, now, event)

    def record_warning(self, override: Override, event: OverrideEvent, now: datetime, *, notify: bool = True) -> None:
        """Record that it is warned of now, and add the event; `notify`: people are told of it."""
        with self._engine.begin() as connection:
            warned = update(OVERRIDES).where(OVERRIDES.c.id == override.id)
            connection.execute(warned.values(warned_ms=to_ms(now)))
            _add_event(connection, now, event, notify=notify)

    def mark_published(self, overrides: Collection[Override], now: datetime) -> None:
        """Record that the routing file says what follows from these, as they were read."""
        with self._engine.begin() as connection:
            for override in overrides:
                # One that somebody ended since it was read is not the one that was published.
                as_read = OVERRIDES.c.ended_ms.is_(None) == (override.ended_at is None)
                unpublished = update(OVERRIDES).where(OVERRIDES.c.id == override.id, OVERRIDES.c.heeded_ms.is_(None))
                connection.execute(unpublished.where(as_read).values(heeded_ms=to_ms(now)))

    def are_published(self, ids: Collection[int]) -> bool:
        """Whether the routing file says what follows from all of these, or from their ends."""
        query = select(OVERRIDES.c.id).where(OVERRIDES.c.id.in_(ids), OVERRIDES.c.heeded_ms.is_(None)).limit(1)
        with self._reading.connect() as connection:
            return connection.execute(query).first() is None


def _not_ended(connection: Connection, *kinds: OverrideKind) -> list[Override]:
    query = select(OVERRIDES).where(OVERRIDES.c.ended_ms.is_(None), OVERRIDES.c.kind.in_(kinds))
    return [_override(row) for row in connection.execute(query.order_by(OVERRIDES.c.id))]


def _end(connection: Connection, ended: Override) -> bool:
    """Store its end; False when it had one already."""
    not_ended = update(OVERRIDES).where(OVERRIDES.c.id == ended.id, OVERRIDES.c.ended_ms.is_(None))
    values = {
        "ended_ms": to_ms(ended.ended_at or ended.until),
        "ended_by": _clean("ended_by", ended.ended_by),
        "ended_reason": _clean("ended_reason", ended.ended_reason),
        "heeded_ms": None,
    }
    return connection.execute(not_ended.values(values)).rowcount > 0


def _add_event(connection: Connection, at: datetime, event: OverrideEvent, *, notify: bool = True) -> None:
    insert_event(connection, at, event.kind, event.subject, event.text, notify=notify)


def _override(row: Row[Any]) -> Override:
    return _OVERRIDE.value(row, id=row.id, **{name: _clean(name, getattr(row, name)) for name in _LONGEST})


def _clean(name: str, text: str | None) -> str | None:
    """A text of an override, fit for a terminal, whoever wrote it."""
    return None if text is None else one_line(text, _LONGEST[name])


def decision_to_row(decision: Decision) -> DecisionRow:
    """The decision as a row of the table; a reason is cut at 2,000 characters."""
    weights = storable(json.dumps(dict(decision.weights), ensure_ascii=False)) if decision.weights else None
    return DecisionRow(**_DECISION.columns(decision), weights=weights, dry_run=1 if decision.dry_run else None)


def decision_from_row(row: DecisionRow | Row[Any]) -> Decision:
    """The decision of a row of the table."""
    weights = json.loads(row.weights).items() if row.weights else ()
    shares = tuple((str(target), float(percent)) for target, percent in weights)
    return _DECISION.value(row, weights=shares, dry_run=bool(row.dry_run))
