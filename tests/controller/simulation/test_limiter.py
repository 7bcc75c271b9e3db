"""An account's limit in the simulation, and that our own probes neither overrun it nor move a route because of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from controller.simulation.limiter import Limiter
from controller.simulation.loop import run_seed
from controller.simulation.scenario import BlipStream, Limit, Outage
from controller.simulation.world import build_timelines
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.worlds import outage, scenario

A, B, STANDBY = "openai/a", "openai/b", "anthropic/c"
MANY = tuple(f"openai/m{number}" for number in range(4))
HOURS, SEEDS = 8.0, 2
#: What starts a burst on the first of them.
SINGLE = outage(3599.0, 2.0, targets=(A, MANY[0]), failure_rate=1.0)


def test_what_is_refused_counts_for_a_minute() -> None:
    """So do those that were refused: at 60 s the first is forgotten, but not those at 10 and 20 s."""
    limiter = Limiter(2)
    assert [limiter.refuses(at_s) for at_s in (0.0, 10.0, 20.0, 60.0, 70.0, 80.0)] == [False, False, True] + 3 * [True]
    assert not limiter.refuses(140.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of some seeds."""

    left_s: Sequence[float]
    """When the route left its first candidate."""
    asked: Sequence[Observation]
    """Of the targets that share the limit."""
    share: float
    """Of these, of those of a fixed interval."""


def live(
    names: tuple[str, ...], per_minute: float, *outages: Outage, interval_s: float = 30.0, hours: float = HOURS
) -> Lived:
    """Some seeds of targets that share a limit, beside a standby; with blips."""
    limit = Limit(targets=frozenset(names), per_minute=per_minute)
    made_up = scenario(*outages, names=(*names, STANDBY), hours=hours, blips=BlipStream(), limits=(limit,))
    targets = tuple(replace(target, interval_s=interval_s) for target in made_up.settings.targets)
    made_up = replace(made_up, settings=replace(made_up.settings, targets=targets))
    left_s, asked = list[float](), list[Observation]()
    for seed in range(SEEDS):
        decisions = run_seed(made_up, build_timelines(made_up, seed), seed, asked.append).decisions
        left_s += [at_s for at_s, decision in decisions if decision.before == names[0]]
    mine = [probe for probe in asked if probe.target in limit.targets]
    return Lived(left_s=left_s, asked=mine, share=len(mine) * interval_s / (SEEDS * hours * 3600 * len(names)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "per_minute", "interval_s"),
    [
        pytest.param((A,), 10, 10.0, id="one whose probes are six of ten"),
        pytest.param((A, B), 10, 30.0, id="two, and ten a minute"),
        pytest.param((A, B), 20, 30.0, id="two, and twenty"),
        pytest.param((A, B), 40, 30.0, id="two, and forty"),
        pytest.param((A, B), 20, 10.0, id="two whose probes are twelve of twenty"),
        pytest.param(MANY[:3], 10, 30.0, id="three whose probes are six of ten"),
        pytest.param(MANY, 10, 30.0, id="four whose probes are eight of ten"),
    ],
)
def test_bursts_that_meet_a_shared_limit_move_nothing(
    names: tuple[str, ...], per_minute: float, interval_s: float
) -> None:
    """After a single failure, and after the usual failures and blips of many hours."""
    lived = live(names, per_minute, SINGLE, interval_s=interval_s)
    refused = sum(probe.outcome is Outcome.RATE_LIMITED for probe in lived.asked)
    often_met = per_minute < 4 * len(names) * 60 / interval_s
    assert refused > 0 or not often_met
    assert not lived.left_s
    assert lived.share <= 1.1


@pytest.mark.slow
@pytest.mark.parametrize("per_minute", [10, 20, 40])
@pytest.mark.parametrize(("rate", "within_s"), [(1.0, 130.0), (0.5, 400.0)])
def test_an_outage_of_one_of_two_that_share_a_limit_moves(per_minute: float, rate: float, within_s: float) -> None:
    """Though its bursts meet the limit: later than without one, but it moves, and only then."""
    failing = outage(2 * 3600.0, 3600.0, targets=(A,), failure_rate=rate)
    lived = live((A, B), per_minute, SINGLE, failing, hours=4.0)
    assert len(lived.left_s) >= 2
    assert all(failing.at_s < at_s < failing.at_s + within_s for at_s in lived.left_s)
