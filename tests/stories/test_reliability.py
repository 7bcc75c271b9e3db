"""An outage begins while something of the service's own fails: the route moves, and nothing is decided twice."""

import pytest

from benchmarks.reliability.trials import TRIALS

pytestmark = pytest.mark.slow

#: `make drills ARGS=reliability` provokes all of them.
SOME = ("database locked for writing", "database's pages overwritten", "lock files removed, second service")


@pytest.mark.parametrize("name", SOME)
def test_the_route_moves_whatever_fails(name: str) -> None:
    """It moves, is journalled once the fault is over, and a restart leaves it where users are."""
    report = TRIALS[name].report()
    assert (report.wrong, report.lacks) == ([], None)
    assert report.figures["moved after"].value > 0
