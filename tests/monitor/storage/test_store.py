"""The store keeps what it is given, all of it, whatever happens to the process."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import pytest
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, event, func, select

from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.detection.quiet_progress import QuietProgress
from monitor.health import Health, TargetHealth, Transition
from monitor.liveness import ServiceBeat
from monitor.storage.column_conversions import from_ms, to_ms
from monitor.storage.database import DatabaseError, open_reader, open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from monitor.storage.tables import EVENTS, OBSERVATIONS
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check
from tests.support.databases import ON_SQLITE

NOW = datetime(2026, 11, 21, 18, 0, 0, 123_000, tzinfo=UTC)
TARGET = "openai/gpt-6-luna"


@pytest.fixture
def url(database_url: str) -> str:
    """A database's URL."""
    return database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A new database that does not wait for locks."""
    engine = open_writer(url, busy_timeout_s=0.05)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    """A store on a new database."""
    return Store(engine)


def _observation(number: int = 0, **changes: Any) -> Observation:
    """A good observation, `number` milliseconds after NOW."""
    started_at = NOW + timedelta(milliseconds=number)
    values = {"target": TARGET, "check": Check.CHAT, "started_at": started_at, "outcome": Outcome.OK, "duration_s": 0.9}
    return Observation(**{**values, **changes})


def _state(target: str = TARGET, **changes: Any) -> SavedTargetState:
    values = {"target": target, "health": Health.UP, "since": NOW, "reason": "1 of 1 probes answered"}
    return SavedTargetState(health=TargetHealth(**{**values, **changes}), at=NOW, record='{"evidence": 0}')


def _transition(number: int = 0, **changes: Any) -> Transition:
    at = NOW + timedelta(milliseconds=number)
    values = {"target": TARGET, "at": at, "before": Health.UP, "after": Health.SUSPECT, "reason": "a probe failed"}
    return Transition(**{**values, **changes})


def _all(store: Store, target: str = TARGET) -> list[Observation]:
    return store.observations(target, after=NOW - timedelta(days=1000))


@pytest.mark.parametrize(
    "observation",
    [
        pytest.param(_observation(), id="one with nothing but what it must have"),
        pytest.param(
            _observation(
                check=Check.STREAM,
                outcome=Outcome.SLOW,
                duration_s=10.25,
                detail='<!channel> "it\'s" 漢字 🚑\n; DROP TABLE observations',
                region="eu-1",
                connected_s=0.1,
                first_byte_s=0.2,
                first_token_s=0.0,
                http_status=200,
                retry_after_s=float("inf"),
                limit_left="2 of 60 requests",
                limit_resets_s=12.5,
                request_id="req_1",
                input_tokens=0,
                output_tokens=2**62,
                cost_usd=1e-9,
                loop_lag_s=0.021,
                failed_here=True,
            ),
            id="one with everything",
        ),
    ],
)
def test_an_observation_comes_back_as_it_was(store: Store, observation: Observation) -> None:
    """Every field survives, and what was not known stays unknown."""
    store.record([observation])
    assert _all(store) == [observation]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_can_be_kept(store: Store, outcome: Outcome) -> None:
    """No word of the taxonomy is refused by the table."""
    store.record([_observation(outcome=outcome)])
    assert [o.outcome for o in _all(store)] == [outcome]


def test_hostile_values_are_made_fit(store: Store) -> None:
    """What a provider can put into an observation never fails a batch: it is cut, replaced or left unknown."""
    hostile = _observation(
        detail="\0\ud800" + "x" * 10_000,
        request_id="\udfff" + "y" * 10_000,
        input_tokens=10**30,
        http_status=-(10**30),
        retry_after_s=float("nan"),
    )
    store.record([hostile, _observation(1)])
    kept, other = _all(store)
    assert kept.detail == "\ufffd\ufffd" + "x" * 497 + "…"
    assert kept.request_id == "\ufffd" + "y" * 198 + "…"
    assert (kept.input_tokens, kept.http_status, kept.retry_after_s) == (None, None, None)
    assert other == _observation(1)


def test_times_are_kept_to_the_millisecond(store: Store) -> None:
    """Microseconds are dropped; another zone is converted to UTC."""
    store.record([_observation(started_at=NOW + timedelta(microseconds=999))])
    assert [o.started_at for o in _all(store)] == [NOW]


def test_a_naive_time_is_refused(store: Store) -> None:
    """An instant without a zone is a mistake, and nothing of its batch is kept."""
    with pytest.raises(TypeError, match="naive"):
        store.record([_observation(1), _observation(started_at=datetime(2026, 11, 21))])  # noqa: DTZ001 - on purpose
    assert _all(store) == []


def test_the_same_batch_twice_is_kept_once(store: Store) -> None:
    """A batch repeated after a crash adds only what was missing, and changes nothing that is there."""
    store.record([_observation(0), _observation(1)])
    store.record([_observation(0, outcome=Outcome.TIMEOUT), _observation(1), _observation(2)])
    assert _all(store) == [_observation(0), _observation(1), _observation(2)]


def test_checks_and_regions_do_not_hide_each_other(store: Store) -> None:
    """Two checks, or two regions, in the same millisecond are two observations."""
    several = [_observation(), _observation(check=Check.STREAM), _observation(region="eu-1")]
    store.record(several)
    assert set(_all(store)) == set(several)


def test_an_empty_batch_is_nothing(store: Store) -> None:
    """Nothing to keep is not an error."""
    store.record([])
    store.save_states([], [])
    assert (_all(store), store.states(), store.transitions()) == ([], {}, [])


def test_one_target_after_an_instant_oldest_first(store: Store) -> None:
    """Only the target's own, strictly after, in order, and the oldest when there are too many."""
    store.record([_observation(n) for n in (3, 1, 2, 0)] + [_observation(2, target="openai/gpt-6")])
    assert store.observations(TARGET, after=NOW) == [_observation(n) for n in (1, 2, 3)]
    assert store.observations(TARGET, after=NOW, limit=2) == [_observation(n) for n in (1, 2)]
    assert store.observations("openai/nobody", after=NOW) == []


def test_what_was_recorded_is_known_by_target(store: Store) -> None:
    """The oldest and the newest of each; targets that nobody observed are not there."""
    assert store.recorded() == {}
    store.record([_observation(number) for number in (5, 900, 40)] + [_observation(7, target="a/b")])
    ms = timedelta(milliseconds=1)
    assert store.recorded() == {TARGET: (NOW + 5 * ms, NOW + 900 * ms), "a/b": (NOW + 7 * ms, NOW + 7 * ms)}


def test_a_state_replaces_the_one_before(store: Store) -> None:
    """Each target has one state, the latest, with the detector's record untouched."""
    other = _state("gemini/flash", health=Health.DOWN, last_ok_at=NOW, evidence=9.5, threshold=9.25)
    store.save_states([_state(health=Health.DOWN, last_ok_at=NOW), other], [])
    store.save_states([_state()], [])
    assert store.states() == {TARGET: _state(), "gemini/flash": other}


def test_progress_lasts_until_the_state_is_stored_whole(store: Store) -> None:
    """The last good answer is that of the progress, or a later one that was recorded."""
    seen_at = NOW + timedelta(milliseconds=20)
    progress = QuietProgress(
        target=TARGET, at=NOW, clean_pending=3, last_started_at=NOW, last_seen_at=seen_at, regular_at=None, latency="{}"
    )
    store.save_states([_state(last_ok_at=NOW), _state("gemini/flash")], [])
    assert store.save_progress([replace(progress, clean_pending=2), replace(progress, target="gone/away")])
    assert store.save_progress([progress])
    states = store.states()
    assert (states[TARGET].progress, states[TARGET].health.last_ok_at) == (progress, seen_at)
    assert (states["gemini/flash"].progress, set(states)) == (None, {TARGET, "gemini/flash"})
    store.record([_observation(10), later := _observation(50)])
    assert store.states()[TARGET].health.last_ok_at == from_ms(to_ms(later.finished_at))
    store.save_states([_state()], [])
    assert store.states()[TARGET].progress is None


@pytest.mark.slow
def test_transitions_come_newest_first(store: Store) -> None:
    """The latest of all or of one target, and those of one millisecond in the order in which they happened."""
    history = [_transition(0), _transition(1), _transition(1, before=Health.SUSPECT, after=Health.DOWN, evidence=9.5)]
    other = _transition(2, target="gemini/flash")
    store.save_states([], [*history, other])
    assert store.transitions() == [other, *reversed(history)]
    assert store.transitions(target=TARGET, limit=1) == [history[2]]


def test_states_and_transitions_are_kept_together_or_not_at_all(store: Store) -> None:
    """When a transition cannot be kept, its state is not kept either."""
    with pytest.raises(DatabaseError, match=r"(?i)not.null"):
        store.save_states([_state()], [_transition(), _transition(evidence=float("nan"))])
    assert (store.states(), store.transitions()) == ({}, [])


@ON_SQLITE
def test_a_transition_survives_a_power_cut(engine: Engine, store: Store) -> None:
    """A transaction with a transition waits for the disk, one with states only does not."""
    full, normal, levels = 2, 1, list[int]()

    @event.listens_for(engine, "commit")
    def note(connection: DatabaseConnection) -> None:
        levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    store.save_states([_state()], [_transition()])
    store.save_states([_state()], [])
    store.record([_observation()])
    assert levels == [full, normal, normal]


def test_the_sign_of_life_is_the_latest_one(store: Store) -> None:
    """There is none before the first; then there is one, the last."""
    assert store.last_beat() is None
    beat = ServiceBeat(pid=1, host="a", version="0.1.0", started_at=NOW, beat_at=NOW)
    stopped = ServiceBeat(pid=2, host="b", version="0.2.0", started_at=NOW, beat_at=NOW, stopped_at=NOW)
    store.beat(beat)
    assert store.last_beat() == beat
    store.beat(stopped)
    assert store.last_beat() == stopped


def test_an_event_is_kept(engine: Engine, store: Store) -> None:
    """Its text is made fit like any other."""
    store.add_event(NOW, "probe_skipped", TARGET, "the loop was busy\0")
    with engine.connect() as connection:
        row = connection.execute(select(EVENTS)).one()
    assert tuple(row)[2:6] == ("probe_skipped", TARGET, "the loop was busy\ufffd", None)
    assert row.telling is None, "not for Slack"


def test_what_the_endpoints_said_is_kept(store: Store) -> None:
    """Exactly, in order of time, of the span that is asked for; and the latest by itself."""
    assert store.last_connectivity() is None
    said = [
        ConnectivityObservation(
            at=NOW + timedelta(seconds=n), state=sight, asked=("https://a", "https://b"), answered=frozenset(answered)
        )
        for n, (sight, answered) in enumerate(
            [
                (ConnectivityState.ONLINE, ["https://b", "https://a"]),
                (ConnectivityState.BLIND, []),
                (ConnectivityState.UNTRUSTED, []),
            ]
        )
    ]
    for one in reversed(said):
        store.record_connectivity(one)
    assert store.connectivity(after=NOW - timedelta(seconds=1), before=NOW + timedelta(days=1)) == said
    assert store.connectivity(after=NOW, before=NOW + timedelta(seconds=1)) == said[1:2]
    assert store.last_connectivity() == said[-1]


@ON_SQLITE
def test_pruning_removes_the_old_in_small_steps(engine: Engine, store: Store) -> None:
    """Never more than asked, the oldest of a target first, nothing at or after the limit, until nothing is left."""
    targets = ["a/1", "a/2", "z/\U0010ffff"]
    store.record([_observation(n, target=target) for target in targets for n in range(10)])
    store.record([_observation(0, target="a/1", check=Check.STREAM)])
    for number in range(3):
        at = NOW + timedelta(milliseconds=number)
        store.add_event(at, "service_started", "", "")
        store.record_connectivity(
            ConnectivityObservation(at=at, state=ConnectivityState.ONLINE, asked=(), answered=frozenset())
        )
    limit = NOW + timedelta(milliseconds=2)
    assert store.prune(limit, at_most=2) == 2
    assert _all(store, "a/1")[0].started_at == NOW + timedelta(milliseconds=1)
    assert [store.prune(limit, at_most=4) for _ in range(4)] == [4, 4, 1, 0]
    assert [len(_all(store, target)) for target in targets] == [8, 8, 8]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(EVENTS)) == 1
    assert len(store.connectivity(after=NOW - timedelta(days=1), before=limit)) == 1


def test_of_many_targets_only_those_with_something_new_are_read(engine: Engine, store: Store) -> None:
    """As after a restart: each from its own instant on, the millisecond of that instant left out."""
    targets = [f"a/{number}" for number in range(20)]
    store.record([_observation(n, target=target) for target in targets for n in range(3)])
    after = {target: NOW + timedelta(milliseconds=2, microseconds=5) for target in (*targets, "a/never")}
    after |= {"a/3": NOW, "a/4": NOW - timedelta(days=1)}
    asked = list[str]()

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    found = store.observations_since(after)
    assert [(each.target, each.started_at) for each in found] == [
        (target, NOW + timedelta(milliseconds=n))
        for target, n in (("a/3", 1), ("a/3", 2), *(("a/4", n) for n in range(3)))
    ]
    assert len([each for each in asked if "observations" in each]) == 3


@ON_SQLITE
def test_pruning_never_reads_the_whole_history(engine: Engine, store: Store, url: str) -> None:
    """Every statement of a step searches the tables by key, whatever it does to its own list of targets."""
    statements: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN")):
            statements.append((statement, parameters))

    store.record([_observation()])
    statements.clear()
    assert store.prune(NOW + timedelta(days=1)) == 1
    other = sqlite3.connect(url.removeprefix("sqlite:///"))
    plans = [row[3] for s, p in statements for row in other.execute(f"EXPLAIN QUERY PLAN {s}", p)]
    other.close()
    assert [s.split()[0] for s, _ in statements] == ["DELETE"] * 5
    large = ("SCAN observations", "SCAN events", "SCAN connectivity", "SCAN deliveries")
    assert not [plan for plan in plans if plan.startswith(large)]


@ON_SQLITE
def test_a_locked_database_loses_nothing(store: Store, url: str) -> None:
    """A batch that could not be written because of a lock can be written afterwards, whole."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    batch = [_observation(n) for n in range(100)]
    with pytest.raises(DatabaseError, match="is locked by another process"):
        store.record(batch)
    other.close()
    assert _all(store) == []
    store.record(batch)
    assert _all(store) == batch


def test_what_reads_works_on_a_reader(store: Store, url: str) -> None:
    """The page's read-only engine gives the same answers, and writing through it fails."""
    store.record([_observation()])
    store.save_states([_state()], [_transition()])
    reader = Store(open_reader(url))
    assert (_all(reader), reader.states(), reader.transitions()) == (_all(store), store.states(), store.transitions())
    with pytest.raises(DatabaseError, match=r"cannot be written|is read-only"):
        reader.record([_observation(1)])


def _write_until_killed(url: str, first: int, pipe: Connection) -> None:
    """Record batches of ten, numbered on from `first`, and report each batch that is in."""
    store = Store(open_writer(url))
    for start in range(first, first + 100_000, 10):
        store.record([_observation(start + n) for n in range(10)])
        pipe.send(start + 10)


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_prefix(url: str) -> None:
    """After kill -9 in mid-write, twice: the file is sound, no reported batch is missing, none is there in part.

    Meanwhile a reader in this process sees whole batches only.
    """
    spawn = multiprocessing.get_context("spawn")
    count = 0
    for reports in (30, 300):
        ours, theirs = spawn.Pipe(duplex=False)
        child = spawn.Process(target=_write_until_killed, args=(url, count, theirs))
        child.start()
        theirs.close()
        for _ in range(reports):
            reported = ours.recv()
        reader = open_reader(url)
        with reader.connect() as connection:
            seen = connection.execute(select(func.count()).select_from(OBSERVATIONS)).scalar_one()
        child.kill()
        child.join()
        ours.close()
        engine = open_writer(url)
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        kept = _all(Store(engine))
        engine.dispose()
        count = len(kept)
        assert kept == [_observation(n) for n in range(count)]
        assert reported <= seen <= count
        assert seen % 10 == count % 10 == 0
