"""The made-up world is the one that the scenario describes: rates, blips, ramps, latencies and their integrals."""

import math
import statistics
from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from controller.simulation.scenario import (
    BlipScope,
    BlipStream,
    Flap,
    LatencyDistribution,
    Outage,
    QuietBehaviour,
    Scenario,
)
from controller.simulation.simulated_target import FIRST_TOKEN_SHARE, SimulatedTarget
from controller.simulation.world import Timeline, build_timelines, own_network_failures
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Target, Timeouts
from tests.support.builders import target
from tests.support.worlds import NAMES, outage, scenario

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86400.0


def lane(made_up: Scenario, of: Target | None = None, *, seed: int = 1) -> SimulatedTarget:
    """The first target of a scenario, or another one in its place."""
    first = of or made_up.settings.targets[0]
    timeline = build_timelines(made_up, seed)[made_up.settings.targets[0].id]
    return SimulatedTarget(
        first, timeline, made_up.background.latency, phase_s=0.0, cost_usd=0.001, seed=seed, epoch=EPOCH
    )


def probed(of: SimulatedTarget, *, from_s: float, until_s: float, count: int = 20_000) -> list[Observation]:
    """So many probes spread over a time."""
    return [of.probe(from_s + (until_s - from_s) * number / count) for number in range(count)]


def share(seen: list[Observation], outcome: Outcome) -> float:
    """How many of them ended so."""
    return sum(one.outcome is outcome for one in seen) / len(seen)


def near(rate: float, count: int = 20_000) -> object:
    """Within four standard deviations of a share of so many."""
    return pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / count) + 1e-9)


def test_the_background_fails_as_often_as_it_says() -> None:
    """Server errors at the configured rate, and hardly anything else."""
    seen = probed(lane(scenario(background=QuietBehaviour(failure_rate=0.03))), from_s=0, until_s=3600)
    assert share(seen, Outcome.SERVER_ERROR) == near(0.03)
    assert share(seen, Outcome.OK) > 0.96


def test_the_latency_has_the_median_and_the_99th_percentile_that_it_says() -> None:
    """Of answers, to within a few per cent."""
    latency = LatencyDistribution(median_s=0.5, p99_s=3.0)
    seen = probed(lane(scenario(background=QuietBehaviour(failure_rate=0.0, latency=latency))), from_s=0, until_s=3600)
    took = sorted(one.duration_s for one in seen)
    assert statistics.median(took) == pytest.approx(0.5, rel=0.03)
    assert took[int(0.99 * len(took))] == pytest.approx(3.0, rel=0.08)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_an_outage_fails_in_its_own_way(outcome: Outcome) -> None:
    """Every outcome of the taxonomy at the configured rate, on top of which the background goes on."""
    seen = probed(lane(scenario(outage(outcome=outcome, failure_rate=0.4))), from_s=3600, until_s=7199, count=5000)
    background = 0.6 * 0.005 if outcome is Outcome.SERVER_ERROR else 0.0
    assert share(seen, outcome) == near(0.4 + background, 5000)
    assert share(seen, Outcome.OK) == near(0.6 * 0.995, 5000)


@pytest.mark.parametrize(
    ("outcome", "takes_s"),
    [
        pytest.param(Outcome.TIMEOUT, 30.0, id="a timeout takes its deadline"),
        pytest.param(Outcome.UNREACHABLE, 5.0, id="an unreachable one takes the connect deadline"),
    ],
)
def test_what_never_answers_takes_its_deadline(outcome: Outcome, takes_s: float) -> None:
    """A probe is under way for as long as a real one."""
    seen = probed(lane(scenario(outage(outcome=outcome, failure_rate=1.0))), from_s=3600, until_s=7199, count=100)
    assert {one.duration_s for one in seen} == {takes_s}


def test_http_errors_answer_after_the_background_latency() -> None:
    """An error comes as fast as an answer."""
    seen = probed(lane(scenario(outage(failure_rate=1.0))), from_s=3600, until_s=7199)
    assert statistics.median(one.duration_s for one in seen) == pytest.approx(0.9, rel=0.03)


def test_a_slow_answer_is_past_the_slow_limit_and_within_the_deadline() -> None:
    """Otherwise it would be good, or a timeout."""
    seen = probed(lane(scenario(outage(outcome=Outcome.SLOW, failure_rate=1.0))), from_s=3600, until_s=7199)
    assert all(10.0 < one.duration_s <= 30.0 for one in seen if one.outcome is Outcome.SLOW)
    assert share(seen, Outcome.SLOW) == 1.0


def test_a_latency_collapse_makes_answers_slow_and_late_ones_time_out() -> None:
    """As many of each as the distribution says."""
    collapse = outage(failure_rate=0.0, latency_factor=10.0)
    latency = QuietBehaviour(failure_rate=0.0)
    seen = probed(lane(scenario(collapse, background=latency)), from_s=3600, until_s=7199)
    never, late = (latency.latency.longer_than(limit_s, factor=10.0) for limit_s in (30.0, 10.0))
    assert share(seen, Outcome.TIMEOUT) == near(never)
    assert share(seen, Outcome.SLOW) == near(late - never)


@pytest.mark.slow
def test_a_stream_says_when_its_first_text_came_and_has_a_deadline_for_it() -> None:
    """Half of the time that it takes in all."""
    streamed = Target(
        provider=target().provider,
        model="gpt-6-luna",
        checks=(Check.STREAM,),
        timeouts=Timeouts(first_token_s=2.0),
    )
    seen = probed(lane(scenario(background=QuietBehaviour(failure_rate=0.0)), streamed), from_s=0, until_s=3600)
    good = [one for one in seen if one.outcome is Outcome.OK]
    assert all(one.first_token_s == one.duration_s * FIRST_TOKEN_SHARE for one in good)
    assert {one.duration_s for one in seen if one.outcome is Outcome.TIMEOUT} == {2.0}
    assert share(seen, Outcome.TIMEOUT) == near(LatencyDistribution().longer_than(4.0))


def test_checks_take_turns() -> None:
    """As the schedule has it."""
    both = Target(provider=target().provider, model="gpt-6-luna", checks=(Check.CHAT, Check.STREAM))
    seen = probed(lane(scenario(), both), from_s=0, until_s=3600, count=4)
    assert [one.check for one in seen] == [Check.CHAT, Check.STREAM] * 2


def test_only_answers_cost_money() -> None:
    """A failed request is not billed."""
    asked = lane(scenario(outage(failure_rate=0.5)))
    seen = probed(asked, from_s=3600, until_s=7199, count=1000)
    paid = [one for one in seen if one.cost_usd is not None]
    assert {one.outcome for one in paid} <= {Outcome.OK, Outcome.SLOW}
    assert asked.usd == pytest.approx(0.001 * len(paid))


def test_a_throttled_answer_asks_for_the_rest_that_the_scenario_says() -> None:
    """Retry-After comes with `rate_limited` only."""
    throttled = outage(outcome=Outcome.RATE_LIMITED, failure_rate=0.5, retry_after_s=20.0)
    seen = probed(lane(scenario(throttled)), from_s=3600, until_s=7199, count=1000)
    assert {one.retry_after_s for one in seen if one.outcome is Outcome.RATE_LIMITED} == {20.0}
    assert {one.retry_after_s for one in seen if one.outcome is not Outcome.RATE_LIMITED} == {None}


# Pieces of time.


def failing_at(timeline: Timeline, at_s: float) -> float:
    """The chance that a probe fails at this time."""
    return timeline.at(at_s)[0].failure_rate


def test_an_outage_begins_and_ends_on_time() -> None:
    """To the second, and other targets know nothing of it."""
    made_up = build_timelines(scenario(outage(), background=QuietBehaviour(failure_rate=0.0)), 0)
    hit, other = made_up["openai/a"], made_up["anthropic/c"]
    assert [failing_at(hit, at_s) for at_s in (0.0, 3599.9, 3600.0, 7199.9, 7200.0)] == [0.0, 0.0, 0.5, 0.5, 0.0]
    assert [failing_at(other, at_s) for at_s in (3600.0, 7199.9)] == [0.0, 0.0]


def test_a_ramp_climbs_evenly_to_its_height() -> None:
    """Half the height halfway, the whole height afterwards."""
    ramped = outage(ramp_s=600.0, failure_rate=0.8)
    timeline = build_timelines(scenario(ramped, background=QuietBehaviour(failure_rate=0.0)), 0)["openai/a"]
    assert failing_at(timeline, 3600.0) < 0.02
    assert failing_at(timeline, 3900.0) == pytest.approx(0.4, abs=0.01)
    assert failing_at(timeline, 4200.0) == 0.8
    assert timeline.failed_s(3600.0, 4200.0) == pytest.approx(0.8 * 600 / 2)


def test_a_flapping_outage_comes_and_goes() -> None:
    """Down first, then up, until its end."""
    flapping = outage(failure_rate=1.0, for_s=300.0, flap=Flap(up_s=120.0, down_s=60.0))
    timeline = build_timelines(scenario(flapping, background=QuietBehaviour(failure_rate=0.0)), 0)["openai/a"]
    states = [failing_at(timeline, 3600.0 + at_s) for at_s in (0, 59, 60, 179, 180, 239, 240, 299, 300)]
    assert states == [1, 1, 0, 0, 1, 1, 0, 0, 0]


def in_blips(timeline: Timeline) -> list[tuple[float, float]]:
    """The spans in which the background is disturbed."""
    begins = (0.0, *timeline.ends_s)
    return [
        (begin_s, end_s)
        for begin_s, end_s, piece in zip(begins, timeline.ends_s, timeline.segments, strict=False)
        if piece.failure_rate > 0.5
    ]


def test_blips_come_as_often_and_last_as_long_as_they_say() -> None:
    """Poisson in number, uniform in length, and each fails at its rate."""
    made_up = scenario(hours=24 * 200, blips=BlipStream())
    timeline = build_timelines(made_up, 3)["openai/a"]
    spans = in_blips(timeline)
    assert len(spans) == pytest.approx(1000, abs=4 * math.sqrt(1000))
    lengths = [end_s - begin_s for begin_s, end_s in spans]
    assert min(lengths) >= 3.0
    assert statistics.fmean(lengths) == pytest.approx(5.5, abs=0.25)
    assert failing_at(timeline, spans[0][0]) == pytest.approx(1 - 0.1 * 0.995)


@pytest.mark.parametrize(
    ("scope", "alike"),
    [
        pytest.param(BlipScope.PROVIDER, {("openai/a", "openai/b")}, id="a provider's targets share their blips"),
        pytest.param(BlipScope.TARGET, set(), id="each target has its own"),
        pytest.param(
            BlipScope.WORLD,
            {("openai/a", "openai/b"), ("openai/a", "anthropic/c"), ("openai/b", "anthropic/c")},
            id="all share them",
        ),
    ],
)
def test_blips_hit_what_their_scope_says(scope: BlipScope, alike: set[tuple[str, str]]) -> None:
    """Targets in one scope are disturbed together, others at other times."""
    made_up = build_timelines(scenario(hours=24 * 5, blips=BlipStream(scope=scope)), 0)
    spans = {name: in_blips(made_up[name]) for name in NAMES}
    pairs = [(one, other) for one in NAMES for other in NAMES if NAMES.index(one) < NAMES.index(other)]
    assert {pair for pair in pairs if spans[pair[0]] == spans[pair[1]]} == alike


def test_overlapping_blips_are_one() -> None:
    """Pieces stay in order however dense the blips are."""
    timeline = build_timelines(scenario(hours=24, blips=BlipStream(per_day=20_000.0)), 0)["openai/a"]
    assert list(timeline.ends_s) == sorted(set(timeline.ends_s))
    assert timeline.ends_s[-1] == DAY_S
    assert sum(end_s - begin_s for begin_s, end_s in in_blips(timeline)) == pytest.approx(
        DAY_S * (1 - math.exp(-20_000 * 5.5 / DAY_S)), rel=0.05
    )


def test_the_integral_of_the_failures_is_what_asking_each_moment_finds() -> None:
    """Against many requests, one by one, in a world of everything at once."""
    made_up = scenario(
        outage(ramp_s=600.0, flap=Flap(up_s=120.0, down_s=60.0)),
        outage(at_s=8000.0, for_s=600.0, failure_rate=0.3, latency_factor=8.0, outcome=Outcome.SLOW),
        blips=BlipStream(per_day=500.0),
    )
    timeline = build_timelines(made_up, 7)["openai/a"]
    dice, steps = Random(1), 40_000
    for from_s, until_s in ((0.0, 10_800.0), (3_700.0, 4_100.0), (7_999.0, 8_700.0)):
        width_s = (until_s - from_s) / steps
        pieces = [timeline.at(from_s + (step + dice.random()) * width_s)[0] for step in range(steps)]
        assert timeline.failed_s(from_s, until_s) == pytest.approx(
            sum(p.request_failure_rate for p in pieces) * width_s, rel=0.02
        )
        assert timeline.slow_s(from_s, until_s) == pytest.approx(
            sum(p.request_slow_rate for p in pieces) * width_s, rel=0.02, abs=0.3
        )


def test_requests_fail_where_probes_would() -> None:
    """What the integral takes for a failed request is as frequent as failed probes; a slow one has not failed."""
    made_up = scenario(outage(failure_rate=0.3, latency_factor=10.0))
    piece = build_timelines(made_up, 0)["openai/a"].at(4000.0)[0]
    ends = Counter(one.outcome for one in probed(lane(made_up), from_s=3600, until_s=7199))
    failed = ends[Outcome.SERVER_ERROR] + ends[Outcome.TIMEOUT]
    assert failed / 20_000 == near(piece.request_failure_rate)
    assert ends[Outcome.SLOW] / 20_000 == near(piece.request_slow_rate)


# What depends on what.


def test_the_same_seed_makes_the_same_world_and_another_one_another() -> None:
    """Worlds differ by their seeds alone."""
    made_up = scenario(hours=48, blips=BlipStream())
    assert build_timelines(made_up, 5) == build_timelines(made_up, 5)
    assert build_timelines(made_up, 5) != build_timelines(made_up, 6)


def test_the_world_of_a_target_does_not_depend_on_the_others() -> None:
    """One more provider in the configuration leaves the blips of the others where they were."""
    few = build_timelines(scenario(hours=48, blips=BlipStream()), 5)
    more = build_timelines(scenario(hours=48, blips=BlipStream(), names=("gemini/x", *NAMES)), 5)
    assert all(few[name] == more[name] for name in NAMES)


def test_the_neutral_endpoints_fail_with_our_own_network_alone() -> None:
    """An outage of everybody else leaves them answering."""
    ours = outage(
        at_s=8000.0, for_s=60.0, targets=NAMES, failure_rate=1.0, outcome=Outcome.UNREACHABLE, own_network=True
    )
    assert own_network_failures(scenario(outage(), ours)) == [((8000.0, 8060.0), 1.0)]


def test_an_outage_is_a_value() -> None:
    """Its end is its beginning and its length."""
    assert isinstance(outage(), Outage)
    assert outage(at_s=10.0, for_s=5.0).until_s == 15.0
