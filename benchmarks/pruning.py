"""How long the control thread waits for a step of pruning, and how long a backlog takes: ten thousand targets.

A day of observations every half hour, half of it past its retention, on a real database.
"""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from monitor.history.rollup import DAY, HOUR
from monitor.storage.database import open_writer
from monitor.storage.row_conversions import observation_row
from monitor.storage.store import Store
from monitor.storage.tables import OBSERVATIONS
from probes.observation import Observation
from probes.outcome import Outcome

_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_TARGETS, _ROWS, _AT_ONCE, _FILLED_AT_ONCE = 10_000, 48, 1_000, 500


def main() -> None:
    """Print the table; about a minute."""
    with tempfile.TemporaryDirectory() as name:
        engine = open_writer(f"sqlite:///{Path(name) / 'hotspare.db'}")
        store = Store(engine)
        for number in range(0, _TARGETS, _FILLED_AT_ONCE):
            _fill(engine, range(number, number + _FILLED_AT_ONCE))
        first_s = _round(store, _NOW - timedelta(hours=12))
        second_s = _round(store, _NOW - timedelta(hours=12))
        engine.dispose()
    print("|10,000 targets|steps|the longest|together|\n|---|---|---|---|")
    for what, steps_s in (("240,000 observations past their retention", first_s), ("nothing", second_s)):
        print(f"|{what}|{len(steps_s):,}|{max(steps_s) * 1000:.0f} ms|{sum(steps_s):.1f} s|")


def _fill(engine: Engine, numbers: range) -> None:
    rows = [
        observation_row(
            Observation(
                target=f"p{number // 4}/m{number % 4}",
                check="chat",
                started_at=_NOW - timedelta(minutes=30 * row, milliseconds=number),
                outcome=Outcome.OK,
                duration_s=0.5,
            )
        )
        for number in numbers
        for row in range(1, _ROWS + 1)
    ]
    with engine.begin() as connection:  # without their sums, which would take minutes
        connection.execute(OBSERVATIONS.insert(), rows)


def _round(store: Store, before: datetime) -> list[float]:
    """Seconds that each step of a round takes."""
    steps_s: list[float] = []
    while not steps_s or not store.pruner.is_over:
        began = time.perf_counter()
        store.prune(before, rollups_before={HOUR: before, DAY: before}, at_most=_AT_ONCE)
        steps_s.append(time.perf_counter() - began)
    return steps_s
