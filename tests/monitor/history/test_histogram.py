"""A histogram knows any quantile within 5 %, whatever the durations, and however it was put together."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.history.histogram import Histogram

_DURATIONS = st.lists(st.floats(min_value=1e-4, max_value=3_600.0), min_size=1, max_size=60)


@given(_DURATIONS, st.floats(min_value=0.01, max_value=1.0))
def test_every_quantile_is_within_five_percent(durations: list[float], share: float) -> None:
    """Of the nearest rank among the durations themselves."""
    exact = sorted(durations)[max(0, ceil(share * len(durations)) - 1)]
    assert Histogram.of(durations).quantile(share) == pytest.approx(exact, rel=0.05 + 1e-9)


@given(_DURATIONS, _DURATIONS)
def test_the_sum_is_the_histogram_of_all(some: list[float], others: list[float]) -> None:
    """Sums lose nothing, and a histogram is read as it was written."""
    both = Histogram.of(some) + Histogram.of(others)
    assert Histogram.parse(both.text()) == both == Histogram.of(some + others)
    assert both.total == len(some) + len(others)


def test_no_duration_is_too_odd() -> None:
    """Nothing, zero, a negative one of a clock that was set, and an endless one have their place."""
    assert Histogram().quantile(0.5) is None
    odd = Histogram.of([0.0, -3.0, float("inf"), 1e300])
    assert odd.total == 4
    assert odd.quantile(1.0) == pytest.approx(1e6, rel=0.05)


@pytest.mark.parametrize("text", ["", "[]x", '{"a": 1}', '{"1": null}'])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    """With a ValueError, or a TypeError for a count that is none."""
    with pytest.raises((ValueError, TypeError)):
        Histogram.parse(text)
