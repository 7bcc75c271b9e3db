"""Reads the rows that have some keys; adds rows, or replaces those that have their key: on SQLite and PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    RowMapping,
    Select,
    Table,
    bindparam,
    cast,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"


def insert_into(dialect: str, table: Table) -> Insert:
    """An insert that can say what happens on conflict; `dialect` is the name of the connection's."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - slow to import, and most do without

    return postgresql.insert(table)


def rows_of(connection: Connection, table: Table, keys: Sequence[tuple[object, ...]]) -> Sequence[RowMapping]:
    """The rows that have one of these primary keys, which are texts and integers; a seek for each of them."""
    return connection.execute(_selection(connection.dialect.name, table), {"keys": json.dumps(keys)}).mappings().all()


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add these rows, or replace those with their primary keys; at least one row, and each with all columns."""
    connection.execute(_replacement(connection.dialect.name, table), rows)


def delete_rows(connection: Connection, table: Table, keys: Sequence[str]) -> None:
    """Remove the rows with these primary keys, which are texts; those that are not there, too."""
    connection.execute(_deletion(table), [{"key": key} for key in keys])


def count_on(connection: Connection, table: Table) -> None:
    """Let the ids that the database gives go on above those that were added as they were; SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        serial = func.pg_get_serial_sequence(table.name, table.c.id.name)
        connection.execute(select(func.setval(serial, func.max(table.c.id))))


# Built once: building a statement costs more than running it.
@cache
def _selection(dialect: str, table: Table) -> Select[Any]:
    # Of several keys as `(a, b) IN (VALUES …)` SQLite reads the whole table.
    keys: BindParameter[str] = bindparam("keys")
    parts = list(table.primary_key.columns)
    values: list[ColumnElement[Any]]
    if dialect == "sqlite":
        key = func.json_each(keys).table_valued("value").c.value
        values = [func.json_extract(key, f"$[{place}]") for place in range(len(parts))]
    else:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - as above

        key = func.jsonb_array_elements(cast(keys, postgresql.JSONB)).column_valued("key")
        values = [cast(key.op("->>")(place), part.type) for place, part in enumerate(parts)]
    return select(table).where(*(part == value for part, value in zip(parts, values, strict=True)))


@cache
def _deletion(table: Table) -> Delete:
    [key] = table.primary_key.columns
    return delete(table).where(key == bindparam("key"))


@cache
def _replacement(dialect: str, table: Table) -> Insert:
    insert = insert_into(dialect, table)
    rest = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=rest)
