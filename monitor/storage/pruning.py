"""Removes what is past its retention, a bounded number of rows at a time.

Single observations, connectivity, vendors' words and events go with `retention.raw`; the sums of minutes, which only
applications' requests have, after two weeks; ended overrides, and the sums of hours, with `retention.hour`; the sums of
days with `retention.day`, and the spending of a day two months after it, for a month's budget counts it. Deliveries and
presses go a month after `raw`, once their incident is over. Incidents, decisions and transitions stay. So do notices
that people are told once, and a vendor's last word: it still holds.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, false, func, or_, select, tuple_

from monitor.detection.notices import KINDS
from monitor.history.rollup import DAY, HOUR, MINUTE
from monitor.storage.column_conversions import to_ms
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
)

NEWEST_REPORTS: Final = select(func.max(VENDOR_REPORTS.c.id)).group_by(VENDOR_REPORTS.c.provider)
"""The ids of the vendors' last reports."""
_NO_ROW: Final = false()
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


def prune_rows(
    connection: Connection, before: datetime, sums_before: Mapping[timedelta, datetime], at_most: int
) -> int:
    """Remove up to `at_most` rows; returns how many. `before` is that of `retention.raw`, `sums_before` by span."""
    before_ms, removed = to_ms(before), 0
    removed += _prune_oldest(connection, OBSERVATIONS, OBSERVATIONS.c.started_ms < before_ms, at_most)
    for table, spans in _SUMS.items():
        for span in sums_before.keys() & set(spans):
            is_old = and_(table.c.span_s == int(span.total_seconds()), table.c.start_ms < to_ms(sums_before[span]))
            removed += _prune_oldest(connection, table, is_old, at_most - removed)
    removed += _prune_by_id(connection, CONNECTIVITY, before_ms, at_most - removed)
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


def subjects_of(table: Table) -> Select[str]:
    """The targets or routes that have rows in the table, whose key begins with them, by one seek each.

    `SELECT DISTINCT` would read the whole history: here each is found as the least above the last.
    """
    key = next(iter(table.primary_key.columns))
    subjects = select(func.min(key).label("subject")).cte("subjects", recursive=True)
    following = select(func.min(key)).where(key > subjects.c.subject).scalar_subquery()
    subjects = subjects.union_all(select(following).where(subjects.c.subject.is_not(None)))
    return select(subjects.c.subject).where(subjects.c.subject.is_not(None))


def _prune_oldest(connection: Connection, table: Table, is_old: ColumnElement[bool], at_most: int) -> int:
    """Remove up to `at_most` rows of a table whose key begins with a target or a route; returns how many."""
    key, removed = list(table.primary_key.columns), 0
    for subject in connection.scalars(subjects_of(table)).all():
        oldest = select(*key).where(key[0] == subject, is_old).order_by(*key).limit(at_most - removed)
        removed += connection.execute(delete(table).where(tuple_(*key).in_(oldest))).rowcount
    return removed


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
