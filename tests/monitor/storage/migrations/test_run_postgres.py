"""PostgreSQL begins with the models, at the newest revision; what comes after runs on both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine
from sqlmodel import SQLModel

from monitor.storage.database import SCHEMA, DatabaseError, open_writer
from monitor.storage.migrations.run import migrate
from monitor.storage.store import Store
from monitor.storage.tables import EVENTS
from tests.monitor.storage.migrations.test_run import with_next
from tests.support.builders import T0, observation
from tests.support.postgres import PostgresServer


@pytest.fixture
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    """A new database at the newest revision."""
    engine = open_writer(postgres.new_database())
    yield engine
    engine.dispose()


def test_an_empty_database_is_made_from_the_models(engine: Engine) -> None:
    """Alembic would have nothing to change, and knows the revision."""
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar_one() == SCHEMA


def test_a_later_migration_keeps_the_rows(engine: Engine, tmp_path: Path) -> None:
    """Also of a table that has partitions."""
    store = Store(engine)
    store.add_event(T0, "a", "b", "c")
    store.record([observation(".")])
    more = "op.add_column('observations', sa.Column('more', sa.TEXT()))"
    with engine.begin() as connection:
        migrate(connection, current=SCHEMA, wanted="next", scripts=with_next(tmp_path / "scripts", more))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT subject, more FROM events").all() == [("b", None)]
        assert connection.exec_driver_sql("SELECT check_, more FROM observations").all() == [("chat", None)]
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar_one() == "next"


def test_a_migration_that_fails_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    """What it had done to the tables is undone."""
    Store(engine).add_event(T0, "a", "b", "c")
    scripts = with_next(tmp_path / "scripts", "op.execute('INSERT INTO nowhere VALUES (1)')")
    with pytest.raises(DatabaseError, match="nowhere"), engine.begin() as connection:
        migrate(connection, current=SCHEMA, wanted="next", scripts=scripts)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert len(connection.execute(EVENTS.select()).all()) == 1


def test_a_database_of_the_version_before_the_fleet_is_brought_up_to_date(engine: Engine) -> None:
    """Its decisions have epoch 0, and the tables are those of the models."""
    with engine.begin() as connection:
        for table in ("leases", "published_tables", "regions", "probe_reports", "quiet_progress"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("ALTER TABLE decisions DROP COLUMN epoch")
        connection.exec_driver_sql(
            "INSERT INTO decisions (route, at_ms, move, target, reason, generation)"
            " VALUES ('r', 1, 'first', 't', '', 1)"
        )
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0014'")
        migrate(connection, current="0014", wanted=SCHEMA)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert connection.exec_driver_sql("SELECT route, epoch FROM decisions").all() == [("r", 0)]
