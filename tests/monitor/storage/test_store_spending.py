"""The ledger counts what each observation cost, once, whatever happens to the service meanwhile."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.migrations.run import migrate
from monitor.storage.store import Store
from probes.observation import Observation
from tests.support.builders import T0, observation
from tests.support.databases import ON_SQLITE

DAY = timedelta(days=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


def cost(usd: float | None, *, at_s: float = 0.0, name: str = "openai/m") -> Observation:
    """An observation that cost so much."""
    return replace(observation(at_s=at_s, name=name), cost_usd=usd)


def spent(engine: Engine, *, days: int = 0) -> dict[str, tuple[float, int, int]]:
    """What is in the ledger for the day of T0, or some days before it and it: dollars, probes, unpriced."""
    begins_ms = int((T0.replace(hour=0, minute=0, second=0) - days * DAY).timestamp() * 1000)
    sums = "SELECT target, SUM(usd), SUM(probes), SUM(unpriced) FROM spending WHERE day_ms BETWEEN :first AND :last"
    with engine.connect() as connection:
        between = {"first": begins_ms, "last": begins_ms + days * 86_400_000}
        rows = connection.execute(text(f"{sums} GROUP BY target"), between).all()
    costs = {target: (round(usd, 9), probes, unpriced) for target, usd, probes, unpriced in rows}
    known = Store(engine).spent(since=T0 - days * DAY, until=T0)
    assert {target: round(usd, 9) for target, usd in known.items()} == {name: usd for name, (usd, *_) in costs.items()}
    return costs


def test_every_observation_is_counted_once(engine: Engine) -> None:
    """The same ones handed in again, alone or among new ones or twice in a batch, cost nothing more."""
    store, first, second, dear = Store(engine), cost(0.25), cost(None, at_s=30), cost(0.5, at_s=60)
    store.record([first, second])
    store.record([first, second])
    store.record([second, dear, dear, cost(1.0, name="anthropic/m")])
    assert spent(engine) == {"openai/m": (0.75, 3, 1), "anthropic/m": (1.0, 1, 0)}


def test_a_day_is_a_day_in_utc(engine: Engine) -> None:
    """Each observation counts for the day on which its probe began."""
    midnight_s = (T0.replace(hour=0) + DAY - T0).total_seconds()
    Store(engine).record([cost(1.0), cost(2.0, at_s=midnight_s - 0.05), cost(4.0, at_s=midnight_s)])
    assert spent(engine) == {"openai/m": (3.0, 2, 0)}
    assert Store(engine).spent(since=T0 + DAY, until=T0 + DAY) == {"openai/m": 4.0}


def test_questions_beside_the_probes_are_spending_of_their_own(engine: Engine) -> None:
    """They count in a month; the mean cost of a probe stays that of probes."""
    store = Store(engine)
    store.record([cost(0.25)])
    store.add_spending([cost(4.0), cost(None), cost(4.0, name="anthropic/m")], "compare")
    store.add_spending([], "compare")
    assert spent(engine) == {
        "openai/m": (0.25, 1, 0),
        "compare: openai/m": (4.0, 2, 1),
        "compare: anthropic/m": (4.0, 1, 0),
    }
    assert store.mean_costs(T0)["openai/m"] == 0.25


@ON_SQLITE
def test_what_was_not_kept_is_not_counted(engine: Engine, tmp_path: Path) -> None:
    """Killed or failed in between, neither is there; handed in again, both are, once."""
    store = Store(engine)
    with closing(sqlite3.connect(tmp_path / "hotspare.db")) as other:
        other.execute("CREATE TRIGGER no BEFORE INSERT ON spending BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        with pytest.raises(DatabaseError):
            store.record([cost(0.25)])
        assert other.execute("SELECT COUNT(*) FROM observations").fetchone() == (0,)
        other.execute("DROP TRIGGER no")
    store.record([cost(0.25)])
    assert spent(engine) == {"openai/m": (0.25, 1, 0)}


def test_forgetting_observations_does_not_forget_what_they_cost(engine: Engine) -> None:
    """The ledger outlives them."""
    store = Store(engine)
    store.record([cost(0.25)])
    assert store.prune(T0 + DAY) == 1
    assert spent(engine) == {"openai/m": (0.25, 1, 0)}


def test_the_mean_is_of_what_has_a_cost(engine: Engine) -> None:
    """Failed probes do not make the others cheaper; a target without any cost has no mean."""
    Store(engine).record([cost(0.2), cost(0.4, at_s=30), cost(None, at_s=60), cost(None, name="free/m")])
    assert Store(engine).mean_costs(T0) == {"openai/m": pytest.approx(0.3)}


def test_an_older_database_begins_with_what_it_still_knows(tmp_path: Path) -> None:
    """After an upgrade the month's spending is that of the observations that are still there."""
    url = f"sqlite:///{tmp_path}/old.db"
    with create_engine(url).begin() as connection:
        migrate(connection, current=None, wanted="0003")
    at_ms = int(T0.timestamp() * 1000)
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        old.executemany(
            "INSERT INTO observations (target, started_ms, check_, region, outcome, duration_s, cost_usd, loop_lag_s,"
            " detail) VALUES ('openai/m', ?, 'chat', 'local', 'ok', 0.1, ?, 0.0, '')",
            [(at_ms, 0.25), (at_ms + 1, 0.5), (at_ms + 2, None), (at_ms - 86_400_000, 4.0)],
        )
        old.commit()
    engine = open_writer(url)
    try:
        assert spent(engine) == {"openai/m": (0.75, 3, 1)}
        assert spent(engine, days=1) == {"openai/m": (4.75, 4, 1)}
    finally:
        engine.dispose()


def test_the_last_pace_is_kept(engine: Engine) -> None:
    """Whatever text the purse makes of it."""
    store = Store(engine)
    assert store.throttling() is None
    store.save_throttling('{"stretch": 2}', T0)
    store.save_throttling('{"stretch": 3}', T0 + DAY)
    assert store.throttling() == '{"stretch": 3}'
