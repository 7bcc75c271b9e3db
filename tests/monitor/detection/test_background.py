"""What is usual for a target: learned by the week, by the hour of the day, and of late."""

import math
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detection.background import BackgroundRate
from tests.support.builders import T0

INTERVAL_S = 30.0
DAY_PROBES, HOUR_PROBES = 2880, 120


def probed(background: BackgroundRate, failed: list[bool], *, after: int = 0) -> BackgroundRate:
    """The rate after these probes, one an interval, the first of them so many intervals after the start."""
    for number, each in enumerate(failed, start=after):
        background = background.add_probe(T0 + timedelta(seconds=number * INTERVAL_S), failed=each)
    return background


def lived(days: int, rate_at: Callable[[float], float], seed: int = 1) -> tuple[BackgroundRate, list[float]]:
    """The rate after so many days with this failure rate by the hour of the day; what it was, probe by probe."""
    dice, background, rates = Random(seed), BackgroundRate(), list[float]()
    for number in range(days * DAY_PROBES):
        at = T0 + timedelta(seconds=number * INTERVAL_S)
        failed = dice.random() < rate_at(at.hour + at.minute / 60)
        background = background.add_probe(at, failed=failed)
        rates.append(background.rate)
    return background, rates


def breath(hour: float) -> float:
    """0.2 % at midnight, 4 % at noon."""
    return 0.002 + 0.038 * (1 - math.cos(2 * math.pi * hour / 24)) / 2


def test_without_history_the_background_is_half_a_percent() -> None:
    """The prior's mean, to within the grid."""
    assert BackgroundRate().rate == pytest.approx(0.005, rel=0.05)


def test_the_background_is_learned() -> None:
    """Fifty failures in a thousand quiet probes pull it well up; ten thousand good ones pull it down."""
    noisy = BackgroundRate(failures=50, probes=1000)
    assert noisy.rate == pytest.approx(0.0275, rel=0.13)
    assert BackgroundRate(failures=0, probes=10_000).rate < 0.003


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 250), st.floats(0, 250))
def test_the_background_stays_between_its_bounds(failures: float, good: float, late: float, well: float) -> None:
    """Whatever was seen, the rate is between 0.2 and 5 %."""
    background = BackgroundRate(
        failures=failures, probes=failures + good, recent_failures=late, recent_probes=late + well
    )
    assert 0.002 <= background.rate <= 0.05


def test_the_background_forgets() -> None:
    """About the last 20,000 probes count, so that old noise fades."""
    background = probed(BackgroundRate(failures=1000, probes=20_000), [False] * 20_000)
    assert background.probes == pytest.approx(20_000)
    assert background.failures == pytest.approx(1000 / math.e, rel=0.01)


@given(st.integers(0, 25_000), st.lists(st.booleans(), max_size=30), st.integers(0, 400), st.integers(1, 4000))
def test_resting_is_the_same_as_seeing_one_by_one(
    before: int, failures: list[bool], good: int, interval_s: int
) -> None:
    """So many quiet probes at once teach what they teach one after the other, also where memories are full."""
    background = BackgroundRate(probes=min(before, 20_000), failures=before / 200)
    background = probed(background, failures)
    begin, one_by_one = T0 + timedelta(hours=1), background
    for number in range(good):
        one_by_one = one_by_one.add_probe(begin + timedelta(seconds=number * interval_s), failed=False)
    at_once = background.add_clean_probes(good, begin + timedelta(seconds=(good - 1) * interval_s), interval_s)
    assert at_once.hour == one_by_one.hour
    until = begin + timedelta(seconds=(good - 1) * interval_s)
    assert background.rate_after(good, until, interval_s) == at_once.rate
    for left, right in zip(at_once.hours, one_by_one.hours, strict=True):
        assert left == pytest.approx(right, rel=1e-9, abs=1e-9)
    for name in ("failures", "probes", "recent_failures", "recent_probes", "last_failed"):
        assert getattr(at_once, name) == pytest.approx(getattr(one_by_one, name), rel=1e-9, abs=1e-9)


@pytest.mark.slow
def test_a_background_that_breathes_is_judged_by_the_hour() -> None:
    """After some days the rate follows 0.2 to 4 %, within a factor of two; one mean would be ten times too high."""
    background, rates = lived(12, breath)
    for hour in range(24):
        whole = [rates[day * DAY_PROBES + place] for day in (10, 11) for place in hour_places(hour)]
        wanted = breath(hour + 0.5)
        assert wanted / 2 < sum(whole) / len(whole) < 2 * wanted + 0.004
    assert background.failures / background.probes == pytest.approx(0.021, rel=0.2)


def hour_places(hour: int) -> range:
    """The probes of this hour of the day, by their place in a day that begins with T0."""
    first = round(((hour - T0.hour) % 24 - T0.minute / 60) * HOUR_PROBES)
    return range(max(0, first), max(0, first) + HOUR_PROBES)


def test_a_background_that_has_risen_is_judged_by_the_present_hours() -> None:
    """On the first day nothing is known of hours: 4 % of two hours' probes more than double what was usual."""
    quiet = BackgroundRate().add_clean_probes(DAY_PROBES, T0, INTERVAL_S)
    risen = probed(quiet, [number % 25 == 0 for number in range(250)])
    assert risen.rate > 2 * quiet.rate
    assert risen.add_clean_probes(DAY_PROBES, T0 + timedelta(days=1), INTERVAL_S).rate < 0.006


def test_single_failures_do_not_raise_what_is_usual() -> None:
    """Nor does the failure just seen count: it must not weaken the evidence that it is itself."""
    usual = BackgroundRate(failures=100, probes=20_000)
    once = usual.add_probe(T0, failed=True)
    assert once.rate == usual.rate
    assert once.add_clean_probes(100, T0, INTERVAL_S).add_probe(T0, failed=True).rate == usual.rate


def test_a_steady_background_is_hardly_taken_for_more() -> None:
    """At a steady half percent the rate is on average what really failed, within a seventh."""
    background, rates = lived(10, lambda _: 0.005)
    assert sum(rates) / len(rates) == pytest.approx(background.failures / background.probes, rel=0.15)
