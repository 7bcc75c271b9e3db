"""Reads the rows that have some keys; adds rows, or replaces those that have their key."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, bindparam, func, select
from sqlalchemy.dialects.sqlite import Insert, insert


def rows_of(connection: Connection, table: Table, keys: Sequence[tuple[object, ...]]) -> Sequence[RowMapping]:
    """The rows that have one of these primary keys, which are texts and integers; a seek for each of them."""
    return connection.execute(_selection(table), {"keys": json.dumps(keys)}).mappings().all()


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add these rows, or replace those with their primary keys; at least one row, and each with all columns."""
    connection.execute(_replacement(table), rows)


# Built once: building a statement costs more than running it.
@cache
def _selection(table: Table) -> Select[Any]:
    # Of several keys as `(a, b) IN (VALUES …)` SQLite reads the whole table.
    key = func.json_each(bindparam("keys")).table_valued("value")
    parts = enumerate(table.primary_key.columns)
    return select(table).where(*(column == func.json_extract(key.c.value, f"$[{place}]") for place, column in parts))


@cache
def _replacement(table: Table) -> Insert:
    return insert(table).prefix_with("OR REPLACE")
