"""The service's PostgreSQL is held by one, and used again after a restart, a lock, a cut and a replacement."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import make_url

from monitor.storage.database import DatabaseError
from monitor.storage.lock import HeldError
from monitor.storage.postgres_engine import SERVICE_LOCK
from monitor.storage.postgres_errors import ends_session
from monitor.storage.postgres_writer import PostgresWriter
from monitor.storage.store import Store
from tests.support.databases import Seconds
from tests.support.postgres import PostgresServer, server_folder
from tests.support.postgres_network import Wire

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def seconds() -> Seconds:
    """The clock of the database under test."""
    return Seconds()


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def database(url: str, seconds: Seconds) -> Iterator[PostgresWriter]:
    """An open one, with one event."""
    made = PostgresWriter(url, monotonic=seconds, statement_s=0.2)
    made.open()
    add_event(made)
    yield made
    made.close()


def add_event(database: PostgresWriter) -> None:
    """Write something."""
    Store(database.engine).add_event(NOW, "noted", "here", "x")


def count(database: PostgresWriter) -> int:
    """The events in it."""
    return len(Store(database.engine).events_after(0)[1])


def other(url: str) -> psycopg.Connection:
    """Somebody else's connection."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def tries_again(database: PostgresWriter, seconds: Seconds) -> bool:
    """Whether it can be used again, a second later."""
    seconds.now += 1.0
    return database.recover(NOW)


def test_a_second_service_is_refused(url: str, database: PostgresWriter) -> None:
    """With who holds it; once that one is gone, however it died, the next may open it."""
    second = PostgresWriter(url)
    with pytest.raises(HeldError, match=r"another hotspare \(hotspare \d+@.*, since .*Z\) holds database .*: stop it"):
        second.open()
    database.close()
    second.open()
    second.close()


@pytest.mark.slow
def test_a_lock_that_another_takes_meanwhile_is_a_fault(url: str, database: PostgresWriter, seconds: Seconds) -> None:
    """Whoever reads or writes meets a DatabaseError, as with all else that a database does."""
    with other(url) as second:
        second.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        second.execute(f"SELECT pg_advisory_lock({SERVICE_LOCK})")
        for act in (count, add_event):
            with pytest.raises(DatabaseError):
                act(database)
        with pytest.raises(DatabaseError, match=r"another hotspare .* holds"):
            count(database)
        assert not tries_again(database, seconds)
    assert tries_again(database, seconds)
    assert count(database) == 1


def test_the_lineage_stays_with_the_database(postgres: PostgresServer, url: str, database: PostgresWriter) -> None:
    """Across services; another database has another."""
    lineage = database.lineage
    database.close()
    for where, same in ((url, True), (postgres.new_database(), False)):
        again = PostgresWriter(where)
        again.open()
        assert (again.lineage == lineage) is same
        again.close()


@pytest.mark.slow
def test_a_server_that_is_restarted_is_used_again(seconds: Seconds) -> None:
    """Nobody waits while it is gone; nothing of it was replaced, and how long it lasted is known."""
    server = PostgresServer(server_folder())
    database = PostgresWriter(server.new_database(), monotonic=seconds)
    database.open()
    add_event(database)
    server.stop()
    for _ in range(2):
        with pytest.raises(DatabaseError, match=r"is stopped|cannot be reached"):
            add_event(database)
    assert not tries_again(database, seconds)
    server.start()
    assert tries_again(database, seconds)
    assert (count(database), database.replaced) == (1, None)
    outage = database.confirm_written()
    assert outage
    assert outage.lasted_s == 2.0
    database.close()
    server.close()


def test_a_lock_refuses_at_once_until_it_is_gone(url: str, database: PostgresWriter, seconds: Seconds) -> None:
    """It is no doubt: nothing was written."""
    with other(url) as busy, busy.transaction():
        busy.execute("LOCK TABLE events")
        with pytest.raises(DatabaseError, match=r"takes too long|is locked by another session"):
            add_event(database)
        assert database.unusable
    assert tries_again(database, seconds)
    assert (count(database), database.in_doubt) == (1, False)


def test_one_that_is_read_only_is_waited_for(url: str, database: PostgresWriter, seconds: Seconds) -> None:
    """Read-only, as after a failover to a standby: a fault of the database, until it is over."""
    name = make_url(url).database
    with other(url) as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        database.engine.dispose()
        with pytest.raises(DatabaseError, match="is read-only: it may be a standby"):
            add_event(database)
        assert not tries_again(database, seconds)
    with psycopg.connect(url.replace("+psycopg", ""), options="-c default_transaction_read_only=off") as admin:
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert tries_again(database, seconds)
    add_event(database)


@pytest.mark.parametrize("kept", [False, True])
def test_another_database_in_its_place_is_told(
    postgres: PostgresServer, url: str, database: PostgresWriter, seconds: Seconds, *, kept: bool
) -> None:
    """An empty one, or one with the same rows, such as a restored backup: the service must write what it knows."""
    name = make_url(url).database
    database.engine.dispose()
    postgres.admin(f"ALTER DATABASE {name} RENAME TO {name}_former")
    with pytest.raises(DatabaseError, match="does not exist"):
        add_event(database)
    postgres.admin(f"CREATE DATABASE {name}" + (f" TEMPLATE {name}_former" if kept else ""))
    assert tries_again(database, seconds)
    assert database.replaced
    assert ("the one in its place is used" if kept else "a new one was begun") in database.replaced
    assert count(database) == int(kept)


def test_tables_that_somebody_drops_are_made_anew(url: str, database: PostgresWriter, seconds: Seconds) -> None:
    """As for a file that is emptied."""
    with other(url) as admin:
        admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with pytest.raises(DatabaseError, match="lacks a table"):
        add_event(database)
    assert tries_again(database, seconds)
    assert "was emptied by someone else: a new one was begun" in str(database.replaced)
    add_event(database)


@pytest.mark.slow
def test_a_network_that_is_cut_is_no_lock_for_ever(url: str, seconds: Seconds) -> None:
    """The call is given up, and in doubt; the session that the server still sees is ours, and is ended."""
    wire = Wire(url)
    database = PostgresWriter(wire.url, monotonic=seconds, statement_s=0.2)
    database.open()
    add_event(database)
    wire.cut()
    with pytest.raises(DatabaseError, match="does not answer"):
        add_event(database)
    assert database.in_doubt
    assert tries_again(database, seconds)
    assert (count(database), database.replaced) == (1, None)
    database.close()
    wire.close()


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (psycopg.OperationalError("the connection is closed"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CrashShutdown(), True),
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.LockNotAvailable(), False),
        (psycopg.errors.DiskFull(), False),
        (psycopg.errors.ReadOnlySqlTransaction(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_commit_is_in_doubt_where_the_session_has_ended(error: psycopg.Error, ends: bool) -> None:
    """Also one that the server ends: it may have waited for a replica only."""
    assert ends_session(error) == ends
