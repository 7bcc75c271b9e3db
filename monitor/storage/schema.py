"""The revision of a database's tables, and the migrations that lead to the newest."""

from typing import Final

from sqlalchemy import Connection, inspect, text

from monitor.storage.database_error import DatabaseError

SCHEMA: Final = "0018"
"""The newest migration; a database at this revision needs none."""


def revision_of(connection: Connection, name: str) -> str | None:
    """The migration that the database stands at; None when it is empty. `name` is the database's, in messages."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise DatabaseError(
            f"{name} belongs to something else: it has the table {tables[0]!r} but none of Hotspare's;"
            " set another `database`"
        )
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if revision is None else str(revision)


def require_newest(connection: Connection, name: str) -> None:
    """Raise DatabaseError unless the database is of this version."""
    revision = revision_of(connection, name)
    if revision is None:
        raise DatabaseError(f"{name} is empty: `hotspare run` has not written to it yet")
    if revision != SCHEMA:
        raise DatabaseError(
            f"{name} has schema {revision!r}, expected {SCHEMA!r}:"
            " `hotspare run` of this version brings an older one up to date; a newer one needs that version here too"
        )


def migrate_to_newest(connection: Connection, name: str) -> None:
    """Bring the tables up to date within the connection's transaction: all of them, or nothing."""
    revision = revision_of(connection, name)
    if revision == SCHEMA:
        return
    if revision is None:
        from monitor.storage.new_tables import make_tables  # noqa: PLC0415 - what only reads needs no tables of ours

        make_tables(connection, SCHEMA)
        return
    from monitor.storage.migrations.run import migrate  # noqa: PLC0415 - Alembic is slow to import, and only an older database needs it

    try:
        migrate(connection, current=revision, wanted=SCHEMA)
    except LookupError as error:
        raise DatabaseError(
            f"{name} has schema {revision!r}, this version of Hotspare knows up to {SCHEMA!r}:"
            " a newer one has written it; run that version, or set another `database`"
        ) from error
