"""An outage begins while the service's database fails: the route moves all the same, and nothing is decided twice."""

from pathlib import Path

import pytest

from benchmarks.reliability.faults import FAULTS
from benchmarks.reliability.report import measure

pytestmark = pytest.mark.slow

#: `make bench ARGS=reliability` provokes all of them, and takes ten minutes.
SOME = ("database locked for writing", "database's pages overwritten", "lock files removed, second service")


@pytest.mark.parametrize("name", SOME)
def test_the_route_moves_whatever_fails(name: str, tmp_path: Path) -> None:
    """It moves, is journalled once the fault is over, and a restart leaves it where users are."""
    [fault] = [fault for fault in FAULTS if fault.name == name]
    assert measure(fault, tmp_path).startswith(f"|{name}|")
