"""Leases: one holder at a time by the database's time, and no write under an epoch that is over."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Engine, text

from controller.journal import Journal
from controller.routing.decision import Decision
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import LEADER, DeposedError, HeldLease, LeaseFence
from monitor.storage.lease_store import LeaseStore
from monitor.storage.postgres_engine import open_reporter
from monitor.storage.postgres_writer import PostgresWriter
from monitor.storage.store import Store
from tests.support.databases import Seconds
from tests.support.postgres import PostgresServer

NOW = datetime(2026, 11, 29, tzinfo=UTC)
DECISION = Decision(route="chat", target="a/b", at=NOW, reason="", generation=1)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database with tables."""
    url = postgres.new_database()
    made = PostgresWriter(url)
    made.open()
    made.close()
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The connection of who asks for leases."""
    engine = open_reporter(url)
    yield engine
    engine.dispose()


@pytest.fixture
def leases(engine: Engine) -> LeaseStore:
    """Under test, with the usual time."""
    return LeaseStore(engine, LEADER)


def taken(leases: LeaseStore, holder: str, *, early: bool = False, above: int = 0) -> HeldLease | None:
    """The lease as somebody takes it now."""
    return leases.take(holder, leases.read(), early=early, above=above)


def held(leases: LeaseStore, holder: str, *, early: bool = False, above: int = 0) -> HeldLease:
    """The same, which succeeds."""
    lease = taken(leases, holder, early=early, above=above)
    assert lease
    return lease


def test_one_holds_it_at_a_time(leases: LeaseStore) -> None:
    """Until it is given back; the next has the next epoch, and the former can neither renew nor end it."""
    first = held(leases, "a")
    assert taken(leases, "b") is None
    assert leases.renew(first)
    assert 14 < leases.read().left_s <= 15
    leases.release(first)
    second = held(leases, "b", above=first.epoch + 10**9)
    assert second.epoch == first.epoch + 10**9 + 1
    assert leases.renew(first) is None
    leases.release(first)
    assert leases.renew(second)


def test_an_epoch_that_the_database_has_lost_is_given_to_nobody_again(engine: Engine, leases: LeaseStore) -> None:
    """A failover to a server that lags behind: it does not know who took the lease last."""
    first = held(leases, "a")
    leases.release(first)
    lost = held(leases, "b")
    with engine.begin() as connection:
        connection.execute(text("UPDATE leases SET holder = 'a', epoch = :epoch, until_ms = 0"), {"epoch": first.epoch})
    time.sleep(0.002)  # in which no server takes another's place
    assert held(leases, "c").epoch > lost.epoch > first.epoch


def test_of_two_who_saw_the_same_one_takes_it(engine: Engine) -> None:
    """Also early; and not from somebody who has renewed it since it was seen."""
    leases = LeaseStore(engine, LEADER, ttl_s=0.0)
    seen = leases.read()
    first = leases.take("a", seen)
    assert first
    assert leases.take("b", seen, early=True) is None
    seen = leases.read()
    long = LeaseStore(engine, LEADER)
    assert long.renew(first)
    assert leases.take("b", seen, early=True) is None
    assert long.take("b", long.read(), early=True)


def test_a_database_without_tables_has_no_leases(postgres: PostgresServer) -> None:
    """Which is no error."""
    engine = open_reporter(postgres.new_database())
    assert not LeaseStore(engine, LEADER).is_there()
    engine.dispose()


def test_who_takes_the_lease_throws_out_who_held_it(url: str, leases: LeaseStore) -> None:
    """The former leader's connection is ended; it takes the lock of who writes never again."""
    seconds = Seconds()
    fence = LeaseFence(held(leases, "a"))
    first = PostgresWriter(url, fence=fence, monotonic=seconds)
    first.open()
    lease = held(leases, "b", early=True)
    second = PostgresWriter(url, fence=LeaseFence(lease))
    second.open()
    with pytest.raises(DatabaseError):
        Store(first.engine).add_event(NOW, "a", "b", "c")
    for _ in range(2):
        seconds.now += 1
        assert not first.recover(NOW)
    assert fence.deposed == f"b has taken the lease 'leader' (epoch {lease.epoch})"
    Store(second.engine).add_event(NOW, "a", "b", "c")
    first.close()
    second.close()


def test_a_lease_is_fresh_for_less_than_it_lasts() -> None:
    """From when its renewal was asked for; and no more once it is lost."""
    seconds = Seconds()
    fence = LeaseFence(HeldLease(LEADER, "a", 1), monotonic=seconds)
    seconds.now = 12.9
    assert fence.is_fresh()
    fence.renewed(5.0)
    seconds.now = 18.0
    assert not fence.is_fresh()
    fence.renewed(17.0)
    assert fence.is_fresh()
    fence.depose("b", 2)
    assert not fence.is_fresh()


def test_the_journal_commits_nothing_under_an_epoch_that_is_over(url: str, leases: LeaseStore) -> None:
    """Though its connection still holds the lock."""
    fence = LeaseFence(held(leases, "a"))
    writer = PostgresWriter(url, fence=fence)
    writer.open()
    journal = Journal(writer.engine, fence)
    journal.commit([DECISION], ())
    held(leases, "b", early=True)
    with pytest.raises(DeposedError, match="b has taken the lease"):
        journal.commit([DECISION], ())
    assert len(journal.decisions()) == 1
    writer.close()


def test_a_leader_paused_in_the_midst_of_a_commit_holds_nobody_up(url: str, leases: LeaseStore) -> None:
    """The server ends its transaction, and with it the hold on the lease."""
    fence = LeaseFence(held(leases, "a"))
    writer = PostgresWriter(url, fence=fence, idle_s=0.1)
    writer.open()
    paused = writer.engine.connect()
    paused.begin()
    fence.hold(paused)
    held(leases, "b", early=True)
    with pytest.raises(DatabaseError):
        fence.hold(paused)
    paused.close()
    writer.close()


@pytest.mark.parametrize("statement", ["DELETE FROM leases", "UPDATE leases SET epoch = 3, holder = 'x'"])
def test_a_database_that_was_put_in_place_deposes_nobody(url: str, leases: LeaseStore, statement: str) -> None:
    """A new one, or a backup with an older lease: the holder writes its own into it, and goes on."""
    fence = LeaseFence(lease := held(leases, "a"))
    writer = PostgresWriter(url, fence=fence, monotonic=(seconds := Seconds()))
    writer.open()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(statement)
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    with pytest.raises(DatabaseError):
        Store(writer.engine).add_event(NOW, "a", "b", "c")
    seconds.now += 1
    assert writer.recover(NOW)
    reading = leases.read()
    assert (reading.holder, reading.epoch, fence.deposed) == ("a", lease.epoch, None)
    writer.close()
