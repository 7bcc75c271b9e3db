"""The threshold keeps the promise about false failovers, on the closed loop with bursts and blips."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.config.controller_settings import Blips, ControllerSettings
from monitor.config.settings import Settings
from monitor.detection.background import BackgroundRate
from monitor.detection.parameters import LONGEST_BURST
from monitor.detection.threshold import DAY_S, AlarmModel, false_alarms_per_day, threshold
from monitor.health import Health
from tests.support.builders import parameters, settings
from tests.support.closed_loop import ClosedLoop

QUIET = Blips(per_day=0)
LOOP = AlarmModel(
    p0=0.005,
    p1=0.3,
    interval_s=30,
    failed_s=parameters().failed_s,
    passed_s=parameters().passed_s,
    burst=LONGEST_BURST,
    min_outage_s=15,
    blips=Blips(),
)


def test_without_bursts_and_blips_it_is_the_textbook_threshold() -> None:
    """For independent failures every 30 s, 0.5 % background and one alarm in 90 days, about 9.8 to 10.1."""
    plain = replace(LOOP, burst=0, min_outage_s=0, blips=QUIET)
    assert threshold(plain, per_day=1 / 90) == pytest.approx(9.95, abs=0.2)


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        pytest.param(LOOP, replace(LOOP, blips=replace(LOOP.blips, per_day=50)), id="more blips"),
        pytest.param(replace(LOOP, blips=QUIET), replace(LOOP, failed_s=2), id="a burst inside a blip"),
        pytest.param(
            replace(LOOP, interval_s=300),
            replace(LOOP, interval_s=10, failed_s=2.5),
            id="more probes",
        ),
        pytest.param(replace(LOOP, interval_s=300), replace(LOOP, interval_s=300, answer_s=2.0), id="slower answers"),
        pytest.param(
            replace(LOOP, interval_s=5, failed_s=4),
            replace(LOOP, interval_s=5, failed_s=4, goes_on=True),
            id="regular probes beside a burst",
        ),
    ],
)
def test_what_makes_false_alarms_raises_it(easier: AlarmModel, harder: AlarmModel) -> None:
    """The threshold follows the loop it is for."""
    assert threshold(harder, per_day=1 / 90) > threshold(easier, per_day=1 / 90)


def test_a_stricter_promise_needs_more_evidence() -> None:
    """One false alarm a year takes more than one a week."""
    assert threshold(LOOP, per_day=1 / 365) > threshold(LOOP, per_day=1 / 7)


def test_min_outage_alone_can_keep_short_disturbances_out() -> None:
    """Blips of a few seconds raise fewer alarms when the evidence must span longer than they last."""
    rough = replace(LOOP, failed_s=1, min_outage_s=0)
    assert false_alarms_per_day(replace(rough, min_outage_s=60), 9) < false_alarms_per_day(rough, 9)


def test_an_impossible_promise_is_an_error() -> None:
    """A failure rate that is no higher than the background cannot be told from it."""
    with pytest.raises(ValueError, match=r"0\.04 cannot be told from a background of 0\.05"):
        threshold(replace(LOOP, p0=0.05, p1=0.04), per_day=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loop", "evidence"),
    [
        pytest.param(LOOP, 8.0, id="defaults"),
        pytest.param(replace(LOOP, p0=0.03), 7.0, id="a noisy target"),
        pytest.param(
            replace(LOOP, failed_s=2.0, blips=Blips(per_day=40), min_outage_s=5), 9.0, id="bursts that meet blips"
        ),
        pytest.param(replace(LOOP, failed_s=2.0, passed_s=2.0, burst=12), 8.0, id="equal pauses and a short burst"),
        pytest.param(replace(LOOP, blips=QUIET, answer_s=2.0), 6.5, id="slow answers"),
        pytest.param(
            replace(LOOP, interval_s=5, failed_s=4.0, passed_s=0.5, min_outage_s=0, goes_on=True),
            12.0,
            id="regular probes beside a burst",
        ),
    ],
)
def test_the_computed_rate_is_the_simulated_rate(loop: AlarmModel, evidence: float) -> None:
    """The closed loop, played out probe by probe with blips at real instants, alarms as often as computed."""
    alarms, days = _simulated(loop, evidence, probes=4_000_000, seed=7)
    computed = false_alarms_per_day(loop, evidence) * days
    assert computed > 25, "too few alarms to compare"
    assert alarms == pytest.approx(computed, rel=0.3)


@pytest.mark.slow
def test_the_verdicts_on_a_provider_keep_the_promise() -> None:
    """Four targets played out with the judge itself, under blips of the whole provider: no more than was promised.

    A generous promise, so that there is something to count; that a verdict must stand without the worst of the targets
    makes it fewer, about one of six.
    """
    controller = ControllerSettings(false_failovers_per_day=4.0, blips=Blips(per_day=150))
    names = tuple(f"openai/{name}" for name in "abcd")
    verdicts, days = _judged(settings(Path("/nowhere"), *names, controller=controller), days=18.0, seed=11)
    promised = controller.false_failovers_per_day / 2 * days
    assert promised / 4 < verdicts <= promised + 2 * math.sqrt(promised)


def _judged(wanted: Settings, *, days: float, seed: int) -> tuple[int, float]:
    """False verdicts on the whole provider, and the days they came in; the judge begins anew after each."""
    dice = random.Random(seed)
    blips = wanted.controller.blips
    blip = [0.0, 0.0]

    def answers(at_s: float, _: str) -> str:
        while at_s >= blip[1]:
            blip[0] = blip[1] + dice.expovariate(blips.per_day / DAY_S)
            blip[1] = blip[0] + dice.uniform(blips.shortest_s, blips.longest_s)
        return "x" if dice.random() < (blips.failure_rate if at_s >= blip[0] else BackgroundRate().rate) else "."

    loop, verdicts, at_s = ClosedLoop(wanted, answers), 0, 0.0
    while (then_s := loop.step(days * DAY_S)) is not None:
        at_s = then_s
        if loop.moved_to(Health.DOWN):
            verdicts += any("all of openai" in moved.reason for moved in loop.transitions)
            loop.begin_anew(at_s)
        loop.transitions.clear()
    return verdicts, days


def _simulated(loop: AlarmModel, evidence: float, *, probes: int, seed: int) -> tuple[int, float]:
    """False alarms and the days they came in, by discrete events; written apart from the code under test."""
    dice = random.Random(seed)
    blip_from, blip_until = _next_blip(loop, dice, 0.0)
    now_s, value, since_s, excursion, alarms = 0.0, 0.0, 0.0, 0, 0
    for _ in range(probes):
        while now_s >= blip_until:
            blip_from, blip_until = _next_blip(loop, dice, blip_until)
        failed = dice.random() < (loop.blips.failure_rate if now_s >= blip_from else loop.p0)
        if failed:
            since_s = since_s if value > 0 else now_s
            value += loop.step_up
        else:
            value = max(0.0, value - loop.step_down)
        excursion = excursion + 1 if value > 0 else 0
        quick_s = loop.failed_s if failed else loop.passed_s
        between_s = dice.expovariate(1 / loop.interval_s) if loop.goes_on else loop.interval_s
        pause_s = min(quick_s, between_s) if 0 < excursion <= loop.burst else loop.interval_s
        pause_s += loop.answer_s if 0 < excursion <= loop.burst else 0.0
        # A verdict that only waits for its time is made before the next probe.
        if value >= evidence and now_s + pause_s - since_s >= loop.min_outage_s:
            alarms, value, excursion = alarms + 1, 0.0, 0
        now_s += pause_s
    return alarms, now_s / DAY_S


def _next_blip(loop: AlarmModel, dice: random.Random, after_s: float) -> tuple[float, float]:
    if not loop.blips.per_day:
        return float("inf"), float("inf")
    begin = after_s + dice.expovariate(loop.blips.per_day / DAY_S)
    return begin, begin + dice.uniform(loop.blips.shortest_s, loop.blips.longest_s)
