"""Insert statements that say what happens to a row whose key is there already. One place knows the dialect."""

from sqlalchemy import Table
from sqlalchemy.dialects.sqlite import Insert, insert


def insert_or_ignore(table: Table) -> Insert:
    """Inserts rows; one whose primary key is there already is left as it is."""
    return insert(table).on_conflict_do_nothing(index_elements=table.primary_key.columns)


def insert_or_replace(table: Table) -> Insert:
    """Inserts rows; one whose primary key is there already gets the new values."""
    new = insert(table)
    key = table.primary_key.columns
    values = {name: column for name, column in new.excluded.items() if name not in key}
    return new.on_conflict_do_update(index_elements=key, set_=values)


def insert_or_add(table: Table, *columns: str) -> Insert:
    """Inserts rows; one whose primary key is there already has the new values of these columns added to its own."""
    new = insert(table)
    sums = {name: table.c[name] + new.excluded[name] for name in columns}
    return new.on_conflict_do_update(index_elements=table.primary_key.columns, set_=sums)
