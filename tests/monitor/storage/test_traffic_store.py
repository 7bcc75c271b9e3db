"""The sums of what applications report: added by minute and hour, read back, and removed in time."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from monitor.history.histogram import Histogram
from monitor.history.rollup import HOUR, MINUTE, TEN_SECONDS
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from monitor.storage.traffic_store import RequestTotals, TrafficStore
from monitor.traffic.request_counts import RequestCounts
from monitor.traffic.traffic_sums import TrafficSums
from probes.outcome import Outcome
from tests.support.builders import T0

A = "openai/gpt-6-luna"
_FAR = timedelta(days=999)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> TrafficStore:
    """Of a new database."""
    return TrafficStore(engine)


def counts(at_s: float, *, tag: str = "", **outcomes: int) -> RequestCounts:
    """Of one half second."""
    return RequestCounts(
        target=A,
        host="10.0.0.1",
        ended_at=T0 + timedelta(seconds=at_s),
        span_s=0.5,
        outcomes={Outcome(name): count for name, count in outcomes.items()},
        duration=Histogram.of([0.5] * outcomes.get("ok", 0)),
        input_tokens=100,
        output_tokens=10,
        route="chat",
        tag=tag,
    )


def add(store: TrafficStore, *every: RequestCounts) -> None:
    """Sum them up, at a dollar per thousand tokens."""
    sums = TrafficSums(lambda _, read, written: (read + written) / 1000)
    sums.add(every)
    store.add(sums.take())


def test_what_ends_in_a_minute_is_summed_up_by_minute_and_hour(store: TrafficStore) -> None:
    """By route and tag, over several calls."""
    add(store, counts(1, ok=3), counts(2, ok=1, server_error=2), counts(61, ok=5, tag="search"))
    add(store, counts(3, ok=1))
    first, second = store.sums([A], MINUTE, since=T0 - _FAR, until=T0 + _FAR)
    assert (first.key, first.begins_at) == ((A, "chat", ""), T0)
    assert first.sums.asked == {"ok": 5, "server_error": 2}
    assert first.sums.duration.total == 5
    assert first.sums.cost_usd == pytest.approx(0.33)
    assert (second.key[2], second.begins_at) == ("search", T0 + MINUTE)
    hours = list(store.sums([A], HOUR, since=T0 - _FAR, until=T0 + _FAR))
    assert sum(each.sums.asked["ok"] for each in hours) == 10


def test_totals_of_hours_are_those_of_costs(store: TrafficStore) -> None:
    """By target, route and tag, with when the first hour began."""
    add(store, counts(1, ok=3), counts(2, server_error=2), counts(3700, ok=5), counts(5, ok=1, tag="search"))
    totals, first_at = store.totals(since=T0, until=T0 + 2 * HOUR)
    assert totals[A, "chat", ""] == RequestTotals(requests=10, input_tokens=300, output_tokens=30, cost_usd=0.33)
    assert (totals[A, "chat", "search"].requests, first_at) == (1, T0)
    nothing, _ = store.totals(since=T0 + 3 * HOUR, until=T0 + _FAR)
    assert nothing == {}


def test_ten_seconds_are_kept_for_minutes(store: TrafficStore) -> None:
    """For what is said of the last minute; later ones remove them."""
    add(store, counts(1, ok=3), counts(9, ok=1), counts(11, ok=2))
    times = [each.begins_at for each in store.sums([A], TEN_SECONDS, since=T0 - _FAR, until=T0 + _FAR)]
    assert times == [T0, T0 + TEN_SECONDS]
    add(store, counts(310, ok=1))
    [_, last] = store.sums([A], TEN_SECONDS, since=T0 - _FAR, until=T0 + _FAR)
    assert last.begins_at == T0 + timedelta(seconds=310)


def test_what_has_no_price_is_counted(store: TrafficStore) -> None:
    """Its cost is not zero, but unknown."""
    sums = TrafficSums(lambda *_: None)
    sums.add([counts(1, ok=3)])
    store.add(sums.take())
    [minute] = store.sums([A], MINUTE, since=T0 - _FAR, until=T0 + _FAR)
    assert (minute.sums.cost_usd, minute.sums.unpriced) == (0.0, 3)


def test_minutes_and_hours_go_with_the_other_sums(engine: Engine, store: TrafficStore) -> None:
    """Each span at its own time."""
    add(store, counts(1, ok=3))
    Store(engine).prune(T0, rollups_before={MINUTE: T0 + MINUTE, HOUR: T0 - timedelta(days=1)})
    assert list(store.sums([A], MINUTE, since=T0 - _FAR, until=T0 + _FAR)) == []
    assert len(list(store.sums([A], HOUR, since=T0 - _FAR, until=T0 + _FAR))) == 1
    Store(engine).prune(T0, rollups_before={MINUTE: T0 + MINUTE, HOUR: T0 + HOUR})
    assert list(store.sums([A], HOUR, since=T0 - _FAR, until=T0 + _FAR)) == []


def test_very_many_keys_are_one(store: TrafficStore) -> None:
    """A minute has no room for a hundred thousand routes."""
    sums = TrafficSums(lambda *_: None)
    sums.add(counts(1, ok=1, tag=f"{number}") for number in range(5_000))
    taken = sums.take()
    assert len(taken) <= 2_001
    assert sum(rollup.asked["ok"] for rollup in taken.values()) == 5_000
