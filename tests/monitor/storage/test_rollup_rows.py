"""Rollups are exact: they are what the stored observations sum up to, however these came."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from monitor.history.rollup import DAY, HOUR, SPANS, Rollup, span_start
from monitor.storage.database import open_writer
from monitor.storage.rollup_rows import rollup_of
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check
from tests.support.announced_work import maintain

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
_OBSERVATIONS = st.builds(
    Observation,
    target=st.sampled_from(["a/b", "a/c"]),
    check=st.sampled_from([Check.CHAT, Check.STREAM]),
    # Late arrivals, repetitions, and a clock that was set back by days.
    started_at=st.integers(-200, 200).map(lambda quarter: NOW + timedelta(minutes=15 * quarter, milliseconds=0.5)),
    outcome=st.sampled_from([Outcome.OK, Outcome.SLOW, Outcome.SERVER_ERROR, Outcome.RATE_LIMITED]),
    duration_s=st.sampled_from([0.4, 1.0, 30.0]),
    first_token_s=st.sampled_from([None, 0.2]),
    failed_here=st.booleans(),
    input_tokens=st.sampled_from([None, 7, 10**30]),
    cost_usd=st.sampled_from([None, 0.25]),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


def _expected(store: Store, span: timedelta) -> dict[str, list[tuple[datetime, Rollup]]]:
    expected = {}
    for target in store.recorded():
        spans = defaultdict(list)
        for observation in store.observations(target, after=datetime(2026, 1, 1, tzinfo=UTC)):
            spans[span_start(observation.started_at, span)].append(observation)
        expected[target] = sorted((start, Rollup.of(some)) for start, some in spans.items())
    return expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(batches=st.lists(st.lists(_OBSERVATIONS, max_size=8), max_size=5))
def test_rollups_are_the_sum_of_what_is_stored(engine: Engine, batches: list[list[Observation]]) -> None:
    """In any order, in any batches, with repetitions; each example adds to the one before it."""
    store = Store(engine)
    for batch in batches:
        store.record(batch)
    for span in SPANS:
        kept = store.rollups(["a/b", "a/c"], span, since=NOW - 9 * DAY, until=NOW + 9 * DAY)
        assert kept == _expected(store, span)


def test_rollups_outlive_their_observations(engine: Engine) -> None:
    """Pruned observations stay in the sums; hours go before days, and only when they are told to."""
    store = Store(engine)
    old = NOW - 400 * DAY
    values = {"target": "a/b", "check": Check.CHAT, "outcome": Outcome.OK, "duration_s": 1.0}
    store.record([Observation(started_at=at, **values) for at in (old, NOW)])  # type: ignore[arg-type]
    store.prune(NOW - DAY)
    assert len(store.observations("a/b", after=old - DAY)) == 1
    with engine.connect() as connection:
        assert len(connection.execute(select(ROLLUPS)).all()) == 4
    store.prune(NOW - DAY, rollups_before={HOUR: NOW - 30 * DAY})
    every = [store.rollups(["a/b"], span, since=old - DAY, until=NOW + DAY)["a/b"] for span in SPANS]
    assert [[at for at, _ in some] for some in every] == [[NOW], [span_start(old, DAY), span_start(NOW, DAY)]]


def test_a_claim_of_any_number_of_tokens_is_stored(engine: Engine) -> None:
    """What fits no column is not counted; the sum of what fits, fits too."""
    store = Store(engine)
    for minute, tokens in enumerate([10**30, 2**63 - 1, 2**63 - 1]):
        at = NOW + timedelta(minutes=minute)
        values = {"target": "a/b", "check": Check.CHAT, "outcome": Outcome.OK, "duration_s": 1.0}
        store.record([Observation(started_at=at, input_tokens=tokens, **values)])  # type: ignore[arg-type]
    [(_, rollup)] = store.rollups(["a/b"], HOUR, since=NOW, until=NOW + HOUR)["a/b"]
    assert rollup.input_tokens == 2**63 - 1


def test_what_is_observed_during_a_maintenance_says_nothing_of_the_target(engine: Engine) -> None:
    """From its begin until its end, of its target or provider alone."""
    maintain(engine, "a", NOW, minutes=10)
    times = {minute: NOW + timedelta(minutes=minute) for minute in (-1, 0, 9, 10)}
    for name in ("a/b", "other/b"):
        failed = Observation(
            target=name, check=Check.CHAT, started_at=NOW, outcome=Outcome.SERVER_ERROR, duration_s=1.0
        )
        Store(engine).record([replace(failed, started_at=at) for at in times.values()])
    sums = {name: Rollup() for name in ("a/b", "other/b")}
    with engine.connect() as connection:
        for row in connection.execute(select(ROLLUPS).where(ROLLUPS.c.span_s == 3600)).mappings():
            sums[row["target"]] += rollup_of(row)
    assert (sums["a/b"].counts.asked, sums["other/b"].counts.asked) == (2, 4)
