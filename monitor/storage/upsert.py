"""Adds rows, or replaces those that have their key."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite import Insert, insert


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add these rows, or replace those with their primary keys; at least one row, and each with all columns."""
    connection.execute(_replacement(table), rows)


@cache
def _replacement(table: Table) -> Insert:
    # Built once: building a statement costs more than running it.
    return insert(table).prefix_with("OR REPLACE")
