"""Stores observations, each once, and adds them to the sums of their hours and days and to the spending."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.sql.dml import ReturningInsert

from monitor.history.rollup import DAY, span_start
from monitor.storage.column_conversions import storable, to_ms
from monitor.storage.partitions import DAY_MS, add_days, has_partitions
from monitor.storage.rollup_rows import add_to_rollups
from monitor.storage.row_conversions import observation_row
from monitor.storage.tables import OBSERVATIONS, SPENDING
from monitor.storage.upsert import Insert, insert_into
from probes.observation import Observation

_KEY: Final = list(OBSERVATIONS.primary_key.columns)


def add_observations(connection: Connection, observations: Sequence[Observation]) -> list[Observation]:
    """Store these in the transaction of `connection`; returns those that were not stored before.

    Of several with the same target, millisecond, check and region the first counts.
    """
    rows = [observation_row(observation) for observation in observations]
    by_key: dict[tuple[object, ...], Observation] = {}
    for row, observation in zip(rows, observations, strict=True):
        by_key.setdefault(tuple(row[column.name] for column in _KEY), observation)
    if has_partitions(connection):
        add_days(connection, {to_ms(observation.started_at) // DAY_MS for observation in observations})
    stored = [by_key[tuple(key)] for key in connection.execute(_record(connection.dialect.name), rows)] if rows else []
    if stored:
        add_cost(connection, stored)
        add_to_rollups(connection, stored)
    return stored


def add_cost(connection: Connection, observations: Sequence[Observation]) -> None:
    """Add the cost of these, at least one, to the spending of their targets' days."""
    connection.execute(_add_cost(connection.dialect.name), [_spending_row(each) for each in observations])


# Core, and built once: these run for every batch of observations.
@cache
def _record(dialect: str) -> ReturningInsert[Any]:
    """Adds observations; returns the keys of those that are new."""
    insert = insert_into(dialect, OBSERVATIONS)
    return insert.on_conflict_do_nothing().returning(*_KEY)


@cache
def _add_cost(dialect: str) -> Insert:
    """Adds to the spending of a target's day."""
    insert = insert_into(dialect, SPENDING)
    sums = {name: SPENDING.c[name] + insert.excluded[name] for name in ("usd", "probes", "unpriced")}
    return insert.on_conflict_do_update(index_elements=SPENDING.primary_key.columns, set_=sums)


def _spending_row(observation: Observation) -> dict[str, object]:
    day_ms, usd = to_ms(span_start(observation.started_at, DAY)), observation.cost_usd
    target = storable(observation.target)
    return {"day_ms": day_ms, "target": target, "usd": usd or 0.0, "probes": 1, "unpriced": int(usd is None)}
