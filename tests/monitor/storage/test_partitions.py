"""The observations of a day lie together, and go together."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from tests.support.builders import T0, observation
from tests.support.postgres import PostgresServer

DAY = timedelta(days=1)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(url)
    yield engine
    engine.dispose()


def days(engine: Engine) -> dict[str, int]:
    """The rows of each day that has a partition with rows."""
    there = text("SELECT tableoid::regclass::text, count(*) FROM observations GROUP BY 1 ORDER BY 1")
    with engine.connect() as connection:
        return {str(name): int(rows) for name, rows in connection.execute(there)}


def record(store: Store, *at_days: float) -> None:
    """Probes that many days after T0."""
    store.record([observation(".", at_s=86_400 * day) for day in at_days])


def test_each_day_has_its_own(engine: Engine) -> None:
    """Days in UTC, in any order, also long ago; what is recorded twice is there once."""
    store = Store(engine)
    record(store, 0, 1, -365)
    record(store, 0.1, 1)
    assert days(engine) == {
        "observations_20251121": 1,
        "observations_20261121": 2,
        "observations_20261122": 1,
    }


def test_days_that_are_over_are_dropped(engine: Engine) -> None:
    """As a whole, when their last moment is old enough; what is younger stays."""
    store = Store(engine)
    record(store, 0, 0.1, 1, 2)
    assert store.prune(T0 + DAY) == 1
    assert list(days(engine)) == ["observations_20261122", "observations_20261123"]
    assert store.prune(T0 + DAY) == 0


def test_a_reader_does_not_hold_up_the_service(engine: Engine, url: str) -> None:
    """A day that somebody reads is dropped later; new days are made meanwhile."""
    store = Store(engine)
    record(store, 0)
    with open_reader(url).connect() as reader:
        reader.execute(text("SELECT count(*) FROM observations"))
        assert store.prune(T0 + 2 * DAY) == 0
        record(store, 5)
        assert len(days(engine)) == 2
    assert store.prune(T0 + 2 * DAY) == 1
    assert list(days(engine)) == ["observations_20261126"]


def test_the_next_days_are_made_ahead(engine: Engine) -> None:
    """Today's and three more, once."""
    store = Store(engine)
    for _ in range(2):
        store.prune(T0 - 999 * DAY)
    with engine.connect() as connection:
        made = connection.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'observations'::regclass"))
    assert made == 4
