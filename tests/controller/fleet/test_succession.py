"""When a machine that stands by may lead."""

from datetime import UTC, datetime

import pytest

from controller.fleet.succession import may_take, place_of
from monitor.storage.lease_store import DatabaseTime, LeaseReading

NOW = DatabaseTime(at=datetime(2026, 11, 29, tzinfo=UTC), monotonic_s=0.0, within_s=0.0)
ME, SAME_PLACE, OTHER = "web-1 pid 7 aaaa.1", "web-1 pid 6 aaaa.0", "web-2 pid 7 bbbb.1"


@pytest.mark.parametrize(
    ("holder", "left_s", "locked", "unchanged_s", "expected"),
    [
        (OTHER, 0.1, True, 14.9, False),
        (OTHER, 0.1, False, 0.0, False),  # its connection may come back
        (OTHER, 0.0, True, 0.0, True),
        (OTHER, 3600.0, True, 15.0, True),  # the database's clock was set back: nobody renews it
        (SAME_PLACE, 10.0, False, 0.0, True),  # killed: we hold the folder of its routing file
        (SAME_PLACE, 10.0, True, 0.0, False),  # another machine of that name
        ("", -1.0, False, 0.0, True),
    ],
)
def test_a_lease_is_over(holder: str, left_s: float, *, locked: bool, unchanged_s: float, expected: bool) -> None:
    """By the database's time, by silence, or by the death of who ran here before."""
    reading = LeaseReading(holder=holder, epoch=3, until_ms=1, left_s=left_s, locked=locked, time=NOW)
    assert may_take(reading, holder=ME, unchanged_s=unchanged_s) is expected


def test_the_place_is_of_machine_and_routing_file() -> None:
    """Whoever they are."""
    assert place_of(ME) == place_of(SAME_PLACE) == "aaaa"
    assert place_of("") == ""
