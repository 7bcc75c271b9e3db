"""Stores what the monitor observes, judges and spends: probes, health, events, connectivity, status pages, beats."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, select

from monitor.connectivity.state import ConnectivityObservation
from monitor.detection.notices import KINDS, TargetNotice
from monitor.detection.quiet_progress import QuietProgress
from monitor.health import Transition
from monitor.history.rollup import OutcomeCounts, Rollup, counts_of
from monitor.liveness import ServiceBeat
from monitor.status_pages.reading import VendorStateChange
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.database import durable, reading
from monitor.storage.maintenance import give_back
from monitor.storage.observation_reads import first_started, in_slots, last_started, observed_since, observed_targets
from monitor.storage.observation_rows import add_cost, add_observations
from monitor.storage.partitions import DAY_MS, add_days_ahead, has_partitions
from monitor.storage.pruning import NEWEST_REPORTS, Pruner
from monitor.storage.rollup_rows import rollup_of
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.row_conversions import (
    BEAT,
    PROGRESS,
    SavedTargetState,
    connectivity_of,
    connectivity_row,
    event_row,
    observation_of,
    state_of,
    state_row,
    transition_of,
    transition_row,
    vendor_report_of,
    vendor_report_row,
)
from monitor.storage.tables import (
    OBSERVATIONS,
    POOLS,
    QUIET_PROGRESS,
    SPENDING,
    TARGET_STATES,
    BudgetRow,
    ConnectivityRow,
    EventRow,
    PoolRow,
    QuietProgressRow,
    ServiceRow,
    TargetStateRow,
    TransitionRow,
    VendorReportRow,
)
from monitor.storage.upsert import delete_rows, replace_rows
from probes.context_check import CONTEXT
from probes.observation import Observation, replaced
from probes.outcome import Outcome

_ALL_ROLLUPS: Final[Mapping[timedelta, datetime]] = {}
_ONLY_ROW: Final = 1
NO_POOLS: Final[Mapping[str, str]] = {}
_OBSERVED: Final = OBSERVATIONS.c
_AFTER: Final = (
    select_columns(OBSERVATIONS)
    .where(_OBSERVED.target == bindparam("of"), _OBSERVED.started_ms > bindparam("after"), in_slots(bindparam("after")))
    .order_by(_OBSERVED.started_ms, _OBSERVED.check_, _OBSERVED.region)
    .limit(bindparam("most"))
)
#: The states of targets that only give good answers are stored minutes later.
_OK_MS: Final = func.coalesce(QUIET_PROGRESS.c.last_seen_ms, TARGET_STATES.c.last_ok_ms)
_ANSWERED_SINCE: Final = select_columns(
    TARGET_STATES.c.target,
    select_columns(func.max(_OBSERVED.started_ms + _OBSERVED.duration_s * 1000))
    .where(_OBSERVED.target == TARGET_STATES.c.target, _OBSERVED.started_ms > _OK_MS)
    .where(_OBSERVED.outcome == Outcome.OK.value, _OBSERVED.check_ != CONTEXT, _OBSERVED.afresh.is_(None))
    .where(in_slots(_OK_MS))
    .scalar_subquery()
    .label("ended_ms"),
).select_from(TARGET_STATES.outerjoin(QUIET_PROGRESS, TARGET_STATES.c.target == QUIET_PROGRESS.c.target))


class Store:
    """The monitor's tables, on an engine of `open_writer`, or of `open_reader` for what only reads.

    Not for several threads at once. Instants must be aware and are kept to the millisecond, rounded down. NUL and lone
    surrogates are kept as U+FFFD; details past 500 characters, request ids past 200 and reasons past 2,000 are cut.
    Every method is one transaction and raises `monitor.storage.database.DatabaseError` when it did not happen: call it
    again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._durable = durable(engine)
        self._reading = reading(engine)
        self._vendor_reported: set[str] = set()
        self.pruner = Pruner()

    def record(self, observations: Sequence[Observation]) -> None:
        """Store observations, and add them to the rollups and their cost to the spending.

        One that is stored already (same target, millisecond, check and region) is neither stored nor counted again.
        """
        if observations:
            with self._engine.begin() as connection:
                add_observations(connection, observations)

    def observations(self, target: str, *, after: datetime, limit: int = 100_000) -> list[Observation]:
        """The target's observations that started after this, oldest first; the oldest `limit` of them."""
        values = {"of": storable(target), "after": to_ms(after), "most": limit}
        with self._reading.connect() as connection:
            return [observation_of(row) for row in connection.execute(_AFTER, values).mappings()]

    def observations_since(self, after: Mapping[str, datetime]) -> list[Observation]:
        """Of each of these targets, the observations that started after its instant; as `observations` gives them.

        Of those that were observed lately, one that has none costs next to nothing.
        """
        after_ms = {target: to_ms(at) for target, at in after.items()}
        with self._reading.connect() as connection:
            found = observed_since(connection, after_ms)
        return [observation for target in found for observation in self.observations(target, after=after[target])]

    def recorded(self) -> dict[str, tuple[datetime, datetime]]:
        """When the oldest and the newest observation of each target started, by target id."""
        with self._reading.connect() as connection:
            targets = observed_targets(connection)
            ends = {target: (first_started(connection, target), last_started(connection, target)) for target in targets}
        return {
            target: (from_ms(oldest), from_ms(newest))
            for target, (oldest, newest) in ends.items()
            if oldest is not None and newest is not None
        }

    def rollups(
        self, targets: Sequence[str], span: timedelta, *, since: datetime, until: datetime
    ) -> dict[str, list[tuple[datetime, Rollup]]]:
        """The rollups of these targets by hour or day, all checks and regions together, oldest first, by target.

        Of the hours or days that begin at `since` or later, and before `until`; a target without any is left out.
        """
        wanted = (
            select_columns(ROLLUPS)
            .where(*_rollups_from(targets, span, since), ROLLUPS.c.start_ms < to_ms(until))
            .order_by(ROLLUPS.c.target, ROLLUPS.c.start_ms)
        )
        sums: dict[str, list[tuple[datetime, Rollup]]] = {}
        with self._reading.connect() as connection:
            rows = connection.execute(wanted).mappings()
            for (target, start_ms), alike in groupby(rows, key=itemgetter("target", "start_ms")):
                rollup = sum(map(rollup_of, alike), start=Rollup())
                sums.setdefault(target, []).append((from_ms(start_ms), rollup))
        return sums

    def outcome_counts(
        self, targets: Sequence[str], span: timedelta, *, since: datetime
    ) -> dict[str, dict[datetime, OutcomeCounts]]:
        """How the probes of these targets ended by hour or day from `since` on, by target and beginning.

        Without latencies and tokens, so that 90 days of 50 targets are read in a moment.
        """
        wanted = select_columns(ROLLUPS.c.target, ROLLUPS.c.start_ms, ROLLUPS.c.asked, ROLLUPS.c.failed_here).where(
            *_rollups_from(targets, span, since)
        )
        counts: dict[str, dict[datetime, OutcomeCounts]] = {}
        with self._engine.connect() as connection:
            for target, start_ms, asked, failed_here in connection.execute(wanted):
                of_target, at = counts.setdefault(target, {}), from_ms(start_ms)
                part = counts_of(json.loads(asked), failed_here)
                of_target[at] = of_target[at] + part if at in of_target else part
        return counts

    def save_states(
        self,
        states: Sequence[SavedTargetState],
        transitions: Sequence[Transition],
        pools: Mapping[str, str] = NO_POOLS,
        *,
        at: datetime | None = None,
        notices: Sequence[TargetNotice] = (),
    ) -> None:
        """Replace the states of these targets with their progress, add the transitions, and the notices to be told.

        With a transition or a notice it survives a power cut. `pools` are the detector's JSON by provider, as of `at`.
        """
        if not states and not transitions and not pools and not notices:
            return
        with (self._durable if transitions or notices else self._engine).begin() as connection:
            if states:
                replace_rows(connection, TARGET_STATES, [state_row(state) for state in states])
                delete_rows(connection, QUIET_PROGRESS, [storable(state.health.target) for state in states])
            if pools and at:
                rows = [{"provider": storable(p), "at_ms": to_ms(at), "pool": storable(t)} for p, t in pools.items()]
                replace_rows(connection, POOLS, rows)
            with Session(connection) as session:
                session.add_all(transition_row(transition) for transition in transitions)
                session.add_all(
                    event_row(notice.at, notice.kind, notice.target, notice.text, notify=True) for notice in notices
                )
                session.commit()

    def save_progress(self, progress: Sequence[QuietProgress]) -> bool:
        """Replace what good answers have changed since the states of these targets were stored; True."""
        if progress:
            with self._engine.begin() as connection:
                replace_rows(connection, QUIET_PROGRESS, [PROGRESS.columns(each) for each in progress])
        return True

    def states(self) -> dict[str, SavedTargetState]:
        """The last stored state of every target that ever had one, by target id; with its last good answer since."""
        with Session(self._reading) as session:
            rows = session.exec(select(TargetStateRow).order_by(col(TargetStateRow.target))).all()
            progress = {row.target: PROGRESS.value(row) for row in session.exec(select(QuietProgressRow))}
            answered_ms = {
                row.target: row.ended_ms for row in session.connection().execute(_ANSWERED_SINCE) if row.ended_ms
            }
        states = {row.target: state_of(row, progress.get(row.target)) for row in rows}
        for target, ended_ms in answered_ms.items():
            health = replace(states[target].health, last_ok_at=from_ms(int(ended_ms)))
            states[target] = replace(states[target], health=health)
        return states

    def pools(self) -> dict[str, str]:
        """The latest evidence against every provider that ever had any, the detector's JSON, by provider."""
        with Session(self._reading) as session:
            return {row.provider: row.pool for row in session.exec(select(PoolRow).order_by(col(PoolRow.provider)))}

    def transitions(self, *, target: str | None = None, limit: int = 100) -> list[Transition]:
        """The latest transitions, of one target or of all, newest first."""
        newest = select(TransitionRow).order_by(col(TransitionRow.at_ms).desc(), col(TransitionRow.id).desc())
        if target is not None:
            newest = newest.where(TransitionRow.target == storable(target))
        with Session(self._reading) as session:
            return [transition_of(row) for row in session.exec(newest.limit(limit))]

    def add_event(self, at: datetime, kind: str, subject: str, text: str, *, notify: bool = False) -> None:
        """Store something worth knowing that is neither a transition nor a decision; `kind` is a past-tense name.

        With `notify`, people are told in Slack, and it survives a power cut.
        """
        with (self._durable if notify else self._engine).begin() as connection:
            insert_event(connection, at, kind, subject, text, notify=notify)

    def events_after(self, number: int) -> tuple[int, list[EventRow]]:
        """The number of the newest event, and those after this one, oldest first, at most a thousand."""
        with Session(self._reading) as session:
            newest = session.exec(select(func.max(EventRow.id))).one() or 0
            after = select(EventRow).where(col(EventRow.id) > number).order_by(col(EventRow.id)).limit(1_000)
            return newest, list(session.exec(after)) if newest > number else []

    def last_event_at(self, kind: str) -> datetime | None:
        """When the newest event of this kind was; None where there is none."""
        newest = select(EventRow.at_ms).where(col(EventRow.kind) == kind).order_by(col(EventRow.id).desc()).limit(1)
        with Session(self._reading) as session:
            at_ms = session.exec(newest).first()
        return None if at_ms is None else from_ms(at_ms)

    def notices(self) -> list[TargetNotice]:
        """All notices that people were ever told, oldest first."""
        every = select(EventRow).where(col(EventRow.kind).in_(KINDS)).order_by(col(EventRow.id))
        with Session(self._reading) as session:
            return [
                TargetNotice(kind=row.kind, target=row.subject, text=row.text, at=from_ms(row.at_ms))
                for row in session.exec(every)
            ]

    def record_connectivity(self, observation: ConnectivityObservation) -> None:
        """Store what the neutral endpoints answered."""
        self._save(connectivity_row(observation))

    def connectivity(self, *, after: datetime, before: datetime, limit: int = 100_000) -> list[ConnectivityObservation]:
        """The observations after the one instant and until the other, oldest first; the oldest `limit` of them."""
        when = col(ConnectivityRow.at_ms)
        between = select(ConnectivityRow).where(when > to_ms(after), when <= to_ms(before))
        with Session(self._reading) as session:
            rows = session.exec(between.order_by(when, col(ConnectivityRow.id)).limit(limit))
            return [connectivity_of(row) for row in rows]

    def last_connectivity(self) -> ConnectivityObservation | None:
        """The newest connectivity observation; None when the neutral endpoints were never asked."""
        newest = select(ConnectivityRow).order_by(col(ConnectivityRow.at_ms).desc(), col(ConnectivityRow.id).desc())
        with Session(self._reading) as session:
            row = session.exec(newest.limit(1)).first()
            return None if row is None else connectivity_of(row)

    def record_vendor_report(self, report: VendorStateChange) -> None:
        """Store what a vendor's status page says, where that differs from the provider's last report."""
        self._save(vendor_report_row(report))
        self._vendor_reported.add(report.provider)

    def take_vendor_reported(self) -> set[str]:
        """The providers of which this store has been given a report since the last call."""
        reported, self._vendor_reported = self._vendor_reported, set()
        return reported

    def vendor_states(self) -> dict[str, VendorStateChange]:
        """The last report of every provider that ever had one, by provider."""
        with Session(self._reading) as session:
            rows = session.exec(select(VendorReportRow).where(col(VendorReportRow.id).in_(NEWEST_REPORTS)))
            return {row.provider: vendor_report_of(row) for row in rows}

    def vendor_reports(self, provider: str, *, after: datetime, before: datetime) -> list[VendorStateChange]:
        """The provider's reports after the one instant and until the other, oldest first.

        The one that was in force at the first instant comes before them, so that what is said by all of them together
        is known for the whole time.
        """
        ours = select(VendorReportRow).where(VendorReportRow.provider == storable(provider))
        when, number = col(VendorReportRow.at_ms), col(VendorReportRow.id)
        in_force = ours.where(when <= to_ms(after)).order_by(when.desc(), number.desc()).limit(1)
        later = ours.where(when > to_ms(after), when <= to_ms(before)).order_by(when, number)
        with Session(self._reading) as session:
            return [vendor_report_of(row) for rows in (in_force, later) for row in session.exec(rows)]

    def add_spending(self, observations: Sequence[Observation], purpose: str) -> None:
        """Add what questions beside the probes have cost to the spending.

        Under a name of their own (`compare: openai/m`), so that the mean cost of a target's probes stays theirs.
        """
        if observations:
            with self._engine.begin() as connection:
                add_cost(connection, [replaced(each, target=f"{purpose}: {each.target}") for each in observations])

    def spent(self, *, since: datetime, until: datetime) -> dict[str, float]:
        """What each target has cost from the day of the one instant to that of the other, as far as is known; by id."""
        with self._reading.connect() as connection:
            return {row.target: row.usd for row in connection.execute(_sums(since, until))}

    def mean_costs(self, now: datetime) -> dict[str, float]:
        """What a probe of each target has cost since yesterday's midnight, by id; without those that cost nothing."""
        with self._reading.connect() as connection:
            sums = connection.execute(_sums(now - timedelta(days=1), now))
            return {row.target: row.usd / int(row.priced) for row in sums if row.priced > 0}

    def save_throttling(self, text: str, now: datetime) -> None:
        """Replace the throttling by the budget; `text` is the budget tracker's JSON."""
        self._save(BudgetRow(id=_ONLY_ROW, at_ms=to_ms(now), pace=storable(text)))

    def throttling(self) -> str | None:
        """The last stored throttling, the budget tracker's JSON; None when there is none."""
        with Session(self._reading) as session:
            row = session.get(BudgetRow, _ONLY_ROW)
            return None if row is None else row.pace

    def beat(self, beat: ServiceBeat) -> None:
        """Replace the service's sign of life."""
        self._save(ServiceRow(id=_ONLY_ROW, **BEAT.columns(beat)))

    def last_beat(self) -> ServiceBeat | None:
        """The latest sign of life; None when the service never ran on this database."""
        with Session(self._reading) as session:
            row = session.exec(select(ServiceRow)).first()
            return None if row is None else BEAT.value(row)

    def prune(
        self, before: datetime, *, rollups_before: Mapping[timedelta, datetime] = _ALL_ROLLUPS, at_most: int = 5_000
    ) -> int:
        """Remove up to `at_most` rows from before this; returns how many.

        Sums of an hour or a day are kept unless `rollups_before` says from when on they are; `monitor.storage.pruning`
        says what goes with which. It is one step of a round, which is over once nothing is left (`pruner.is_over`).
        """
        with self._engine.begin() as connection:
            removed = self.pruner.step(connection, before, rollups_before, at_most)
            if has_partitions(connection):
                add_days_ahead(connection)
            else:
                give_back(connection)
        return removed

    def _save(self, row: SQLModel) -> None:
        """Add the row, or replace the one with its key."""
        with Session(self._engine) as session:
            session.merge(row)
            session.commit()


def insert_event(
    connection: Connection, at: datetime, kind: str, subject: str, text: str, *, notify: bool = False
) -> None:
    """Store an event in the transaction of `connection`, together with something else."""
    with Session(connection) as session:
        session.add(event_row(at, kind, subject, text, notify=notify))
        session.commit()  # flushes; the transaction ends with the connection's


def _rollups_from(targets: Sequence[str], span: timedelta, since: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the hours or days of these targets that begin at `since` or later."""
    of_targets = ROLLUPS.c.target.in_(map(storable, targets))
    return of_targets, ROLLUPS.c.span_s == int(span.total_seconds()), ROLLUPS.c.start_ms >= to_ms(since)


def _sums(since: datetime, until: datetime) -> Select[Any]:
    """The dollars of each target in these days, and how many of its probes have a known cost."""
    usd, probes, unpriced = (func.sum(SPENDING.c[name]) for name in ("usd", "probes", "unpriced"))
    return (
        select_columns(SPENDING.c.target, usd.label("usd"), (probes - unpriced).label("priced"))
        .where(SPENDING.c.day_ms >= to_ms(since) // DAY_MS * DAY_MS, SPENDING.c.day_ms <= to_ms(until))
        .group_by(SPENDING.c.target)
    )
