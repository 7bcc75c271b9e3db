"""One machine of a region probes; another takes over, and nobody stops for a database that is away."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Engine

from controller.fleet.region_lease import RegionLease, region_lease_name
from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.lease_store import LeaseStore
from monitor.storage.postgres_engine import open_reporter
from tests.support.databases import Seconds
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database with tables."""
    made = postgres.new_database()
    open_writer(made).dispose()
    return made


@pytest.fixture
def seconds() -> Seconds:
    """The clock of all machines."""
    return Seconds()


@pytest.fixture
def machine(url: str, seconds: Seconds) -> Iterator[Callable[[str], RegionLease]]:
    """Makes one of region eu; its name ends in its place, and a name of its own."""
    engines: list[Engine] = []

    def of(name: str) -> RegionLease:
        engines.append(open_reporter(url))
        store = LeaseStore(engines[-1], region_lease_name("eu"))
        return RegionLease(store, "eu", name, monotonic=seconds)

    yield of
    for engine in engines:
        engine.dispose()


def later(lease: RegionLease, seconds: Seconds, by_s: float) -> bool:
    """Whether it probes after so many seconds."""
    seconds.now += by_s
    lease.keep()
    return lease.is_held


def test_one_probes_until_it_lets_go(machine: Callable[[str], RegionLease], seconds: Seconds) -> None:
    """Then the other one does."""
    first, second = machine("host pid 1 aa.1"), machine("host pid 2 bb.2")
    assert [later(each, seconds, 0.0) for each in (first, second)] == [True, False]
    assert [later(each, seconds, 6.0) for each in (first, second)] == [True, False]
    first.release()
    assert not first.is_held
    assert later(second, seconds, 1.0)
    assert not later(first, seconds, 1.0)


def test_one_that_is_gone_is_succeeded(url: str, machine: Callable[[str], RegionLease], seconds: Seconds) -> None:
    """Once its lease is over; and at once by the next process of its own place."""
    names = ("host pid 1 aa.1", "host pid 2 bb.2", "host pid 3 aa.3")
    first, second, again = map(machine, names)
    assert later(first, seconds, 0.0)
    assert not later(second, seconds, 10.0)
    assert later(again, seconds, 0.0)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE leases SET until_ms = 0")
    assert later(second, seconds, 1.0)


def test_a_clock_of_the_database_that_is_set_back_leaves_no_region_without(
    url: str, machine: Callable[[str], RegionLease], seconds: Seconds
) -> None:
    """A lease that nobody renews is over, however long it says it is."""
    first, second = machine("host pid 1 aa.1"), machine("host pid 2 bb.2")
    assert later(first, seconds, 0.0)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE leases SET until_ms = until_ms + 3600000")
    assert [later(second, seconds, by_s) for by_s in (0.0, 19.0, 1.0)] == [False, False, True]


def test_who_probes_goes_on_without_the_database(
    url: str, machine: Callable[[str], RegionLease], seconds: Seconds
) -> None:
    """Nobody can say then that another one does."""
    first = machine("host pid 1 aa.1")
    assert later(first, seconds, 0.0)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER TABLE leases RENAME TO gone")
        with pytest.raises(DatabaseError):
            later(first, seconds, 6.0)
        assert first.is_held
        connection.execute("ALTER TABLE gone RENAME TO leases")
    assert later(first, seconds, 6.0)
