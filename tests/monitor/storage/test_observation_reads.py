"""Single observations are found wherever they lie in time, and nothing reads the whole table for them."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from controller.alerts.digest.store import read_week
from controller.history.store import RouteHistory
from controller.incidents.queries import read_facts, read_onsets
from controller.journal import Journal
from controller.replay.queries import read_starts
from controller.status.details.queries import read_target_detail
from controller.status.overview import read
from monitor.health import Health, not_observed
from monitor.history.rollup import DAY, HOUR
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import open_writer
from monitor.storage.observation_reads import (
    first_started,
    in_slots,
    last_started,
    newest_first,
    observed_since,
    read_newest,
)
from monitor.storage.store import Store
from monitor.storage.tables import OBSERVATIONS
from tests.support import seeded_database as seeded
from tests.support.builders import T0, observation

A, B = "openai/a", "openai/b"
#: Seconds from T0 on: gaps of seconds, hours and weeks, and a clock that was a year ahead for a moment.
WHEN = (-40 * 86_400, -3 * 86_400, -7_300, -7_200, -119, -1, 0, 1, 119, 120, 3_600, 365 * 86_400)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """One with observations of two targets at these times."""
    engine = open_writer(database_url)
    Store(engine).record([observation(at_s=at, name=name) for at in WHEN for name in (A, B)])
    yield engine
    engine.dispose()


def _ms(at_s: float) -> int:
    return to_ms(T0 + timedelta(seconds=at_s))


@pytest.mark.parametrize("since", [WHEN[0] - 1, -7_200, -1, 0, 2, 121, 400 * 86_400])
@pytest.mark.parametrize("until", [None, -7_201, 0, 119, 3_600, 500 * 86_400])
def test_the_slots_of_a_time_hold_what_started_in_it(engine: Engine, since: int, until: int | None) -> None:
    """With the exact condition beside them, and whichever end is open."""
    started = OBSERVATIONS.c.started_ms
    found = select(started).where(OBSERVATIONS.c.target == A, started >= _ms(since))
    if until is not None:
        found = found.where(started <= _ms(until))
    slots = in_slots(_ms(since), None if until is None else _ms(until))
    with engine.connect() as connection:
        seen = connection.scalars(found.where(slots).order_by(started)).all()
    assert seen == [_ms(at) for at in WHEN if since <= at and (until is None or at <= until)]


@pytest.mark.parametrize("most", [1, 3, len(WHEN), 100])
@pytest.mark.parametrize("at", [-8_000, 0, 366 * 86_400])
def test_the_newest_are_found_however_far_back(engine: Engine, most: int, at: int) -> None:
    """Also those that are later than the instant from which it looks back: clocks are set."""
    statement = newest_first(select(OBSERVATIONS.c.started_ms).where(OBSERVATIONS.c.target == A), most)
    with engine.connect() as connection:
        rows = read_newest(connection, statement, most, _ms(at))
    assert [row.started_ms for row in rows] == [_ms(each) for each in sorted(WHEN, reverse=True)[:most]]


def test_the_first_and_the_last_of_a_target(engine: Engine) -> None:
    """The first of all, and from an instant on; None where there is none."""
    with engine.connect() as connection:
        assert (first_started(connection, A), last_started(connection, A)) == (_ms(WHEN[0]), _ms(WHEN[-1]))
        assert [first_started(connection, A, _ms(at)) for at in (-7_199, 121, 3_601)] == [
            _ms(at) for at in (-119, 3_600, WHEN[-1])
        ]
        assert first_started(connection, A, _ms(WHEN[-1] + 1)) is None
        assert (first_started(connection, "openai/c"), last_started(connection, "openai/c")) == (None, None)


def test_an_empty_table_has_neither(database_url: str) -> None:
    """As a new database has it."""
    engine = open_writer(database_url)
    with engine.connect() as connection:
        assert (first_started(connection, A), last_started(connection, A)) == (None, None)
        assert observed_since(connection, {}) == []
        assert observed_since(connection, {A: 0}) == []
    engine.dispose()


def test_nothing_reads_the_whole_table(tmp_path: Path) -> None:
    """The page, a digest, a replay's ends, its intervals, a start and routes' sums search the index, each by a time."""
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, T0, hours=3)
    seeded.break_openai(settings, T0)
    engine, statements = open_writer(settings.database), list[tuple[str, Any]]()

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if "observations" in statement:
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        read(settings, engine, T0)
        read_week(settings, T0)
        for length in (HOUR, 7 * DAY):
            read_target_detail(engine, settings.target(seeded.LUNA), length, T0)
        RouteHistory(engine, settings).sum_up(T0)
        RouteHistory(engine, settings).days("chat", since=T0 - DAY, until=T0)
        down = replace(not_observed(seeded.LUNA, T0), health=Health.DOWN)
        incidents = Journal(engine).open_incidents()
        with engine.connect() as connection:
            read_onsets(connection, [down])
            for each in incidents:
                read_facts(connection, each, T0)
            assert read_starts(connection, seeded.LUNA, T0 - HOUR, T0)
        store = Store(engine)
        store.observations_since({each.id: T0 - HOUR for each in settings.targets})
        assert store.recorded().keys() == store.states().keys()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        engine.dispose()
    other = sqlite3.connect(tmp_path / "hotspare.db")
    plans = {s: [row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {s}", p)] for s, p in statements}
    other.close()
    assert len(plans) > 10
    assert not [s for s, plan in plans.items() if any(step.startswith("SCAN observations") for step in plan)]
