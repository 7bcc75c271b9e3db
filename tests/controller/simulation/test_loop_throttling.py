"""How soon a route leaves a target that throttles, or answers wrongly, and how rarely it does where little is bad."""

from statistics import fmean

import pytest

from controller.simulation.loop import run_seed
from controller.simulation.world import build_timelines
from probes.outcome import Outcome
from tests.support.worlds import outage, scenario

FIRST, STANDBY = "openai/a", "anthropic/c"
ONSET_S, HOUR_S = 3607.0, 3600.0


def flips_s(rate: float, outcome: Outcome, *, runs: int, retry_after_s: float | None = None) -> list[float]:
    """Seconds from the onset until the route left, of each run in which it did; an hour of this share."""
    trouble = outage(
        at_s=ONSET_S,
        for_s=HOUR_S,
        failure_rate=rate,
        outcome=outcome,
        targets=(FIRST,),
        retry_after_s=retry_after_s,
    )
    made_up = scenario(trouble, names=(FIRST, STANDBY), hours=2.1)
    moved = []
    for seed in range(runs):
        course = run_seed(made_up, build_timelines(made_up, seed), seed)
        left = (at_s - ONSET_S for at_s, decision in course.decisions if decision.before == FIRST and at_s > ONSET_S)
        moved.append(next(left, HOUR_S))
    return [after_s for after_s in moved if after_s < HOUR_S]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "outcome", "within_s"),
    [
        (1.0, Outcome.RATE_LIMITED, 60),
        (0.6, Outcome.RATE_LIMITED, 180),
        (0.5, Outcome.RATE_LIMITED, 240),
        (1.0, Outcome.BAD_ANSWER, 60),
        (0.6, Outcome.BAD_ANSWER, 180),
    ],
)
def test_a_route_leaves_soon(rate: float, outcome: Outcome, within_s: float) -> None:
    """The mean; and every run moves."""
    moved = flips_s(rate, outcome, runs=20)
    assert len(moved) == 20
    assert fmean(moved) <= within_s


@pytest.mark.slow
def test_a_third_throttled_moves_a_route_in_a_quarter_of_an_hour_and_a_seventh_does_not() -> None:
    """Three of four runs at 30 %, and few at 15 %: with a margin for so few runs."""
    assert sum(after_s <= 900 for after_s in flips_s(0.3, Outcome.RATE_LIMITED, runs=40)) >= 26
    assert len(flips_s(0.15, Outcome.RATE_LIMITED, runs=60)) <= 6


@pytest.mark.parametrize(("retry_after_s", "within_s"), [(5.0, 60), (10.0, 60), (60.0, 220)])
def test_a_wait_that_was_kept_in_vain_is_waited_for_once_more(retry_after_s: float, within_s: float) -> None:
    """The second refusal after it moves the route."""
    [after_s] = flips_s(1.0, Outcome.RATE_LIMITED, runs=1, retry_after_s=retry_after_s)
    assert after_s <= within_s
