"""The tables of a new database: made from the models, which the migrations lead to as well, without Alembic."""

from typing import Final

from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from monitor.storage import fleet_tables, rollup_tables, tables  # noqa: F401 - they register their tables
from monitor.storage.partitions import PARTITIONED_BY_TIME

#: As Alembic makes it.
_REVISION_TABLE: Final = (
    "CREATE TABLE alembic_version"
    " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def make_tables(connection: Connection, revision: str) -> None:
    """Make all tables within the connection's transaction, and note for Alembic that they are of this revision."""
    if connection.dialect.name == "postgresql":
        tables.OBSERVATIONS.dialect_kwargs.update(PARTITIONED_BY_TIME)
    SQLModel.metadata.create_all(connection)
    connection.execute(text(_REVISION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
