"""The operator's hand as the database keeps it: laid on by short commands, read by the service in every cycle."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping, insert, or_, select, update

from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import LONGEST_AUTHOR, LONGEST_REASON, Override, OverrideKind
from monitor.storage.columns import from_ms, maybe_from_ms, storable, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.store import event_row
from monitor.storage.tables import EVENTS, OVERRIDES
from probes.redaction import one_line

_LONGEST_NAME = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOverride:
    """An override, and what the service has made of it."""

    override: Override
    heeded: bool
    """What follows from it (from its end, once it has ended) is published."""
    warned_at: datetime | None
    """When people were last warned that it points at a failing target."""


class OverrideStore:
    """The overrides, on an engine of `open_writer` or `open_operator`, or of `open_reader` for what only reads.

    Not for several threads at once. Every method that writes is one transaction that survives a power cut, notes
    included; each raises `monitor.storage.database.DatabaseError` when it did not happen. Kept instants are rounded
    down to the millisecond.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)
        self._reading = reading(engine)

    def unfinished(self) -> list[StoredOverride]:
        """Those that nobody ended, expired ones included, and those whose end the service has yet to heed."""
        wanted = select(OVERRIDES).where(or_(OVERRIDES.c.ended_ms.is_(None), OVERRIDES.c.heeded_ms.is_(None)))
        with self._reading.connect() as connection:
            return [_kept(row) for row in connection.execute(wanted.order_by(OVERRIDES.c.id)).mappings()]

    def in_force(self, now: datetime) -> list[Override]:
        """Those in force, oldest first."""
        with self._reading.connect() as connection:
            return [one for one in _running(connection) if one.active(now)]

    def latest(self, limit: int = 100) -> list[Override]:
        """The latest ones, ended ones included, newest first."""
        wanted = select(OVERRIDES).order_by(OVERRIDES.c.id.desc()).limit(limit)
        with self._reading.connect() as connection:
            return [_override(row) for row in connection.execute(wanted).mappings()]

    def lay(
        self, override: Override, say: Callable[[Sequence[Override]], OverrideEvent], *, warned: bool = False
    ) -> Override:
        """Keep a new override, which replaces those of its kind on the same subject; returns it with its id.

        `say` gets the replaced ones and tells what is noted. With `warned`, its note was the first warning.
        """
        with self._engine.begin() as connection:
            same = [one for one in _running(connection) if (one.kind, one.subject) == (override.kind, override.subject)]
            for old in same:
                gone = replace(old, ended_at=min(override.at, old.until), ended_by=override.author)
                _end(connection, replace(gone, ended_reason=f"replaced: {override.reason}"))
            row = {**_row(override), "warned_ms": to_ms(override.at) if warned else None}
            new_id = connection.execute(insert(OVERRIDES).returning(OVERRIDES.c.id), row).scalar_one()
            _note(connection, override.at, say([old for old in same if old.active(override.at)]))
        return replace(override, id=new_id)

    def take_back(
        self,
        kind: OverrideKind,
        subjects: Collection[str] | None,
        *,
        at: datetime,
        by: str,
        reason: str,
        say: Callable[[Override], OverrideEvent],
    ) -> list[Override]:
        """End those in force on one of the subjects (None: on any); returns them as they then are, oldest first."""
        with self._engine.begin() as connection:
            found = [
                replace(one, ended_at=max(at, one.at), ended_by=by, ended_reason=reason)
                for one in _running(connection)
                if one.kind is kind and one.active(at) and (subjects is None or one.subject in subjects)
            ]
            for one in found:
                _end(connection, one)
                _note(connection, at, say(one))
        return found

    def expire(self, override: Override, note: OverrideEvent, now: datetime) -> None:
        """Keep that it expired by itself, and that this was noted; nothing when somebody ended it meanwhile."""
        with self._engine.begin() as connection:
            if _end(connection, replace(override, ended_at=override.until)):
                _note(connection, now, note)

    def warn(self, override: Override, note: OverrideEvent, now: datetime) -> None:
        """Keep that people are warned of it now."""
        with self._engine.begin() as connection:
            connection.execute(
                update(OVERRIDES).where(OVERRIDES.c.id == override.id).values(warned_ms=to_ms(now)),
            )
            _note(connection, now, note)

    def heed(self, overrides: Collection[Override], now: datetime) -> None:
        """Keep that what follows from these, as they were read, is published."""
        with self._engine.begin() as connection:
            for one in overrides:
                # One that somebody ended since is not the one that was heeded.
                as_read = OVERRIDES.c.ended_ms.is_(None) if one.ended_at is None else OVERRIDES.c.ended_ms.is_not(None)
                unheeded = update(OVERRIDES).where(OVERRIDES.c.id == one.id, OVERRIDES.c.heeded_ms.is_(None), as_read)
                connection.execute(unheeded.values(heeded_ms=to_ms(now)))

    def heeded(self, ids: Collection[int]) -> bool:
        """Whether the service has heeded all of these, or their ends."""
        wanted = select(OVERRIDES.c.id).where(OVERRIDES.c.id.in_(ids), OVERRIDES.c.heeded_ms.is_(None)).limit(1)
        with self._reading.connect() as connection:
            return connection.execute(wanted).first() is None


def _running(connection: Connection) -> list[Override]:
    rows = connection.execute(select(OVERRIDES).where(OVERRIDES.c.ended_ms.is_(None)).order_by(OVERRIDES.c.id))
    return [_override(row) for row in rows.mappings()]


def _end(connection: Connection, ended: Override) -> bool:
    """Whether it was still running."""
    running = update(OVERRIDES).where(OVERRIDES.c.id == ended.id, OVERRIDES.c.ended_ms.is_(None))
    values = {
        "ended_ms": to_ms(ended.ended_at or ended.until),
        "ended_by": None if ended.ended_by is None else storable(ended.ended_by),
        "ended_reason": None if ended.ended_reason is None else storable(ended.ended_reason),
        "heeded_ms": None,
    }
    return connection.execute(running.values(values)).rowcount > 0


def _note(connection: Connection, at: datetime, note: OverrideEvent) -> None:
    connection.execute(insert(EVENTS), event_row(at, note.kind, note.subject, note.text, tell=True))


def _row(override: Override) -> dict[str, object]:
    return {
        "kind": override.kind.value,
        "subject": storable(override.subject),
        "target": None if override.target is None else storable(override.target),
        "author": one_line(override.author, LONGEST_AUTHOR),
        "reason": one_line(override.reason, LONGEST_REASON),
        "forced": int(override.forced),
        "at_ms": to_ms(override.at),
        "until_ms": to_ms(override.until),
    }


def _kept(row: RowMapping) -> StoredOverride:
    warned_at = maybe_from_ms(row["warned_ms"])
    return StoredOverride(override=_override(row), heeded=row["heeded_ms"] is not None, warned_at=warned_at)


def _override(row: RowMapping) -> Override:
    """Texts fit for a terminal, whoever wrote them into the table."""
    return Override(
        id=row["id"],
        kind=OverrideKind(row["kind"]),
        subject=one_line(row["subject"], _LONGEST_NAME),
        target=None if row["target"] is None else one_line(row["target"], _LONGEST_NAME),
        author=one_line(row["author"], LONGEST_AUTHOR),
        reason=one_line(row["reason"], LONGEST_REASON),
        forced=bool(row["forced"]),
        at=from_ms(row["at_ms"]),
        until=from_ms(row["until_ms"]),
        ended_at=maybe_from_ms(row["ended_ms"]),
        ended_by=None if row["ended_by"] is None else one_line(row["ended_by"], LONGEST_AUTHOR),
        ended_reason=None if row["ended_reason"] is None else one_line(row["ended_reason"], LONGEST_REASON),
    )
