"""Sessions: their place under weights, and what is kept of their last target, and for how long."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing
from hotspare_client.affinity import IDLE_S, LONGEST_S, MOST_KEYS

from tests.support.routes import FIRST, SECOND, THIRD, open_route, write_route

BOTH: dict[str, dict[str, Any]] = {FIRST: {}, SECOND: {}}


class Clock:
    """Moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A monotonic clock."""
    return Clock()


@pytest.fixture
def routing(tmp_path: Path, clock: Clock) -> Routing:
    """A route that stands at its standby after a failover."""
    write_route(tmp_path / "routing.json", target=SECOND, targets=BOTH, move="failover")
    return Routing(tmp_path / "routing.json", check_every_s=0, monotonic=clock)


@pytest.fixture
def move(tmp_path: Path) -> Callable[..., None]:
    """Moves the route."""
    return lambda target, **route: write_route(tmp_path / "routing.json", target=target, **{"targets": BOTH, **route})


def at(routing: Routing, key: str = "s") -> str:
    """Where a session is now."""
    target = routing.route("chat", key)
    assert target
    return target.id


@pytest.mark.parametrize("kind", ["failback", "step"])
def test_a_session_stays_over_a_failback(routing: Routing, move: Callable[..., None], kind: str) -> None:
    """Others begin at the preferred target."""
    assert at(routing) == SECOND
    move(FIRST, move=kind)
    assert at(routing) == SECOND
    assert at(routing, "another") == FIRST
    assert at(routing) == SECOND


@pytest.mark.parametrize("kind", ["failover", "abort", "drain", "pin", "configured", "least_bad", "word of tomorrow"])
def test_a_session_moves_along_with_every_other_move(routing: Routing, move: Callable[..., None], kind: str) -> None:
    """Above all over a failover."""
    assert at(routing) == SECOND
    move(FIRST, move=kind)
    assert at(routing) == FIRST


@pytest.mark.parametrize("fields", [{"health": "suspect"}, {"health": "down"}, {"drained": True}])
def test_a_session_leaves_a_target_that_is_not_well(
    routing: Routing, move: Callable[..., None], fields: dict[str, Any]
) -> None:
    """At once, and for good."""
    assert at(routing) == SECOND
    move(FIRST, move="failback", targets={FIRST: {}, SECOND: fields})
    assert at(routing) == FIRST
    move(FIRST, move="failback")
    assert at(routing) == FIRST


def test_a_session_leaves_a_target_that_is_no_candidate_any_more(routing: Routing, move: Callable[..., None]) -> None:
    """The configuration has changed."""
    assert at(routing) == SECOND
    move(FIRST, move="failback", targets={FIRST: {}, THIRD: {}})
    assert at(routing) == FIRST


def test_a_session_that_was_idle_begins_anew(routing: Routing, move: Callable[..., None], clock: Clock) -> None:
    """After five minutes no provider remembers it."""
    assert at(routing) == SECOND
    move(FIRST, move="failback")
    clock.now += IDLE_S
    assert at(routing) == SECOND
    clock.now += IDLE_S + 0.1
    assert at(routing) == FIRST


def test_a_session_is_kept_for_an_hour_at_most(routing: Routing, move: Callable[..., None], clock: Clock) -> None:
    """From the move on, however long it had been there, so that a standby is empty one day."""
    for _ in range(30):
        clock.now += 240
        assert at(routing) == SECOND
    move(FIRST, move="failback")
    stayed_s = 0.0
    while at(routing) == SECOND:
        clock.now += 240
        stayed_s += 240
    assert LONGEST_S < stayed_s <= LONGEST_S + 240


@pytest.mark.slow
def test_sessions_keep_their_place_under_weights(tmp_path: Path) -> None:
    """In every process the same; a share that grows takes new sessions, and gives none back."""
    write_route(tmp_path / "routing.json", targets=BOTH)
    keys, before = [f"session-{number}" for number in range(2000)], set[str]()
    for percent in (10, 25, 50, 100):
        write_route(
            tmp_path / "routing.json", target=SECOND, targets=BOTH, weights={SECOND: 100 - percent, FIRST: percent}
        )
        first, second = (Routing(tmp_path / "routing.json", check_every_s=0) for _ in range(2))
        there = {key for key in keys if at(first, key) == FIRST}
        assert there == {key for key in keys if at(second, key) == FIRST}
        assert before <= there
        assert abs(len(there) - 20 * percent) <= 100
        before = there


@pytest.mark.slow
def test_memory_is_bounded(routing: Routing, move: Callable[..., None]) -> None:
    """Ten thousand sessions; the one that was idle longest is forgotten first."""
    assert at(routing, "old") == SECOND
    assert at(routing, "older") == SECOND
    for number in range(MOST_KEYS - 2):
        routing.route("chat", f"session-{number}")
    assert at(routing, "old") == SECOND
    routing.route("chat", "one too many")
    assert len(routing._affinity._kept) == MOST_KEYS
    move(FIRST, move="failback")
    assert (at(routing, "old"), at(routing, "older")) == (SECOND, FIRST)


class Unwritable:
    """A key that cannot be written."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("key", ["", "\ud800", "x" * 10_000_000, 7, b"k", Unwritable()], ids=type)
def test_any_key_gives_a_target(routing: Routing, key: Any) -> None:
    """A read never raises."""
    target = routing.route("chat", key)
    assert target
    assert target.id == SECOND
    assert routing.route("none", key) is None


def test_attempts_follow_the_session(routing: Routing, move: Callable[..., None]) -> None:
    """With the same key."""
    assert at(routing) == SECOND
    move(FIRST, move="failback")
    for attempt in routing.attempts("chat", key="s"):
        with attempt:
            assert attempt.target.id == SECOND


def test_threads_and_forks_share_what_is_kept(tmp_path: Path) -> None:
    """No read is lost or blocked, while others read and a child goes its own way."""
    routing = open_route(tmp_path, targets=BOTH)
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(at, routing, f"session-{number % 50}") for number in range(2000)]
        with routing._affinity._lock:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if at(routing, "session-1") == FIRST else 1
                finally:
                    os._exit(status)
        assert Counter(read.result(timeout=30) for read in reads) == {FIRST: 2000}
    assert os.waitpid(child, 0)[1] == 0
    assert threading.active_count() >= 1
