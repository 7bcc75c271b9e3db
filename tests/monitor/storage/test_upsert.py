"""Rows are found by their keys, however long the history is, by whoever adds to sums."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from monitor.history.rollup import HOUR, Rollup
from monitor.storage.database import open_writer
from monitor.storage.rollup_tables import TRAFFIC_ROLLUPS
from monitor.storage.store import Store
from monitor.storage.traffic_store import TrafficStore
from monitor.storage.upsert import rows_of
from tests.support.builders import T0, observation

SUMS = {((name, "chat", '"odd" \u2028 tag'), T0): Rollup(asked={"ok": 3}) for name in ("a/1", "a/2")}


def add_observations(engine: Engine) -> None:
    """Of two targets."""
    Store(engine).record([observation(name=name) for name in ("a/1", "a/2")])


def add_reports(engine: Engine) -> None:
    """Of two targets."""
    TrafficStore(engine).add(SUMS)


def read_totals(engine: Engine) -> None:
    """Of all targets."""
    TrafficStore(engine).totals(since=T0 - HOUR, until=T0 + HOUR)


@pytest.mark.parametrize("step", [add_observations, add_reports, read_totals])
def test_no_sums_are_read_whole(tmp_path: Path, step: Callable[[Engine], None]) -> None:
    """Every statement searches the tables of sums by their keys."""
    path, statements = tmp_path / "hotspare.db", list[tuple[str, Any]]()
    engine = open_writer(f"sqlite:///{path}")
    add_reports(engine)

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if statement.startswith(("SELECT", "WITH", "DELETE")):
            statements.append((statement, parameters))

    step(engine)
    engine.dispose()
    other = sqlite3.connect(path)
    plans = [row[3] for s, p in statements for row in other.execute(f"EXPLAIN QUERY PLAN {s}", p)]
    other.close()
    keys = ("USING PRIMARY KEY", "USING INDEX sqlite_autoindex")  # the latter: of a table with rows in order of coming
    assert any(plan.startswith("SEARCH") and "rollups" in plan and any(key in plan for key in keys) for plan in plans)
    assert not [plan for plan in plans if plan.startswith(("SCAN rollups", "SCAN traffic_rollups"))]


def test_rows_are_those_of_the_keys(database_url: str) -> None:
    """Texts as they are, and nothing of other spans."""
    engine = open_writer(database_url)
    add_reports(engine)
    begin_ms = int(T0.timestamp() * 1000)
    keys = [
        ("a/1", 60, begin_ms, "chat", '"odd" \u2028 tag'),
        ("a/2", 10, begin_ms, "chat", '"odd" \u2028 tag'),
        ("a/2", 60, begin_ms + int(timedelta(hours=1).total_seconds() * 1000), "chat", '"odd" \u2028 tag'),
        ("a/3", 60, begin_ms, "chat", ""),
    ]
    with engine.connect() as connection:
        rows = rows_of(connection, TRAFFIC_ROLLUPS, keys)
        assert rows_of(connection, TRAFFIC_ROLLUPS, []) == []
    engine.dispose()
    assert sorted((row["target"], row["span_s"]) for row in rows) == [("a/1", 60), ("a/2", 10)]


def test_batches_of_any_size_share_a_few_small_statements(tmp_path: Path) -> None:
    """The driver keeps each of them, and SQLite room for its parameters."""
    engine, statements = open_writer(f"sqlite:///{tmp_path / 'hotspare.db'}"), set[tuple[str, int]]()

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.startswith("INSERT INTO observations"):
            statements.add((statement, len(parameters)))

    for size in range(1, 100, 7):
        Store(engine).record([observation(at_s=size, name=f"a/{number}") for number in range(size)])
    engine.dispose()
    assert len(statements) <= 20
    assert max(count for _, count in statements) < 1_000
