"""Everything has a retention: what nothing follows from any more goes, in small steps, and the rest stays."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, Table, func, select
from sqlmodel import Session

from controller.incidents.incident import Incident
from controller.journal import Journal
from monitor.history.rollup import DAY, HOUR
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from monitor.storage.tables import DELIVERIES, OVERRIDES, SPENDING, DeliveryRow, OverrideRow
from tests.support.builders import T0, observation
from tests.support.databases import ON_SQLITE
from tests.support.incident_builders import incident, resolved

MONTH = 30 * DAY


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


def _add(engine: Engine, *rows: DeliveryRow | OverrideRow) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(rows)


def _count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def _delivery(key: str, about: Incident | None = None, *, done: bool = True, attempts: int = 1) -> DeliveryRow:
    at_ms = to_ms(T0)
    return DeliveryRow(
        key=key,
        sink="buttons",
        kind="press",
        begun_ms=at_ms,
        done_ms=at_ms if done else None,
        attempts=attempts,
        incident_id=about.id if about else None,
    )


def test_presses_and_deliveries_go_a_month_after_what_they_are_about(engine: Engine) -> None:
    """Of every channel, also of one that is no longer configured; not of what is open, under way, or a mark."""
    still, over = Journal(engine).commit([], [incident(), incident(provider="anthropic")])
    Journal(engine).commit([], [resolved(over, T0 + HOUR)])
    kept = [_delivery("open", still), _delivery("under way", done=False), _delivery("mark", attempts=0)]
    _add(engine, _delivery("press", over), _delivery("press of nothing"), *kept)
    store = Store(engine)
    assert store.prune(T0 + MONTH) == 0
    assert store.prune(T0 + MONTH + DAY, at_most=1) == 1
    assert store.prune(T0 + MONTH + DAY) == 1
    assert store.prune(T0 + 9 * MONTH) == 0
    assert _count(engine, DELIVERIES) == 3


def _override(ended_at: timedelta | None, *, heeded: bool = True) -> OverrideRow:
    return OverrideRow(
        kind="pause",
        subject="chat",
        author="ana",
        reason="a window",
        forced=0,
        at_ms=to_ms(T0),
        until_ms=to_ms(T0 + DAY),
        ended_ms=to_ms(T0 + ended_at) if ended_at is not None else None,
        heeded_ms=to_ms(T0) if heeded else None,
    )


def test_overrides_that_have_ended_go_with_the_sums_of_hours(engine: Engine) -> None:
    """Not those that nobody ended, and none whose end is not in the routing file yet; for ever keeps all."""
    _add(engine, _override(HOUR), _override(None), _override(HOUR, heeded=False))
    store = Store(engine)
    assert store.prune(T0 + MONTH) == 0
    assert store.prune(T0, rollups_before={HOUR: T0 + MONTH}) == 1
    assert _count(engine, OVERRIDES) == 2


def test_spending_goes_two_months_after_its_day(engine: Engine) -> None:
    """However short days are kept, a month's budget knows what the month has cost."""
    store = Store(engine)
    store.record([observation(".")])
    store.prune(T0 + MONTH, rollups_before={DAY: T0 + 2 * MONTH})
    assert _count(engine, SPENDING) == 1
    store.prune(T0 + MONTH, rollups_before={DAY: T0 + 3 * MONTH})
    assert _count(engine, SPENDING) == 0


@ON_SQLITE
def test_a_round_ends_and_each_of_its_steps_looks_at_some_targets(engine: Engine) -> None:
    """However many there are: what was too many rows or targets for one step is the next one's."""
    store, dice = Store(engine), range(1_200)
    seen = [observation(at_s=age, name=f"p{number // 4}/m{number % 4}") for number in dice for age in (0, 60, 7200)]
    store.record(seen)
    steps = list[int]()
    while not steps or not store.pruner.is_over:
        steps.append(store.prune(T0 + HOUR, rollups_before={HOUR: T0 + HOUR}, at_most=500))
    assert sum(steps) == 2 * len(dice) + len(dice), "two observations of each, and the sum of their hour"
    assert max(steps) == 500
    assert all(len(store.observations(f"p{number // 4}/m{number % 4}", after=T0)) == 1 for number in dice)
    assert store.prune(T0 + HOUR, rollups_before={HOUR: T0 + HOUR}, at_most=500) == 0
    assert [store.pruner.is_over] == [False], "it looked at 500 of them"
    store.record([observation(name="p0/m0")])
    store.record([observation(name="p299/m3")])
    found = [store.prune(T0 + HOUR, at_most=500) for _ in range(4)]
    assert sum(found) == 2
