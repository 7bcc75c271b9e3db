"""Hours of routes are summed up once they are over: exactly, whatever was restarted, missed or set back meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from controller.history.route_rollup import RouteRollup
from controller.history.store import RouteHistory
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR, span_start
from monitor.storage.database import open_writer
from monitor.storage.rollup_tables import ROUTE_ROLLUPS
from monitor.storage.store import Store
from tests.support.announced_work import maintain
from tests.support.builders import T0, observation, settings

A, B = "openai/a", "anthropic/b"
BEGIN = span_start(T0, HOUR)
OFFSET_S = (BEGIN - T0).total_seconds()
#: When an hour that is over is summed up.
DONE = timedelta(minutes=10)


@pytest.fixture
def configured(tmp_path: Path, database_url: str) -> Settings:
    """A route over two targets."""
    return replace(settings(tmp_path, A, B), database=database_url)


@pytest.fixture
def engine(configured: Settings) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(configured.database)
    yield engine
    engine.dispose()


def _probe(engine: Engine, name: str, symbols: str, *, hour: int = 0, every_s: float = 30.0) -> None:
    """Probes of one target from the beginning of an hour on."""
    at_s = OFFSET_S + hour * 3_600
    Store(engine).record([observation(s, name=name, at_s=at_s + every_s * n) for n, s in enumerate(symbols)])


def _move(engine: Engine, to: str, before: str | None, *, minute: float) -> None:
    move = MoveKind.FAILOVER if before else MoveKind.FIRST
    at = BEGIN + timedelta(minutes=minute)
    Journal(engine).commit([Decision(route="chat", target=to, before=before, at=at, reason="", move=move)], [])


def _sum_up(history: RouteHistory, until: int) -> None:
    """As the service does it: again and again, until nothing is left."""
    while history.sum_up(BEGIN + until * HOUR + DONE):
        pass


def test_an_outage_is_felt_until_the_failover(engine: Engine, configured: Settings) -> None:
    """Ten minutes of failures, and the route was moved in the second: nine of them were not felt."""
    _move(engine, A, None, minute=-60)
    _probe(engine, A, "." * 20 + "x" * 20 + "." * 80)
    _probe(engine, B, "." * 120)
    _move(engine, B, A, minute=11)
    history = RouteHistory(engine, configured)
    assert history.sum_up(BEGIN + HOUR) == 0  # a probe of that hour may still be under way
    _sum_up(RouteHistory(engine, configured), 1)
    felt = RouteRollup(on_target_s={A: 660.0, B: 2_940.0}, observed_s=3_600.0, felt_s=60.0, without_s=600.0, flips=1)
    assert history.rollups("chat", HOUR, since=BEGIN, until=BEGIN + HOUR) == [(BEGIN, felt)]
    assert [felt_that_day for _, felt_that_day in _days(history)] == [felt]


def test_the_time_before_the_first_probe_is_nobodys(engine: Engine, configured: Settings) -> None:
    """A route on its standby since the service began, twenty minutes ago, was not away for a month."""
    _move(engine, B, A, minute=40)
    _probe(engine, A, "x" * 20, every_s=60.0)
    history, until = RouteHistory(engine, configured), BEGIN + timedelta(minutes=20)
    total = history.total("chat", since=BEGIN - 30 * DAY, until=until)
    assert total.on_target_s == {A: 1_200.0}
    assert history.total("chat", since=BEGIN - 30 * DAY, until=BEGIN).on_target_s == {}
    assert (
        sum(day.on_target_s.get(A, 0.0) for day in history.days("chat", since=BEGIN - DAY, until=until).values())
        == 1_200.0
    )


def _days(history: RouteHistory) -> list[tuple[object, RouteRollup]]:
    return [*history.rollups("chat", DAY, since=BEGIN - DAY, until=BEGIN + 9 * DAY)]


def test_refusals_are_felt_and_faults_of_ours_are_not(engine: Engine, configured: Settings) -> None:
    """Users get a 429 as well; that this machine was too busy says nothing about the target."""
    _probe(engine, A, ".r" * 60)
    _probe(engine, A, ".b" * 60, hour=1)
    history = RouteHistory(engine, configured)
    _sum_up(history, 2)
    assert [r.felt_s for _, r in history.rollups("chat", HOUR, since=BEGIN, until=BEGIN + DAY)] == [1_800.0, 0.0]


def test_the_total_counts_the_hour_that_is_not_over(engine: Engine, configured: Settings) -> None:
    """From decisions and observations, as they are now."""
    for hour in range(3):
        _probe(engine, A, "x" * 2 + "." * 118, hour=hour)
    history = RouteHistory(engine, configured)
    until = BEGIN + 2.5 * HOUR
    before = history.total("chat", since=BEGIN, until=until)
    _sum_up(history, 2)
    assert history.total("chat", since=BEGIN, until=until) == before
    assert (before.felt_s, before.observed_s) == (180.0, 9_000.0)


def test_a_total_of_days_is_that_of_their_hours(engine: Engine, configured: Settings) -> None:
    """Whole days are read as days; the last one, which may lack hours, is not."""
    midnight = span_start(T0, DAY)
    for hour in (0, 7, 24, 40, 49):
        _probe(engine, A, "x." * 60, hour=hour)
    history = RouteHistory(engine, configured)
    _sum_up(history, 48)
    total = history.total("chat", since=midnight, until=BEGIN + 50 * HOUR)
    assert total.felt_s == pytest.approx(5 * 1_800.0)
    assert total == history.total("chat", since=midnight + HOUR, until=BEGIN + 50 * HOUR)


def test_what_was_missed_is_summed_up_later(engine: Engine, configured: Settings) -> None:
    """A day at a time; hours without probes are passed over, and nothing is counted twice."""
    for hour in (0, 1, 30, 4_000):
        _probe(engine, A, "x." * 60, hour=hour)
    history = RouteHistory(engine, configured)
    _sum_up(history, 4_001)
    _sum_up(RouteHistory(engine, configured), 4_001)
    felt_s = [rollup.felt_s for _, rollup in history.rollups("chat", HOUR, since=BEGIN, until=BEGIN + 5_000 * HOUR)]
    assert felt_s == pytest.approx([1_800.0] * 4)
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(ROUTE_ROLLUPS.c.felt_s))) == pytest.approx(2 * sum(felt_s))


def test_a_clock_that_was_set_back_loses_no_hour(engine: Engine, configured: Settings) -> None:
    """An hour of the future that was summed up too early is summed up again when it has come."""
    _probe(engine, A, "x" * 60, hour=100)
    history = RouteHistory(engine, configured)
    _sum_up(history, 101)
    _probe(engine, A, "x" * 120)
    _sum_up(history, 1)
    assert [at for at, _ in history.rollups("chat", HOUR, since=BEGIN, until=BEGIN + 200 * HOUR)] == [
        BEGIN,
        BEGIN + 100 * HOUR,
    ]


def test_today_is_there_before_its_first_hour_is_over(engine: Engine, configured: Settings) -> None:
    """A new service, and the first minutes after midnight: what no hour holds is calculated, for two hours at most."""
    _move(engine, A, None, minute=0)
    _probe(engine, A, "x" * 4 + "." * 56)
    history = RouteHistory(engine, configured)
    now, day = BEGIN + timedelta(minutes=30), span_start(BEGIN, DAY)
    found = history.days("chat", since=day, until=now)[day]
    total = history.total("chat", since=day, until=now)
    assert (found.felt_s, found.observed_s) == (total.felt_s, total.observed_s) == (120.0, 1800.0)
    _sum_up(history, 1)
    later = BEGIN + timedelta(minutes=75)
    assert history.days("chat", since=day, until=later)[day].felt_s == 120.0
    assert history.days("chat", since=day, until=BEGIN + timedelta(hours=9))[day].felt_s == 120.0


def test_what_fails_during_a_maintenance_is_not_felt(engine: Engine, configured: Settings) -> None:
    """Ten minutes of announced work on the target, or its provider: of them nothing is known."""
    _move(engine, A, None, minute=-60)
    maintain(engine, "openai", BEGIN + timedelta(minutes=10), minutes=10)
    _probe(engine, A, "." * 20 + "x" * 20 + "." * 80)
    _sum_up(RouteHistory(engine, configured), 1)
    [(_, found)] = RouteHistory(engine, configured).rollups("chat", HOUR, since=BEGIN, until=BEGIN + HOUR)
    assert (found.felt_s, found.without_s, found.served) == (0.0, 0.0, 1.0)
    assert found.observed_s == pytest.approx(3_060.0), "but for a minute, which the last probe before it stands for"
