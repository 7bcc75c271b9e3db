"""The last runs of a route and set are kept in the database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from controller.compare.history import PastRun
from controller.compare.store import ComparisonStore
from monitor.storage.database import open_operator, open_writer
from monitor.storage.tables import COMPARISONS

T0 = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database of the service's, opened beside it."""
    open_writer(database_url).dispose()
    engine = open_operator(database_url)
    yield engine
    engine.dispose()


def run(minutes: int) -> PastRun:
    """A run at this minute."""
    return PastRun(at=T0 + timedelta(minutes=minutes), candidates={})


def test_the_last_twenty_runs_of_a_route_and_set_are_kept(engine: Engine) -> None:
    """Newest first; those of others stay."""
    kept = ComparisonStore(engine)
    kept.add("other", "a", run(0))
    kept.add("chat", "b", run(0))
    for minute in range(25):
        kept.add("chat", "a", run(minute))
    assert kept.runs("chat", "a") == tuple(run(minute) for minute in range(24, 4, -1))
    assert kept.runs("other", "a") == kept.runs("chat", "b") == (run(0),)
    assert kept.runs("chat", "c") == ()


def test_what_another_version_has_kept_is_left_out(engine: Engine) -> None:
    """And a route of any name is found again."""
    kept = ComparisonStore(engine)
    kept.add("ch\ud800at", "a", run(0))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO comparisons SELECT 99, route, golden_set, 1, '{}' FROM comparisons"))
    assert kept.runs("ch\ud800at", "a") == (run(0),)


def test_sets_that_change_all_the_time_do_not_fill_the_disk(engine: Engine) -> None:
    """Of all routes and sets together a thousand runs are kept."""
    kept = ComparisonStore(engine)
    with engine.begin() as connection:
        many = [{"route": "chat", "golden_set": f"set {n}", "at_ms": 1, "document": "{}"} for n in range(1_500)]
        connection.execute(COMPARISONS.insert(), many)
    kept.add("chat", "a", run(0))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM comparisons")) == 1_000
    assert kept.runs("chat", "a") == (run(0),)
