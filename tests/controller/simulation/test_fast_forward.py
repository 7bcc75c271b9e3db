"""Quiet time is skipped exactly: with every probe made one by one, the same happens at the same instants."""

from dataclasses import replace
from typing import Any

import pytest

from controller.simulation.fast_forward import is_worthwhile
from controller.simulation.loop import run_seed
from controller.simulation.scenario import BlipStream, LatencyDistribution, QuietBehaviour, Scenario
from controller.simulation.world import build_timelines
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.worlds import NAMES, configuration, outage, scenario

MANY = tuple(f"openai/m{number}" for number in range(8)) + NAMES


def world(
    *outages: Any, interval_s: float = 30.0, mixed: bool = False, uneven: bool = False, **changed: Any
) -> Scenario:
    """Many targets, one of them asked for streams if they are mixed."""
    settings = configuration(MANY)
    first, *others = (replace(target, interval_s=interval_s) for target in settings.targets)
    first = replace(first, checks=("chat", "stream")) if mixed else first
    controller = replace(settings.controller, spend_where_used=uneven)
    settings = replace(settings, targets=(first, *others), controller=controller)
    return scenario(*outages, **{"settings": settings, "hours": 5.0, **changed})


def breathing() -> list[Any]:
    """A background that rises and falls within a few hours, at other times for each of two targets."""
    return [
        outage(at_s=1200.0 * step + 400 * place, for_s=1200.0, targets=(name,), failure_rate=0.004 * (1 + step % 8))
        for step in range(24)
        for place, name in enumerate(("openai/m0", NAMES[-1]))
    ]


def at_intervals(*intervals_s: float, **changed: Any) -> Scenario:
    """The first targets at these intervals, the others at the last of them."""
    made_up = world(**changed)
    targets = made_up.settings.targets
    paced = (*intervals_s, *[intervals_s[-1]] * (len(targets) - len(intervals_s)))
    targets = tuple(replace(each, interval_s=every_s) for each, every_s in zip(targets, paced, strict=True))
    return replace(made_up, settings=replace(made_up.settings, targets=targets))


def spending(made_up: Scenario) -> Scenario:
    """The same where targets in use are probed more often than those that wait."""
    controller = replace(made_up.settings.controller, spend_where_used=True)
    return replace(made_up, settings=replace(made_up.settings, controller=controller))


@pytest.mark.slow
@pytest.mark.parametrize(
    "made_up",
    [
        pytest.param(world(blips=BlipStream(per_day=20.0)), id="quiet"),
        pytest.param(world(blips=BlipStream(per_day=60.0, length=(5.0, 40.0)), hours=10.0), id="long blips"),
        pytest.param(world(background=QuietBehaviour(failure_rate=0.03), mixed=True), id="noisy, streams"),
        pytest.param(world(outage(targets=("openai/m1", NAMES[0]), failure_rate=0.6)), id="an outage"),
        pytest.param(world(outage(failure_rate=0.0, latency_factor=4.0)), id="slower"),
        pytest.param(world(outage(targets=NAMES[:1], failure_rate=0.9), uneven=True), id="probed where users are"),
        pytest.param(world(outage(failure_rate=0.9, outcome=Outcome.UNREACHABLE, own_network=True)), id="our network"),
        pytest.param(world(outage(outcome=Outcome.RATE_LIMITED, retry_after_s=60.0), interval_s=5.0), id="limits"),
        pytest.param(world(outage(targets=NAMES[-1:], failure_rate=0.0, limit_left=0.02)), id="near a limit"),
        pytest.param(spending(world(outage(failure_rate=0.6), blips=BlipStream(per_day=20.0))), id="where users are"),
        pytest.param(
            world(background=QuietBehaviour(latency=LatencyDistribution(median_s=2.0, p99_s=40.0)), interval_s=10.0),
            id="longer than the interval",
        ),
        pytest.param(world(*breathing(), hours=9.0), id="backgrounds that breathe"),
        pytest.param(
            at_intervals(10.0, 94.7, hours=8.0, background=QuietBehaviour(failure_rate=0.02)), id="stretched, uneven"
        ),
        pytest.param(at_intervals(3.0, 45.0, blips=BlipStream(per_day=30.0)), id="a sentinel"),
        pytest.param(
            world(outage(outcome=Outcome.BAD_ANSWER, failure_rate=0.3), background=QuietBehaviour(failure_rate=0.03)),
            id="wrong answers, noisy",
        ),
        pytest.param(
            world(outage(outcome=Outcome.RATE_LIMITED, failure_rate=0.3), background=QuietBehaviour(failure_rate=0.03)),
            id="some throttled, noisy",
        ),
        pytest.param(
            world(
                outage(failure_rate=0.0, latency_factor=1.7, for_s=9000.0), background=QuietBehaviour(failure_rate=0.03)
            ),
            id="later, noisy",
        ),
    ],
)
def test_the_same_happens_with_every_probe_made_one_by_one(made_up: Scenario) -> None:
    """Decisions with their reasons, instants and figures, to the last digit."""
    for seed in range(2):
        timelines, probes = build_timelines(made_up, seed), list[Observation]()
        skipping = run_seed(made_up, timelines, seed)
        assert run_seed(made_up, timelines, seed, probes.append) == skipping
        assert len(probes) == skipping.probes


@pytest.mark.slow
def test_one_seed_gives_one_result_where_answers_come_at_the_same_instants() -> None:
    """Of targets that answered last at the same instant, the first one is asked first."""
    equally_long = LatencyDistribution(median_s=1.25, p99_s=1.25)
    made_up = world(background=QuietBehaviour(failure_rate=0.02, latency=equally_long), interval_s=10.0, hours=2.0)
    timelines = build_timelines(made_up, 0)
    first, *others = (run_seed(made_up, timelines, 0) for _ in range(4))
    assert others == [first] * 3


@pytest.mark.parametrize(
    ("background", "worthwhile"),
    [
        pytest.param(QuietBehaviour(), True, id="as by default"),
        pytest.param(QuietBehaviour(failure_rate=0.05), True, id="noisy"),
        pytest.param(QuietBehaviour(failure_rate=0.1), False, id="a tenth fails"),
        pytest.param(QuietBehaviour(latency=LatencyDistribution(median_s=2.0, p99_s=20.0)), False, id="often long"),
    ],
)
def test_where_hardly_any_stretch_is_quiet_none_is_looked_for(background: QuietBehaviour, worthwhile: bool) -> None:
    """It would take longer than to make every probe."""
    assert is_worthwhile(world(background=background)) is worthwhile


def test_nor_where_most_answers_come_after_the_next_probe_is_due() -> None:
    """At one interval they do, at another not."""
    background = QuietBehaviour(latency=LatencyDistribution(median_s=0.9, p99_s=4.0))
    assert is_worthwhile(world(background=background, interval_s=2.0))
    assert not is_worthwhile(world(background=background, interval_s=1.0))
