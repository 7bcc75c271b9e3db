"""PostgreSQL opens where it can, and says what to do where it cannot, never with the password."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, func, make_url, select

from monitor.storage.database import DatabaseError, open_operator, open_reader, open_writer, reading
from monitor.storage.postgres_connection import Connector
from monitor.storage.postgres_engine import Limits, writer_engine
from monitor.storage.store import Store
from monitor.storage.tables import EVENTS
from tests.support.builders import T0
from tests.support.postgres import PostgresServer, server_folder
from tests.support.postgres_network import server_of_version, silent_server

SECRET = "geheim12"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def writer(url: str) -> Iterator[Engine]:
    """A writer that does not wait for locks."""
    engine = open_writer(url, busy_timeout_s=0.05)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresServer]:
    """A server that asks for passwords, except of its owner."""
    server = PostgresServer(server_folder())
    server.admin(f"CREATE ROLE me LOGIN PASSWORD '{SECRET}'")
    server.admin("CREATE DATABASE mine OWNER me")
    server.admin("CREATE DATABASE theirs")
    server.admin("CREATE ROLE looker LOGIN PASSWORD 'x'")
    server.guard("me", "looker")
    yield server
    server.close()


def add_event(engine: Engine) -> None:
    """Write something."""
    Store(engine).add_event(T0, "noted", "here", "x")


def count(engine: Engine) -> int:
    """The events that an engine sees."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(EVENTS)) or 0


def refusal(url: str) -> str:
    """What is said of a database that cannot be opened."""
    with pytest.raises(DatabaseError) as caught:
        open_writer(url)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://me:geheim12@db", "names no database"),
        ("postgresql+psycopg://me:geheim12@db/a/b", "names no database"),
        ("postgresql+psycopg://me:geheim12@db:port/x", "no readable host and port"),
        ("postgresql+psycopg://me:geheim12@x@db/x", "write '@' as %40"),
        ("postgresql+psycopg://me:geheim12#x@db/x", "'#' as %23"),
        ("postgresql+psycopg://me@db/x?password=geheim12", "among the options"),
        ("postgresql+psycopg://me:geheim12@db/x y", "holds a blank"),
        ("postgresql+psycopg://me:geheim12@127.0.0.1:1/x", "cannot be reached: is the server running"),
        ("postgresql+psycopg://me:geheim12@name.invalid/x", "cannot be reached: is the server running"),
        ("postgresql+psycopg://me:geheim12@/x?host=/nowhere", "its server's socket is not in that folder"),
        ("postgresql+psycopg://me:geheim12@127.0.0.1:1/x?sslmode=maybe", "sslmode"),
        ("postgresql+psycopg://me:geheim12@127.0.0.1:1/x?nonsense=1", "nonsense"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str, message: str) -> None:
    """With what is wrong."""
    assert message in refusal(url)


@pytest.mark.slow
def test_who_may_not_come_in_is_told(guarded: PostgresServer) -> None:
    """A wrong password, none, an unknown user, a database that is missing, one that belongs to others."""
    mine = make_url(guarded.url("mine"))

    def said(username: str, password: str | None = None, database: str = "mine") -> str:
        address = mine.set(username=username, password=password, database=database)
        return refusal(address.render_as_string(hide_password=False))

    assert "refuses this user: check the user and the password" in said(username="me", password=f"{SECRET}x")
    assert "refuses this user" in said(username="me")
    assert "refuses this user" in said(username="nobody", password=SECRET)
    assert "does not exist: create it" in said(username="me", password=SECRET, database="missing")
    assert "make the user the database's owner" in said(username="looker", password="x", database="theirs")
    engine = open_writer(mine.set(username="me", password=SECRET).render_as_string(hide_password=False))
    add_event(engine)
    engine.dispose()


def test_a_server_that_is_too_old_is_refused() -> None:
    """By what it says of itself."""
    with server_of_version("13.4") as url:
        assert "it is PostgreSQL 13, expected 14 or later" in refusal(url)


def test_a_server_that_says_nothing_is_given_up() -> None:
    """In time, and nobody tries again while the first attempt goes on."""
    with silent_server() as url:
        connector = Connector(0.1)
        engine = writer_engine(url, Limits(), connector=connector)
        for _ in range(2):
            with pytest.raises(DatabaseError, match="does not answer"):
                count(engine)
        assert connector.is_hanging


def test_another_program_s_database_is_left_alone(url: str) -> None:
    """Nothing is made in it."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (id int)")
    assert "belongs to something else: it has the table 'theirs'" in refusal(url)


def test_who_reads_needs_a_database_of_this_version(url: str) -> None:
    """One that nobody has written to yet is none."""
    with pytest.raises(DatabaseError, match="is empty: `hotspare run` has not written to it yet"):
        open_reader(url)
    engine = open_writer(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(DatabaseError, match="has schema '9999'"):
        open_operator(url)
    with pytest.raises(DatabaseError, match="a newer one has written it"):
        open_writer(url)


def test_a_reader_sees_one_instant(writer: Engine, url: str) -> None:
    """Whatever is written meanwhile; and it cannot write."""
    reader = open_reader(url)
    add_event(writer)
    with reader.connect() as connection:
        seen = connection.scalar(select(func.count()).select_from(EVENTS))
        add_event(writer)
        assert connection.scalar(select(func.count()).select_from(EVENTS)) == seen == 1
    assert count(reader) == 2
    with pytest.raises(DatabaseError, match="is read-only"):
        add_event(reader)


def test_writers_write_one_after_the_other(writer: Engine, url: str) -> None:
    """A command's transaction and the service's; who only reads waits for neither."""
    operator = open_operator(url)
    with operator.begin() as busy:
        busy.exec_driver_sql("SELECT 1")
        with pytest.raises(DatabaseError, match="is locked by another session"):
            add_event(writer)
        assert count(reading(writer)) == 0
    add_event(writer)
    operator.dispose()


@pytest.mark.slow
def test_a_reader_goes_on_after_a_restart() -> None:
    """Connections that the server has closed are not used again."""
    server = PostgresServer(server_folder())
    url = server.new_database()
    open_writer(url).dispose()
    reader = open_reader(url)
    assert count(reader) == 0
    server.stop()
    with pytest.raises(DatabaseError, match=r"cannot be reached|is stopped"):
        count(reader)
    server.start()
    assert count(reader) == 0
    reader.dispose()
    server.close()
