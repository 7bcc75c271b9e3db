"""How long the control thread waits for a step of pruning, and how long a backlog takes: ten thousand targets.

A day of observations every half hour and of their sums by hour, half of it past its retention, on a real database.
"""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from monitor.history.rollup import DAY, HOUR
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import open_writer
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.row_conversions import observation_row
from monitor.storage.store import Store
from monitor.storage.tables import OBSERVATIONS
from probes.observation import Observation
from probes.outcome import Outcome

_NOW = datetime(2026, 1, 2, tzinfo=UTC)
#: A target of which the sums are real.
_ONE = "one/m"
_HOURS = range(1, 25)
_TARGETS, _ROWS, _AT_ONCE, _FILLED_AT_ONCE = 10_000, 48, 1_000, 500


def main() -> None:
    """Print the table; about a minute."""
    with tempfile.TemporaryDirectory() as name:
        engine = open_writer(f"sqlite:///{Path(name) / 'hotspare.db'}")
        store = Store(engine)
        store.record([_observation(_ONE, _NOW)])
        for number in range(0, _TARGETS, _FILLED_AT_ONCE):
            _fill(engine, range(number, number + _FILLED_AT_ONCE))
        first_s = _round(store, _NOW - timedelta(hours=12))
        second_s = _round(store, _NOW - timedelta(hours=12))
        engine.dispose()
    print("|10,000 targets|steps|the longest|together|\n|---|---|---|---|")
    for what, steps_s in (("240,000 old observations and 120,000 old sums", first_s), ("nothing", second_s)):
        print(f"|{what}|{len(steps_s):,}|{max(steps_s) * 1000:.0f} ms|{sum(steps_s):.1f} s|")


def _fill(engine: Engine, numbers: range) -> None:
    names = [f"p{number // 4}/m{number % 4}" for number in numbers]
    rows = [
        observation_row(_observation(name, _NOW - timedelta(minutes=30 * row, milliseconds=number)))
        for number, name in zip(numbers, names, strict=True)
        for row in range(1, _ROWS + 1)
    ]
    hour_ms = to_ms(_NOW) - to_ms(_NOW - HOUR)
    with engine.begin() as connection:  # summing them up would take minutes: all have the sums of one
        connection.execute(OBSERVATIONS.insert(), rows)
        of_one = connection.execute(select(ROLLUPS).where(ROLLUPS.c.target == _ONE).limit(1)).one()._asdict()
        sums = [
            {**of_one, "target": name, "start_ms": to_ms(_NOW) - hour * hour_ms} for name in names for hour in _HOURS
        ]
        connection.execute(ROLLUPS.insert(), sums)


def _observation(name: str, at: datetime) -> Observation:
    return Observation(target=name, check="chat", started_at=at, outcome=Outcome.OK, duration_s=0.5)


def _round(store: Store, before: datetime) -> list[float]:
    """Seconds that each step of a round takes."""
    steps_s: list[float] = []
    while not steps_s or not store.pruner.is_over:
        began = time.perf_counter()
        store.prune(before, rollups_before={HOUR: before, DAY: before}, at_most=_AT_ONCE)
        steps_s.append(time.perf_counter() - began)
    return steps_s
