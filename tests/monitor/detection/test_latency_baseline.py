"""What a latency usually is: two quantiles, learned from every answer and hard to mislead."""

import math
import random
from collections.abc import Callable, Iterable

import pytest

from monitor.detection.latency import ENOUGH, NOTICEABLE_S, LatencyBaseline

NEW = LatencyBaseline()
DAY = 2880
"""Answers of a day at 30 s."""
LEARNED = LatencyBaseline(usual_s=0.9, high_s=2.6, answers=20_000)


def learned(answers_s: Iterable[float], baseline: LatencyBaseline = NEW, *, quiet: bool = True) -> LatencyBaseline:
    """The baseline after these answers."""
    for took_s in answers_s:
        baseline = baseline.learn(took_s, no_evidence=quiet)
    return baseline


def heavy(dice: random.Random, *, median_s: float = 0.9) -> float:
    """Log-normal, p99 4.4 times the median."""
    return median_s * dice.lognormvariate(0, 0.641)


@pytest.mark.parametrize(
    ("answer_s", "usual_s", "high_s"),
    [
        pytest.param(heavy, 0.9, 2.58, id="log-normal with a heavy tail"),
        pytest.param(lambda dice: dice.gammavariate(4, 0.25), 0.918, 1.94, id="gamma"),
        pytest.param(lambda dice: dice.uniform(0.08, 0.12), 0.1, 0.118, id="a tenth of a second, give or take a fifth"),
        pytest.param(lambda dice: heavy(dice, median_s=8), 8.0, 22.96, id="eight seconds"),
        pytest.param(
            lambda dice: dice.lognormvariate(0, 0.2) * (8 if dice.random() < 0.1 else 1), 1.027, 8.0, id="cold starts"
        ),
    ],
)
def test_both_quantiles_are_found(answer_s: Callable[[random.Random], float], usual_s: float, high_s: float) -> None:
    """After two weeks of answers the median and the 95 % value are within 5 %, whatever their distribution."""
    dice = random.Random(1)
    baseline = learned(answer_s(dice) for _ in range(14 * DAY))
    assert baseline.usual_s == pytest.approx(usual_s, rel=0.05)
    assert baseline.high_s == pytest.approx(high_s, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_an_hour_is_enough_to_begin_with(seed: int) -> None:
    """After 120 answers the median is within a quarter, and the 95 % value between that of 80 and of 99 of 100."""
    dice = random.Random(seed)
    baseline = learned(heavy(dice) for _ in range(120))
    assert baseline.usual_s == pytest.approx(0.9, rel=0.25)
    assert 1.54 < baseline.high_s < 4.0


@pytest.mark.parametrize("first_s", [0.001, 30.0])
def test_a_first_answer_that_is_far_off_is_forgotten(first_s: float) -> None:
    """Whatever the first answer was, after 500 more the rest decides."""
    dice = random.Random(2)
    baseline = learned([first_s, *(heavy(dice) for _ in range(500))])
    assert baseline.usual_s == pytest.approx(0.9, rel=0.2)
    assert baseline.high_s == pytest.approx(2.58, rel=0.3)


def test_nothing_is_unusual_before_enough_was_seen() -> None:
    """With fewer than a hundred quiet answers there is no mark."""
    baseline = learned([0.9] * (ENOUGH - 1))
    assert baseline.mark_s == math.inf
    assert learned([0.9], baseline).mark_s < math.inf


def test_answers_of_unquiet_times_do_not_count_as_seen() -> None:
    """A target that was slow from the start has no baseline yet."""
    assert learned([9.0] * 1000, quiet=False).mark_s == math.inf


def test_the_mark_is_the_high_value_where_that_is_noticeable() -> None:
    """Of a target whose answers vary, 95 of 100 are in time."""
    assert LEARNED.mark_s == 2.6


def test_a_regular_target_has_a_second_of_grace() -> None:
    """0.4 s instead of 0.3 s is outside the usual and nobody's concern."""
    assert LatencyBaseline(usual_s=0.3, high_s=0.35, answers=20_000).mark_s == 0.3 + NOTICEABLE_S


@pytest.mark.parametrize("took_s", [3.0, 30.0, 1e9])
def test_one_outlier_moves_next_to_nothing(took_s: float) -> None:
    """How far off it was does not matter: the mark moves by a thousandth at most."""
    assert learned([took_s], LEARNED).mark_s == pytest.approx(LEARNED.mark_s, rel=0.001)


def test_an_hour_of_slowness_is_not_normal() -> None:
    """After an hour at five times the usual, all of it held against the target, the mark is less than 1 % higher."""
    dice = random.Random(3)
    after = learned((5 * heavy(dice) for _ in range(120)), LEARNED, quiet=False)
    assert LEARNED.mark_s < after.mark_s < 1.01 * LEARNED.mark_s


def test_a_day_of_slowness_is_not_normal() -> None:
    """After a whole day the mark is at most a fifth higher: slowness of half that size would still be late."""
    dice = random.Random(4)
    after = learned((5 * heavy(dice) for _ in range(DAY)), LEARNED, quiet=False)
    assert after.mark_s < 1.2 * LEARNED.mark_s


def test_what_stays_becomes_normal() -> None:
    """A change for good is accepted after some days: within ten, five times the usual is under the mark mostly."""
    dice = random.Random(5)
    after = learned((5 * heavy(dice) for _ in range(10 * DAY)), LEARNED, quiet=False)
    assert sum(5 * heavy(dice) > after.mark_s for _ in range(1000)) < 300


@pytest.mark.parametrize("per_day", [0.97, 1.03], ids=["3 % faster every day", "3 % slower every day"])
def test_a_drift_over_days_is_followed(per_day: float) -> None:
    """After 20 days of drift between 2 and 9 % of the answers are past the 95 % value."""
    dice = random.Random(6)
    factors = [per_day ** (number / DAY) for number in range(20 * DAY)]
    after = learned((heavy(dice) * factor for factor in factors), LEARNED)
    late = sum(heavy(dice) * factors[-1] > after.high_s for _ in range(5000)) / 5000
    assert 0.02 < late < 0.09


@pytest.mark.parametrize("took_s", [0.0, -1.0])
def test_a_time_of_nothing_teaches_nothing(took_s: float) -> None:
    """A clock that stood still is no fast answer."""
    assert learned([took_s], LEARNED) == LEARNED


def test_answers_that_are_all_the_same_are_no_trouble() -> None:
    """The high value never falls below the usual one."""
    baseline = learned([0.5] * 5000)
    assert baseline.usual_s == pytest.approx(0.5, rel=0.01)
    assert baseline.usual_s <= baseline.high_s < 0.55
