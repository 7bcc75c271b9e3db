"""What the live comparison makes of what came to the providers."""

import pytest

from benchmarks.litellm import Arrival, row


def arrival(at_s: float, provider: str, *, probe: bool = False, answered: bool = True) -> Arrival:
    """One request of somebody."""
    return Arrival(at_s=at_s, who="somebody", provider=provider, probe=probe, answered=answered)


def test_a_request_that_is_tried_again_and_the_way_to_the_other_and_back() -> None:
    """Three requests from second 10 on take four tries; answers cost 0.00021 dollars, of a probe before it nothing."""
    arrivals = [
        arrival(5.0, "bad", probe=True),
        arrival(9.0, "bad"),
        arrival(10.0, "bad", answered=False),
        arrival(11.0, "bad", probe=True, answered=False),
        arrival(12.0, "good"),
        arrival(13.0, "good", probe=True),
        arrival(14.0, "good"),
        arrival(15.0, "bad", answered=False),
    ]
    cells = row("somebody", arrivals, [(10.0, True), (14.0, True), (15.0, False)])
    assert cells == ["somebody", "2 s", "50%", "2", "33.3%", "1.33", "3", "0.0004 + 0.0002"]


@pytest.mark.parametrize("answered", [True, False])
def test_who_has_no_failover_never_comes_to_the_other(*, answered: bool) -> None:
    """Neither flips nor probes."""
    cells = row("nobody", [arrival(10.0, "bad", answered=answered)], [(10.0, answered)])
    assert cells[1:4] == ["never", "0%", "0"]
    assert cells[4] == ("0.0%" if answered else "100.0%")
    assert cells[5:] == ["1.00", "0", "0.0002 + 0.0000" if answered else "0.0000 + 0.0000"]
