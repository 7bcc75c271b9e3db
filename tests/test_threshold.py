"""The threshold keeps the promise about false failovers, on the closed loop with bursts and blips."""

import random
from dataclasses import replace

import pytest

from monitor.settings import Blips
from monitor.threshold import DAY_S, Loop, false_alarms_per_day, threshold

QUIET = Blips(per_day=0)
LOOP = Loop(p0=0.005, p1=0.3, interval_s=30, quick_s=7.5, burst=12, min_outage_s=15, blips=Blips())


def test_without_bursts_and_blips_it_is_the_textbook_threshold() -> None:
    """For independent failures every 30 s, 0.5 % background and one alarm in 90 days, about 9.8 to 10.1."""
    plain = replace(LOOP, burst=0, quick_s=30, min_outage_s=0, blips=QUIET)
    assert threshold(plain, per_day=1 / 90) == pytest.approx(9.95, abs=0.2)


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        pytest.param(LOOP, replace(LOOP, blips=replace(LOOP.blips, per_day=50)), id="more blips"),
        pytest.param(replace(LOOP, blips=QUIET), replace(LOOP, quick_s=2), id="a burst inside a blip"),
        pytest.param(
            replace(LOOP, interval_s=300, quick_s=75), replace(LOOP, interval_s=10, quick_s=2.5), id="more probes"
        ),
    ],
)
def test_what_makes_false_alarms_raises_it(easier: Loop, harder: Loop) -> None:
    """The threshold follows the loop it is for."""
    assert threshold(harder, per_day=1 / 90) > threshold(easier, per_day=1 / 90)


def test_a_stricter_promise_needs_more_evidence() -> None:
    """One false alarm a year takes more than one a week."""
    assert threshold(LOOP, per_day=1 / 365) > threshold(LOOP, per_day=1 / 7)


def test_min_outage_alone_can_keep_short_disturbances_out() -> None:
    """Blips of a few seconds raise fewer alarms when the evidence must span longer than they last."""
    rough = replace(LOOP, quick_s=1, min_outage_s=0)
    assert false_alarms_per_day(replace(rough, min_outage_s=60), 9) < false_alarms_per_day(rough, 9)


def test_an_impossible_promise_is_an_error() -> None:
    """A failure rate that is no higher than the background cannot be told from it."""
    with pytest.raises(ValueError, match=r"0\.04 cannot be told from a background of 0\.05"):
        threshold(replace(LOOP, p0=0.05, p1=0.04), per_day=1)


@pytest.mark.parametrize(
    ("loop", "evidence"),
    [
        pytest.param(LOOP, 8.0, id="defaults"),
        pytest.param(replace(LOOP, p0=0.03), 7.0, id="a noisy target"),
        pytest.param(
            replace(LOOP, quick_s=2.0, blips=Blips(per_day=40), min_outage_s=5), 9.0, id="bursts that meet blips"
        ),
    ],
)
def test_the_computed_rate_is_the_simulated_rate(loop: Loop, evidence: float) -> None:
    """The closed loop, played out probe by probe with blips at real instants, alarms as often as computed."""
    alarms, days = _simulated(loop, evidence, probes=4_000_000, seed=7)
    computed = false_alarms_per_day(loop, evidence) * days
    assert computed > 25, "too few alarms to compare"
    assert alarms == pytest.approx(computed, rel=0.3)


def _simulated(loop: Loop, evidence: float, *, probes: int, seed: int) -> tuple[int, float]:
    """False alarms and the days they came in, by discrete events; written apart from the code under test."""
    dice = random.Random(seed)
    blip_from, blip_until = _next_blip(loop, dice, 0.0)
    now_s, value, since_s, excursion, alarms = 0.0, 0.0, 0.0, 0, 0
    for _ in range(probes):
        while now_s >= blip_until:
            blip_from, blip_until = _next_blip(loop, dice, blip_until)
        rate = loop.blips.failure_rate if now_s >= blip_from else loop.p0
        if dice.random() < rate:
            since_s = since_s if value > 0 else now_s
            value += loop.step_up
        else:
            value = max(0.0, value - loop.step_down)
        excursion = excursion + 1 if value > 0 else 0
        if value >= evidence and now_s - since_s >= loop.min_outage_s:
            alarms, value, excursion = alarms + 1, 0.0, 0
        now_s += loop.quick_s if 0 < excursion <= loop.burst else loop.interval_s
    return alarms, now_s / DAY_S


def _next_blip(loop: Loop, dice: random.Random, after_s: float) -> tuple[float, float]:
    if not loop.blips.per_day:
        return float("inf"), float("inf")
    begin = after_s + dice.expovariate(loop.blips.per_day / DAY_S)
    return begin, begin + dice.uniform(loop.blips.shortest_s, loop.blips.longest_s)
