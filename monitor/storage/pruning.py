"""Removes what is past its retention, a bounded number of rows at a time.

Single observations, connectivity, vendors' words and events go with `retention.raw`; the sums of minutes, which only
applications' requests have, after two weeks; ended overrides, and the sums of hours, with `retention.hour`; the sums of
days with `retention.day`, and the spending of a day two months after it, for a month's budget counts it. Deliveries and
presses go a month after `raw`, once their incident is over. Incidents, decisions and transitions stay. So do notices
that people are told once, and a vendor's last word: it still holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    and_,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from monitor.detection.notices import KINDS
from monitor.history.rollup import DAY, HOUR, MINUTE
from monitor.storage.column_conversions import to_ms
from monitor.storage.partitions import drop_days, has_partitions
from monitor.storage.rollup_tables import ROLLUPS, ROUTE_ROLLUPS, TRAFFIC_ROLLUPS
from monitor.storage.tables import (
    CONNECTIVITY,
    DELIVERIES,
    EVENTS,
    INCIDENTS,
    OBSERVATIONS,
    OVERRIDES,
    SPENDING,
    VENDOR_REPORTS,
    slot_of,
)

NEWEST_REPORTS: Final = select(func.max(VENDOR_REPORTS.c.id)).group_by(VENDOR_REPORTS.c.provider)
"""The ids of the vendors' last reports."""
_NO_ROW: Final = false()
#: So many targets and routes are looked at in a step.
_SUBJECTS_AT_ONCE: Final = 500
#: The sums, and the spans that each has.
_SUMS: Final = {ROLLUPS: (HOUR, DAY), ROUTE_ROLLUPS: (HOUR, DAY), TRAFFIC_ROLLUPS: (MINUTE, HOUR)}
_DELIVERED_LONGER: Final = timedelta(days=30)
_SPENT_LONGER: Final = timedelta(days=62)
_OPEN: Final = select(INCIDENTS.c.id).where(INCIDENTS.c.resolved_ms.is_(None))
_DELIVERY: Final = DELIVERIES.c
#: What nothing follows from any more; marks without an incident, such as the id of a channel, have no attempts.
_DELIVERED: Final = and_(
    _DELIVERY.done_ms.is_not(None),
    or_(_DELIVERY.incident_id.not_in(_OPEN), and_(_DELIVERY.incident_id.is_(None), _DELIVERY.attempts > 0)),
)


class Pruner:
    """Goes through what may be removed, a step at a time: a step costs the same however long the history.

    A round is over once every table was looked through; the next step begins another one.
    """

    def __init__(self) -> None:
        self.is_over = True
        """Whether the last step ended a round."""
        self._place: tuple[int, str] = (0, "")
        """Which sums are looked through, and the last target or route that has nothing left there."""

    def step(
        self, connection: Connection, before: datetime, sums_before: Mapping[timedelta, datetime], at_most: int
    ) -> int:
        """Remove up to `at_most` rows; returns how many. `before` is that of `retention.raw`, `sums_before` by span.

        Where the observations have partitions, the days that are over go as a whole, each counted as one row more. When
        the transaction of `connection` fails, the rest of the round is left to the next one.
        """
        days = drop_days(connection, to_ms(before)) if self.is_over and has_partitions(connection) else 0
        number, after = (0, "") if self.is_over else self._place
        self._place, self.is_over = (0, ""), True
        parts, room = _by_subject(sums_before), _SUBJECTS_AT_ONCE
        removed = 0 if has_partitions(connection) else _prune_observations(connection, to_ms(before), at_most)
        while number < len(parts) and removed < at_most and room:
            table, is_old = parts[number]
            subjects = connection.scalars(subjects_of(table, after, room)).all()
            removed += _prune_oldest(connection, table, subjects, is_old, at_most - removed) if subjects else 0
            if removed < at_most:  # else some of these may have more
                number, after = (number, subjects[-1]) if len(subjects) == room else (number + 1, "")
                room -= len(subjects)
        if number == len(parts) and removed < at_most:
            removed += _prune_others(connection, before, sums_before, at_most - removed)
            self.is_over = removed < at_most
        else:
            self.is_over = False
        self._place = number, after
        return removed + days


def _by_subject(sums_before: Mapping[timedelta, datetime]) -> list[tuple[Table, ColumnElement[bool]]]:
    """What is removed from tables whose key begins with a target or a route."""
    parts: list[tuple[Table, ColumnElement[bool]]] = []
    for table, spans in _SUMS.items():
        parts += [
            (table, and_(table.c.span_s == int(span.total_seconds()), table.c.start_ms < to_ms(sums_before[span])))
            for span in spans
            if span in sums_before
        ]
    return parts


def _prune_others(
    connection: Connection, before: datetime, sums_before: Mapping[timedelta, datetime], at_most: int
) -> int:
    before_ms = to_ms(before)
    removed = _prune_by_id(connection, CONNECTIVITY, before_ms, at_most)
    told_once = EVENTS.c.kind.in_(KINDS)  # once removed, they would be told again
    removed += _prune_by_id(connection, EVENTS, before_ms, at_most - removed, keep=told_once)
    in_force = VENDOR_REPORTS.c.id.in_(NEWEST_REPORTS)
    removed += _prune_by_id(connection, VENDOR_REPORTS, before_ms, at_most - removed, keep=in_force)
    delivered = and_(_DELIVERED, _DELIVERY.begun_ms < to_ms(before - _DELIVERED_LONGER))
    removed += _prune_where(connection, DELIVERIES, delivered, _DELIVERY.begun_ms, at_most - removed)
    if oldest_hour := sums_before.get(HOUR):
        ended = and_(OVERRIDES.c.ended_ms < to_ms(oldest_hour), OVERRIDES.c.heeded_ms.is_not(None))
        removed += _prune_where(connection, OVERRIDES, ended, OVERRIDES.c.id, at_most - removed)
    if oldest_day := sums_before.get(DAY):
        spent = SPENDING.c.day_ms < to_ms(oldest_day - _SPENT_LONGER)
        removed += _prune_where(connection, SPENDING, spent, SPENDING.c.day_ms, at_most - removed)
    return removed


def subjects_of(table: Table, after: str | None = None, at_most: int = -1) -> Select[str]:
    """The targets or routes that have rows in the table, whose key begins with them, by one seek each, in order.

    Those above `after`, the first `at_most` of them. `SELECT DISTINCT` would read the whole history: here each is found
    as the least above the last.
    """
    key = next(iter(table.primary_key.columns))
    first = select(func.min(key).label("subject"))
    subjects = (first if after is None else first.where(key > after)).cte("subjects", recursive=True)
    following = select(func.min(key)).where(key > subjects.c.subject).scalar_subquery()
    subjects = subjects.union_all(select(following).where(subjects.c.subject.is_not(None)))
    return select(subjects.c.subject).where(subjects.c.subject.is_not(None)).limit(at_most if at_most >= 0 else None)


def _prune_observations(connection: Connection, before_ms: int, at_most: int) -> int:
    """Remove up to `at_most` of the oldest, which lie together; returns how many."""
    started, row = OBSERVATIONS.c.started_ms, literal_column("rowid", Integer)
    is_old = (started < before_ms, slot_of(started) <= slot_of(before_ms))
    oldest = select(row).select_from(OBSERVATIONS).where(*is_old).order_by(slot_of(started)).limit(at_most)
    return connection.execute(delete(OBSERVATIONS).where(row.in_(oldest))).rowcount


def _prune_oldest(
    connection: Connection, table: Table, subjects: Sequence[str], is_old: ColumnElement[bool], at_most: int
) -> int:
    """Remove up to `at_most` rows of these targets or routes; returns how many."""
    key = list(table.primary_key.columns)
    oldest = select(*key).where(key[0].in_(subjects), is_old).limit(at_most)
    return connection.execute(delete(table).where(tuple_(*key).in_(oldest))).rowcount


def _prune_by_id(
    connection: Connection, table: Table, before_ms: int, at_most: int, *, keep: ColumnElement[bool] = _NO_ROW
) -> int:
    oldest = select(table.c.id).where(table.c.at_ms < before_ms, ~keep).order_by(table.c.at_ms).limit(at_most)
    return connection.execute(delete(table).where(table.c.id.in_(oldest))).rowcount


def _prune_where(
    connection: Connection, table: Table, is_old: ColumnElement[bool], age: ColumnElement[int], at_most: int
) -> int:
    key = list(table.primary_key.columns)
    oldest = select(*key).where(is_old).order_by(age).limit(at_most)
    return connection.execute(delete(table).where(tuple_(*key).in_(oldest))).rowcount
