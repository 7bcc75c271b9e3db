"""What waits for the database is bounded, and what matters most stays longest."""

from collections.abc import Sequence

import pytest

from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.health import Health, Transition
from monitor.storage.pending_writes import MOST_BYTES, PendingWrites, WaitingEvent
from tests.support.builders import T0, observation

TRANSITION = Transition(
    target="openai/a",
    at=T0,
    before=Health.UP,
    after=Health.DOWN,
    reason="it is down",
    evidence=1.0,
    threshold=1.0,
)


def fill(waiting: PendingWrites, count: int) -> None:
    """So many of everything."""
    for n in range(count):
        waiting.add_states((), [TRANSITION], {}, T0, ())
        waiting.add_event(WaitingEvent(T0, "pinned", "chat", "text", True))
        waiting.add_event(WaitingEvent(T0, "noted", "chat", "text", False))
        waiting.add_observations([observation(".", at_s=n), observation("x", at_s=n)])
        waiting.add_connectivity(
            ConnectivityObservation(at=T0, state=ConnectivityState.ONLINE, asked=(), answered=frozenset())
        )


def lengths(waiting: PendingWrites) -> Sequence[int]:
    """How many wait: connectivity notes, events, good and other answers, events that notify people, transitions."""
    queues = (waiting.connectivity, waiting.events, waiting.good, waiting.bad, waiting.told_events, waiting.transitions)
    return [len(queue) for queue in queues]


@pytest.mark.parametrize("most_bytes", [0, 20_000, 100_000, 300_000])
def test_the_least_worth_goes_first_and_is_counted(most_bytes: int) -> None:
    """Nothing is dropped while something of less worth is there, and nothing goes uncounted."""
    waiting = PendingWrites(most_bytes)
    fill(waiting, 20)
    kept = lengths(waiting)
    assert waiting.estimated_bytes <= most_bytes
    dropped = waiting.take_dropped()
    assert sum(kept) + sum(dropped.values()) == 6 * 20
    first_kept = next((n for n, count in enumerate(kept) if count), len(kept))
    # The newest of a kind of less worth may have come in after the last was dropped.
    assert all(count == 20 for count in kept[first_kept + 2 :])
    assert waiting.take_dropped() == {}


def test_the_oldest_good_answers_go_before_any_failure() -> None:
    """What remains of a long outage is how it failed."""
    waiting = PendingWrites(30_000)
    waiting.add_observations([observation("." if n % 2 else "x", at_s=n) for n in range(20)])
    assert len(waiting.bad) == 10
    assert [good.started_at for good in waiting.good] == sorted(good.started_at for good in waiting.good)
    assert waiting.good[-1].started_at == observation(".", at_s=19).started_at


def test_all_of_it_can_be_taken_out_again() -> None:
    """The estimate is back at nothing; a state per target is kept, the last."""
    waiting = PendingWrites()
    fill(waiting, 3)
    assert waiting.estimated_bytes < MOST_BYTES
    assert not waiting.is_empty
    waiting.forget_states()
    for queue in (waiting.good, waiting.bad, waiting.events, waiting.told_events, waiting.connectivity):
        waiting.remove(queue, 10)
    assert (waiting.is_empty, waiting.estimated_bytes) == (True, 0)
