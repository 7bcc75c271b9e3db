"""How soon a route is back at a target that answers again, where some of the answers are bad."""

from statistics import median

import pytest

from controller.simulation.loop import run_seed
from controller.simulation.world import build_timelines
from probes.outcome import Outcome
from tests.support.worlds import outage, scenario

FIRST, STANDBY = "openai/a", "anthropic/c"
ENDS_S, RUNS = 3000.0, 7


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [Outcome.BAD_ANSWER, Outcome.SLOW])
@pytest.mark.parametrize("rate", [0.03, 0.05])
def test_a_few_bad_answers_do_not_keep_a_route_away(rate: float, outcome: Outcome) -> None:
    """No route would leave a target for so few: half of the holds take no longer than clean ones."""
    down = outage(1800, ENDS_S - 1800, targets=(FIRST,), failure_rate=1.0)
    bad = outage(ENDS_S, 4 * 3600, targets=(FIRST,), failure_rate=rate, outcome=outcome)
    made_up, back_s = scenario(down, bad, names=(FIRST, STANDBY), hours=5.0), []
    for seed in range(RUNS):
        decisions = run_seed(made_up, build_timelines(made_up, seed), seed).decisions
        back_s.append(next(at_s - ENDS_S for at_s, made in decisions if at_s > ENDS_S and made.target == FIRST))
    assert median(back_s) <= 480
