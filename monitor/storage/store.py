"""What the monitor remembers: observations, health and its changes, events, and its own sign of life."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Table,
    delete,
    exists,
    false,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.detection.notices import KINDS, TargetNotice
from monitor.health import Health, TargetHealth, Transition, WeighedProbe
from monitor.storage import spending
from monitor.storage.columns import brief, from_ms, maybe_from_ms, maybe_to_ms, storable, to_ms, whole
from monitor.storage.database import durable
from monitor.storage.spending import SpendingStore
from monitor.storage.status_pages import StatusPageStore
from monitor.storage.tables import CONNECTIVITY, EVENTS, OBSERVATIONS, POOLS, SERVICE, TARGET_STATES, TRANSITIONS
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

_LONGEST_DETAIL: Final = 500
_LONGEST_REQUEST_ID: Final = 200
_LONGEST_REASON: Final = 2_000
_SERVICE_ID: Final = 1
_AFTER_ALL_MS: Final = 2**62

_NONE: Final = false()
_RECORD: Final = (
    upsert(OBSERVATIONS)
    .on_conflict_do_nothing(index_elements=OBSERVATIONS.primary_key.columns)
    .returning(OBSERVATIONS.c.target, OBSERVATIONS.c.started_ms, OBSERVATIONS.c.cost_usd)
)
_NEW_STATE: Final = upsert(TARGET_STATES)
_NO_POOLS: Final[Mapping[str, str]] = {}
_NEW_POOL: Final = upsert(POOLS)
_REPLACE_POOL: Final = _NEW_POOL.on_conflict_do_update(
    index_elements=[POOLS.c.provider], set_={"at_ms": _NEW_POOL.excluded.at_ms, "pool": _NEW_POOL.excluded.pool}
)
_REPLACE_STATE: Final = _NEW_STATE.on_conflict_do_update(
    index_elements=[TARGET_STATES.c.target],
    set_={name: column for name, column in _NEW_STATE.excluded.items() if name != "target"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """What the detector knew about a target at one instant, enough to go on from."""

    health: TargetHealth
    at: datetime
    record: str
    """The detector's own JSON; the store does not look inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBeat:
    """The service's sign of life."""

    pid: int
    host: str
    version: str
    started_at: datetime
    beat_at: datetime
    stopped_at: datetime | None = None
    """When it stopped in good order; None while it runs, and after a crash."""


class Store:
    """The monitor's memory, on an engine of `open_writer`, or of `open_reader` for what only reads.

    Not for several threads at once. Instants must be aware and are kept to the millisecond, rounded down. NUL and lone
    surrogates are kept as U+FFFD; details past 500 characters, request ids past 200 and reasons past 2,000 are cut.
    Every method is one transaction and raises `monitor.storage.database.DatabaseError` when it did not happen: call it
    again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._durable = durable(engine)
        self.vendors = StatusPageStore(engine)
        """What vendors say about themselves."""
        self.ledger = SpendingStore(engine)
        """What probing costs."""

    def record(self, observations: Sequence[Observation]) -> None:
        """Keep them all, and what they cost.

        One that is already there (same target, millisecond, check and region) is not kept, nor paid for, twice.
        """
        if observations:
            with self._engine.begin() as connection:
                kept = connection.execute(_RECORD, [_observation_row(o) for o in observations])
                spending.add(connection, ((row.target, row.started_ms, row.cost_usd) for row in kept))

    def observations(self, target: str, *, after: datetime, limit: int = 100_000) -> list[Observation]:
        """The target's observations that started after this, oldest first; the oldest `limit` of them."""
        wanted = (
            select(OBSERVATIONS)
            .where(OBSERVATIONS.c.target == storable(target), OBSERVATIONS.c.started_ms > to_ms(after))
            .order_by(OBSERVATIONS.c.started_ms, OBSERVATIONS.c.check_, OBSERVATIONS.c.region)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [_observation(row) for row in connection.execute(wanted).mappings()]

    def recorded(self) -> dict[str, tuple[datetime, datetime]]:
        """When the oldest and the newest observation of each target started, by target id; a few seeks per target."""
        found = {}
        with self._engine.connect() as connection:
            for target in connection.scalars(_targets_from_before(_AFTER_ALL_MS)).all():
                when = select(OBSERVATIONS.c.started_ms).where(OBSERVATIONS.c.target == target).limit(1)
                oldest = connection.scalar(when.order_by(OBSERVATIONS.c.started_ms))
                newest = connection.scalar(when.order_by(OBSERVATIONS.c.started_ms.desc()))
                if oldest is not None and newest is not None:
                    found[target] = from_ms(oldest), from_ms(newest)
        return found

    def save_states(
        self,
        states: Sequence[SavedState],
        transitions: Sequence[Transition],
        pools: Mapping[str, str] = _NO_POOLS,
        *,
        at: datetime | None = None,
        notices: Sequence[TargetNotice] = (),
    ) -> None:
        """Replace the states of these targets, add the transitions and what people are to be told.

        With a transition or a notice it survives a power cut.

        `pools` are the detector's own JSON by provider, as of `at`.
        """
        if not states and not transitions and not pools:
            return
        with (self._durable if transitions or notices else self._engine).begin() as connection:
            if states:
                connection.execute(_REPLACE_STATE, [_state_row(s) for s in states])
            if pools and at:
                rows = [{"provider": storable(p), "at_ms": to_ms(at), "pool": storable(t)} for p, t in pools.items()]
                connection.execute(_REPLACE_POOL, rows)
            if transitions:
                connection.execute(insert(TRANSITIONS), [_transition_row(t) for t in transitions])
            if notices:
                rows = [event_row(one.at, one.kind, one.target, one.text, tell=True) for one in notices]
                connection.execute(insert(EVENTS), rows)

    def states(self) -> dict[str, SavedState]:
        """The latest state of every target that ever had one, by target id."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(TARGET_STATES)).mappings()
            return {row["target"]: _state(row) for row in rows}

    def pools(self) -> dict[str, str]:
        """The latest evidence against every provider that ever had any, the detector's own JSON, by provider."""
        with self._engine.connect() as connection:
            return {row.provider: row.pool for row in connection.execute(select(POOLS.c.provider, POOLS.c.pool))}

    def transitions(self, *, target: str | None = None, limit: int = 100) -> list[Transition]:
        """The latest transitions, of one target or of all, newest first."""
        wanted = select(TRANSITIONS).order_by(TRANSITIONS.c.at_ms.desc(), TRANSITIONS.c.id.desc()).limit(limit)
        if target is not None:
            wanted = wanted.where(TRANSITIONS.c.target == storable(target))
        with self._engine.connect() as connection:
            return [transition_of(row) for row in connection.execute(wanted).mappings()]

    def add_event(self, at: datetime, kind: str, subject: str, text: str, *, tell: bool = False) -> None:
        """Keep something worth knowing that is neither a transition nor a decision; `kind` is a past-tense name.

        With `tell`, people are told in Slack, and it survives a power cut.
        """
        with (self._durable if tell else self._engine).begin() as connection:
            connection.execute(insert(EVENTS), event_row(at, kind, subject, text, tell=tell))

    def notices(self) -> list[TargetNotice]:
        """All notices that people were ever told, oldest first."""
        wanted = select(EVENTS).where(EVENTS.c.kind.in_(KINDS)).order_by(EVENTS.c.id)
        with self._engine.connect() as connection:
            return [
                TargetNotice(kind=row.kind, target=row.subject, text=row.text, at=from_ms(row.at_ms))
                for row in connection.execute(wanted)
            ]

    def record_connectivity(self, said: ConnectivityObservation) -> None:
        """Keep what the neutral endpoints said."""
        row = {
            "at_ms": to_ms(said.at),
            "sight": said.sight.value,
            "asked": storable(json.dumps(said.asked)),
            "answered": storable(json.dumps(sorted(said.answered))),
        }
        with self._engine.begin() as connection:
            connection.execute(insert(CONNECTIVITY), row)

    def connectivity(self, *, after: datetime, before: datetime, limit: int = 100_000) -> list[ConnectivityObservation]:
        """What they said after the one instant and until the other, oldest first; the oldest `limit` of it."""
        when = CONNECTIVITY.c.at_ms
        wanted = select(CONNECTIVITY).where(when > to_ms(after), when <= to_ms(before))
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(when, CONNECTIVITY.c.id).limit(limit)).mappings()
            return [_connectivity(row) for row in rows]

    def last_connectivity(self) -> ConnectivityObservation | None:
        """What they said last; None when they were never asked."""
        latest = select(CONNECTIVITY).order_by(CONNECTIVITY.c.at_ms.desc(), CONNECTIVITY.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(latest).mappings().first()
        return None if row is None else _connectivity(row)

    def beat(self, beat: ServiceBeat) -> None:
        """Replace the sign of life."""
        row = {
            "pid": beat.pid,
            "host": storable(beat.host),
            "version": beat.version,
            "started_ms": to_ms(beat.started_at),
            "beat_ms": to_ms(beat.beat_at),
            "stopped_ms": maybe_to_ms(beat.stopped_at),
        }
        statement = upsert(SERVICE).values(id=_SERVICE_ID, **row)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))

    def last_beat(self) -> ServiceBeat | None:
        """The latest sign of life; None when the service never ran on this database."""
        with self._engine.connect() as connection:
            row = connection.execute(select(SERVICE)).mappings().first()
        return None if row is None else _beat(row)

    def prune(self, before: datetime, *, at_most: int = 5_000) -> int:
        """Remove up to `at_most` rows of what was seen and said before this, and say how many; 0 when none are left.

        Notices that people are told once are kept for good.

        Each target's oldest are one range of the key, so that a step costs what it removes, however long the history.
        """
        before_ms = to_ms(before)
        removed = 0
        with self._engine.begin() as connection:
            for target in connection.scalars(_targets_from_before(before_ms)).all():
                removed += _prune_target(connection, target, before_ms, at_most - removed)
            removed += _prune_rows(connection, CONNECTIVITY, before_ms, at_most - removed)
            told_once = EVENTS.c.kind.in_(KINDS)  # forgotten, they would be told again
            removed += _prune_rows(connection, EVENTS, before_ms, at_most - removed, but=told_once)
        return removed


def _targets_from_before(before_ms: int) -> Select[str]:
    """The targets that have observations from before this, by two seeks each.

    `SELECT DISTINCT target` would read the whole history: here each target is found as the least above the last.
    """
    key, table = OBSERVATIONS.c.target, OBSERVATIONS.alias()
    targets = select(func.min(key).label("target")).cte("targets", recursive=True)
    following = select(func.min(key)).where(key > targets.c.target).scalar_subquery()
    targets = targets.union_all(select(following).where(targets.c.target.is_not(None)))
    return select(targets.c.target).where(
        exists().where(table.c.target == targets.c.target, table.c.started_ms < before_ms)
    )


def _prune_target(connection: Connection, target: str, before_ms: int, at_most: int) -> int:
    key = list(OBSERVATIONS.primary_key.columns)
    oldest = (
        select(*key)
        .where(OBSERVATIONS.c.target == target, OBSERVATIONS.c.started_ms < before_ms)
        .order_by(OBSERVATIONS.c.started_ms)
        .limit(at_most)
    )
    return connection.execute(delete(OBSERVATIONS).where(tuple_(*key).in_(oldest))).rowcount


def event_row(at: datetime, kind: str, subject: str, text: str, *, tell: bool = False) -> dict[str, object]:
    """The row of an event, for what must be kept in one transaction with something else."""
    return {
        "at_ms": to_ms(at),
        "kind": kind,
        "subject": storable(subject),
        "text": brief(text, _LONGEST_REASON),
        "telling": "due" if tell else None,
    }


def _prune_rows(
    connection: Connection, table: Table, before_ms: int, at_most: int, *, but: ColumnElement[bool] = _NONE
) -> int:
    oldest = select(table.c.id).where(table.c.at_ms < before_ms, ~but).order_by(table.c.at_ms).limit(at_most)
    return connection.execute(delete(table).where(table.c.id.in_(oldest))).rowcount


def _observation_row(observation: Observation) -> dict[str, object]:
    return {
        "target": storable(observation.target),
        "started_ms": to_ms(observation.started_at),
        "check_": observation.check.value,
        "region": storable(observation.region),
        "outcome": observation.outcome.value,
        "duration_s": observation.duration_s,
        "connected_s": observation.connected_s,
        "first_byte_s": observation.first_byte_s,
        "first_token_s": observation.first_token_s,
        "http_status": whole(observation.http_status),
        "retry_after_s": observation.retry_after_s,
        "input_tokens": whole(observation.input_tokens),
        "output_tokens": whole(observation.output_tokens),
        "cost_usd": observation.cost_usd,
        "loop_lag_s": observation.loop_lag_s,
        "request_id": observation.request_id and brief(observation.request_id, _LONGEST_REQUEST_ID),
        "detail": brief(observation.detail, _LONGEST_DETAIL),
        "resolved_s": observation.resolved_s,
        "tcp_s": observation.tcp_s,
        "sent_s": observation.sent_s,
        "last_byte_s": observation.last_byte_s,
        "longest_stall_s": observation.longest_stall_s,
        "reused": None if observation.fresh else 1,
        "cached_tokens": whole(observation.cached_tokens),
        "reasoning_tokens": whole(observation.reasoning_tokens),
        "model": observation.model and brief(observation.model, _LONGEST_REQUEST_ID),
        "deprecation": observation.deprecation and brief(observation.deprecation, _LONGEST_DETAIL),
    }


def _observation(row: RowMapping) -> Observation:
    values = dict(row)
    return Observation(
        started_at=from_ms(values.pop("started_ms")),
        check=Check(values.pop("check_")),
        outcome=Outcome(values.pop("outcome")),
        fresh=not values.pop("reused"),
        **values,
    )


def _state_row(state: SavedState) -> dict[str, object]:
    health = state.health
    return {
        "target": storable(health.target),
        "at_ms": to_ms(state.at),
        "health": health.health.value,
        "since_ms": to_ms(health.since),
        "reason": brief(health.reason, _LONGEST_REASON),
        "evidence": health.evidence,
        "threshold": health.threshold,
        "last_ok_ms": maybe_to_ms(health.last_ok_at),
        "record": storable(state.record),
    }


def _state(row: RowMapping) -> SavedState:
    health = TargetHealth(
        target=row["target"],
        health=Health(row["health"]),
        since=from_ms(row["since_ms"]),
        reason=row["reason"],
        evidence=row["evidence"],
        threshold=row["threshold"],
        last_ok_at=maybe_from_ms(row["last_ok_ms"]),
    )
    return SavedState(health=health, at=from_ms(row["at_ms"]), record=row["record"])


def _transition_row(transition: Transition) -> dict[str, object]:
    return {
        "target": storable(transition.target),
        "at_ms": to_ms(transition.at),
        "before": transition.before.value,
        "after": transition.after.value,
        "reason": brief(transition.reason, _LONGEST_REASON),
        "evidence": transition.evidence,
        "threshold": transition.threshold,
        "trail": _trail_text(transition.trail),
    }


def transition_of(row: RowMapping) -> Transition:
    """The transition of a row of the table."""
    return Transition(
        target=row["target"],
        at=from_ms(row["at_ms"]),
        before=Health(row["before"]),
        after=Health(row["after"]),
        reason=row["reason"],
        evidence=row["evidence"],
        threshold=row["threshold"],
        trail=read_trail(row["trail"]),
    )


def _trail_text(trail: Sequence[WeighedProbe]) -> str | None:
    """As a JSON list of [epoch ms, target, outcome, evidence]; None when it is empty."""
    rows = [[to_ms(w.at), storable(w.target), w.outcome.value, round(w.evidence, 3)] for w in trail]
    return json.dumps(rows) if rows else None


def read_trail(text: str | None) -> tuple[WeighedProbe, ...]:
    """A trail as the transitions keep it."""
    rows = json.loads(text) if text else []
    return tuple(
        WeighedProbe(at=from_ms(at_ms), target=target, outcome=Outcome(outcome), evidence=evidence)
        for at_ms, target, outcome, evidence in rows
    )


def _connectivity(row: RowMapping) -> ConnectivityObservation:
    return ConnectivityObservation(
        at=from_ms(row["at_ms"]),
        sight=ConnectivityState(row["sight"]),
        asked=tuple(json.loads(row["asked"])),
        answered=frozenset(json.loads(row["answered"])),
    )


def _beat(row: RowMapping) -> ServiceBeat:
    return ServiceBeat(
        pid=row["pid"],
        host=row["host"],
        version=row["version"],
        started_at=from_ms(row["started_ms"]),
        beat_at=from_ms(row["beat_ms"]),
        stopped_at=maybe_from_ms(row["stopped_ms"]),
    )
