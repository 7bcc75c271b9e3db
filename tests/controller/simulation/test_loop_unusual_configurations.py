"""Configurations at the edge: one candidate, one provider, forty targets, all our own fault, and extreme intervals."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from controller.routing.decision import Decision, MoveKind
from controller.simulation.loop import run_seed
from controller.simulation.scenario import Scenario
from controller.simulation.world import build_timelines
from monitor.config.route import Route
from probes.outcome import Outcome
from tests.support.worlds import outage, scenario

pytestmark = pytest.mark.slow

A, B, C = "openai/a", "openai/b", "openai/c"


def moves(
    made_up: Scenario, candidates: Sequence[str], interval_s: float = 30.0, *, seed: int = 0
) -> list[tuple[float, Decision]]:
    """What a route over these candidates does after its first decision, and the second of each move."""
    targets = tuple(replace(target, interval_s=interval_s) for target in made_up.settings.targets)
    routes = (Route(name="chat", candidates=tuple(candidates)),)
    made_up = replace(made_up, settings=replace(made_up.settings, targets=targets, routes=routes))
    return list(run_seed(made_up, build_timelines(made_up, seed), seed).decisions[1:])


def test_one_candidate_stays_where_it_is() -> None:
    """There is nowhere to go."""
    assert not moves(scenario(outage(targets=(A,), failure_rate=1.0), names=(A,)), (A,))


def test_all_candidates_of_one_provider() -> None:
    """Whoever fails least is taken while the whole provider fails, and the first one again after it."""
    worse, better = outage(targets=(A, B), failure_rate=1.0), outage(targets=(C,), failure_rate=0.2)
    made = [decision for _, decision in moves(scenario(worse, better, names=(A, B, C)), (A, B, C))]
    assert C in {decision.target for decision in made}
    assert made[-1].target == A
    assert len(made) <= 4


def test_all_misconfigured_holds() -> None:
    """A key that is refused everywhere moves a route at most once, before that is known of the others."""
    own_fault = outage(targets=(A, B, C), failure_rate=1.0, outcome=Outcome.AUTH)
    made = moves(scenario(own_fault, names=(A, B, C)), (A, B, C))
    assert not [second for second, _ in made if 3630.0 < second < 7200.0]
    assert [decision.target for _, decision in made] in ([], [C, A], [B, A])


@pytest.mark.parametrize(
    ("interval_s", "hours", "within_s"),
    [pytest.param(0.5, 0.4, 60.0, id="500 ms"), pytest.param(3600.0, 120.0, 4 * 3600.0, id="an hour")],
)
def test_extreme_intervals(interval_s: float, hours: float, within_s: float) -> None:
    """An outage is noticed after a few intervals, if not at once, and the route comes back."""
    at_s, for_s = hours * 3600 / 3, hours * 3600 / 3
    failing = outage(at_s=at_s, for_s=for_s, targets=(A,), failure_rate=1.0)
    (out_s, out), (back_s, back) = moves(
        scenario(failing, names=(A, "anthropic/c"), hours=hours), (A, "anthropic/c"), interval_s
    )
    assert out.move is MoveKind.FAILOVER
    assert at_s < out_s < at_s + within_s
    assert (back.move, back.target) == (MoveKind.FAILBACK, A)
    assert back_s > at_s + for_s


@pytest.mark.parametrize(
    ("interval_s", "hours", "within_s", "seeds"),
    [
        pytest.param(0.5, 0.3, 30.0, 1, id="500 ms"),
        pytest.param(30.0, 1.5, 30.0, 8, id="30 s"),
        pytest.param(3600.0, 48.0, 1200.0, 8, id="an hour"),
    ],
)
def test_forty_targets_of_one_provider(interval_s: float, hours: float, within_s: float, seeds: int) -> None:
    """They are found to fail together within seconds, or as soon as some of them are asked; and they come back."""
    names, third_s = (*(f"openai/m{number}" for number in range(40)), "anthropic/c"), hours * 1200
    made_up = scenario(outage(targets=names[:-1], at_s=third_s, for_s=third_s), names=names, hours=hours)
    for seed in range(seeds):
        (out_s, out), (back_s, back) = moves(made_up, (names[0], names[-1]), interval_s, seed=seed)
        assert (out.move, back.move) == (MoveKind.FAILOVER, MoveKind.FAILBACK)
        assert third_s < out_s < third_s + within_s
        assert back_s > 2 * third_s
