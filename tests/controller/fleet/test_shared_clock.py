"""The time that machines share: the database's, whatever their own clocks do."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.fleet.shared_clock import SharedClock
from monitor.storage.lease_store import DatabaseTime
from tests.support.databases import Seconds

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Wall:
    """A wall clock that is set by hand."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


def measured(off_s: float, monotonic_s: float, within_s: float = 0.0) -> DatabaseTime:
    """What a database said whose clock is `off_s` ahead of the first time of ours."""
    return DatabaseTime(at=NOON + timedelta(seconds=monotonic_s + off_s), monotonic_s=monotonic_s, within_s=within_s)


def test_it_goes_by_the_database_and_not_by_a_clock_that_is_set(caplog: pytest.LogCaptureFixture) -> None:
    """An hour off from the start, then set by an hour: the time goes on by seconds, and people are told once."""
    wall, seconds = Wall(), Seconds()
    clock = SharedClock(wall=wall, monotonic=seconds)
    assert clock() == NOON
    clock.learn(measured(3600, 0.0))
    assert clock() == NOON + timedelta(hours=1)
    seconds.now, wall.now = 10.0, NOON - timedelta(hours=5)
    assert clock() == NOON + timedelta(hours=1, seconds=10)
    clock.learn(measured(3600, 10.0))
    assert clock() == NOON + timedelta(hours=1, seconds=10)
    assert clock.off_s == -6 * 3600 - 10
    assert caplog.text.count("clock_differs") == 1


@pytest.mark.parametrize(("off_s", "within_s", "followed"), [(0.9, 0.0, 0.0), (4.0, 4.0, 0.0), (6.0, 4.0, 6.0)])
def test_what_may_be_the_networks_is_not_followed(off_s: float, within_s: float, followed: float) -> None:
    """Up to a second, and as much as a slow answer may be wrong by."""
    clock = SharedClock(wall=Wall(), monotonic=Seconds())
    clock.learn(measured(off_s, 0.0, within_s))
    assert clock() == NOON + timedelta(seconds=followed)
