"""The test on fresh evidence: what it asks for and when, what ends it, and how rarely it is wrong."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from monitor.config.settings import Blips, ControllerSettings
from monitor.detection import fresh_evidence
from monitor.detection.detector import Detector
from monitor.detection.fresh_evidence import FreshModel, FreshTest
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import target_parameters
from monitor.health import Health
from probes.observation import Observation
from tests.support.builders import OUTCOMES, T0, observation, settings, target
from tests.support.closed_loop import ClosedLoop

A = "openai/a"
MODEL = FreshModel(p0=0.005, p1=0.3, interval_s=30.0, blips=Blips())
PER_DAY = 1 / 90


def begun(model: FreshModel = MODEL, *, pause_s: float = 8.3) -> FreshTest:
    """A test of one target that has just begun."""
    needed = fresh_evidence.threshold(model, per_day=PER_DAY)
    test, asked = fresh_evidence.begin(observation("x", name=A), [A], model, needed=needed, pause_s=pause_s)
    assert test
    assert len(asked) == fresh_evidence.CONFIRMING_PROBES
    return test


def afresh(test: FreshTest, symbol: str) -> Observation:
    """A probe of the present round."""
    return observation(symbol, at_s=(test.asked_at - T0).total_seconds(), name=A, afresh=True)


def played(rounds: Sequence[int], model: FreshModel = MODEL) -> bool:
    """Whether a confirmed test ends in a verdict where so many of the four probes of each round fail."""
    test, _ = fresh_evidence.add_probe(begun(model), afresh(begun(model), "x"))
    for failures in rounds:
        for symbol in "x" * failures + "." * (4 - failures):
            assert test
            if test.is_conclusive:
                return True
            test, _ = fresh_evidence.add_probe(test, afresh(test, symbol))
        if test is None or test.is_conclusive:
            return test is not None
    return False


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.005, 0.2, 0.5])
@pytest.mark.parametrize("p0", [0.002, 0.005, 0.03])
def test_the_chance_of_a_verdict_is_exact(rate: float, p0: float) -> None:
    """Every course of four rounds, played out and weighed by its binomial chance, comes to what is computed."""
    model = replace(MODEL, p0=p0)
    chance = [math.comb(4, failures) * rate**failures * (1 - rate) ** (4 - failures) for failures in range(5)]
    courses = product(range(5), repeat=4)
    reached = sum(math.prod(chance[failures] for failures in course) for course in courses if played(course, model))
    height = fresh_evidence.threshold(model, per_day=PER_DAY)
    assert fresh_evidence.verdict_chance(model, height, rate) == pytest.approx(reached)


@pytest.mark.parametrize("p0", [0.002, 0.005, 0.01, 0.03, 0.05])
@pytest.mark.parametrize("interval_s", [0.5, 5.0, 30.0, 600.0, 3600.0])
def test_no_threshold_breaks_the_promise_or_rests_on_one_failure(p0: float, interval_s: float) -> None:
    """At any background and interval; where no evidence could keep the promise, none is asked for."""
    model = replace(MODEL, p0=p0, interval_s=interval_s)
    height = fresh_evidence.threshold(model, per_day=PER_DAY)
    assert height == math.inf or fresh_evidence.false_verdicts_per_day(model, height) <= PER_DAY
    assert height == math.inf or not played([1, 0, 0, 0], model)
    test, asked = fresh_evidence.begin(observation("x", name=A), [A], model, needed=math.inf, pause_s=8.3)
    assert (test, asked) == (None, [])


def test_a_verdict_is_made_as_soon_as_it_is_certain() -> None:
    """Two failures of four suffice at the defaults, however the other two end."""
    assert played([2])
    assert played([1, 1])
    assert not played([0])


def test_three_good_answers_end_it() -> None:
    """A failure that none of three more confirms was a single one."""
    test: FreshTest | None = begun()
    for _ in range(3):
        assert test
        test, asked = fresh_evidence.add_probe(test, afresh(test, "."))
        assert asked == []
    assert test is None


@pytest.mark.parametrize(("min_outage_s", "waits_s"), [(0.0, 8.3), (15.0, 8.3), (40.0, 40.0)])
def test_it_waits_until_the_longest_blip_is_over(min_outage_s: float, waits_s: float) -> None:
    """And for `min_outage` where somebody asked for more than its default; then it asks for four probes."""
    test = begun(pause_s=fresh_evidence.wait_s(Blips(), min_outage_s))
    after, asked = fresh_evidence.add_probe(test, afresh(test, "x"))
    assert after
    assert [round((probe.at - test.asked_at).total_seconds(), 2) for probe in asked] == [
        pytest.approx(waits_s + 0.05 * place) for place in range(4)
    ]
    late, more = fresh_evidence.add_probe(after, afresh(test, "x"))
    assert (late, more) == (after, [])


@pytest.mark.parametrize("symbol", sorted(OUTCOMES.keys() - set("xotsw.u")))
def test_what_is_neither_failure_nor_answer_ends_it(symbol: str) -> None:
    """A throttled answer above all: no more probes at a limit."""
    if OUTCOMES[symbol].effect in {OUTCOMES["x"].effect, OUTCOMES["."].effect, OUTCOMES["s"].effect}:
        return
    assert fresh_evidence.add_probe(begun(), afresh(begun(), symbol)) == (None, [])


# With the detector.


def detector_at_work() -> Detector:
    """One target that is up, alone at its provider."""
    detector = Detector(settings(Path("/nowhere"), A), T0)
    detector.observe(observation(".", name=A))
    return detector


def wanted(detector: Detector) -> list[BurstProbe]:
    """The probes that are asked afresh."""
    return [probe for probe in detector.burst_probes(A) if probe.afresh]


def test_its_probes_are_no_evidence_of_the_cusum() -> None:
    """Nor do they teach what is usual; the verdict comes by themselves alone."""
    detector = detector_at_work()
    detector.observe(observation("x", at_s=30, name=A))
    before = detector.state_of(A)
    assert len(wanted(detector)) == 3
    for symbol in "x.x":
        assert detector.observe(observation(symbol, at_s=30.2, name=A, afresh=True)) == ()
    assert detector.state_of(A) == before
    assert len(wanted(detector)) == 4
    assert detector.observe(observation("x", at_s=38.5, name=A, afresh=True)) == ()
    [moved] = detector.observe(observation("x", at_s=38.5, name=A, afresh=True))
    assert (moved.after, moved.evidence >= moved.threshold, len(moved.trail)) == (Health.DOWN, True, 2)
    assert "2 of 2 probes asked afresh failed, 8.5 s after the first failure (server_error)" in moved.reason
    assert wanted(detector) == []


@pytest.mark.parametrize("first", ["r", "a", "s", "w", "b"])
def test_only_a_failure_begins_one(first: str) -> None:
    """Not a throttled or poor answer, nor a fault of ours."""
    detector = detector_at_work()
    detector.observe(observation(first, at_s=30, name=A))
    assert wanted(detector) == []


def test_none_begins_where_the_target_throttles() -> None:
    """A 500 between 429s brings no probes at once, and a Retry-After to one of them is obeyed."""
    detector = detector_at_work()
    detector.observe(observation("r", at_s=30, name=A))
    detector.observe(observation("x", at_s=60, name=A))
    assert wanted(detector) == []
    detector = detector_at_work()
    detector.observe(observation("x", at_s=30, name=A))
    assert len(wanted(detector)) == 3
    detector.observe(observation("r", at_s=30.2, name=A, afresh=True, retry_after_s=20))
    assert detector.state_of(A).resting_until is not None
    detector.observe(observation("x", at_s=30.3, name=A, afresh=True))
    assert wanted(detector) == []


def test_what_happens_while_our_own_network_is_down_is_no_evidence() -> None:
    """Neither begins a test nor goes on with one."""
    detector = detector_at_work()
    detector.observe(observation("t", at_s=30, name=A), blind=True)
    assert wanted(detector) == []
    detector.observe(observation("x", at_s=60, name=A))
    assert len(wanted(detector)) == 3
    detector.observe(observation("t", at_s=60.2, name=A, afresh=True), blind=True)
    assert wanted(detector) == []


@pytest.mark.parametrize("begin_s", [600 + n * 1.7 for n in range(18)])
def test_a_blip_moves_nothing(begin_s: float) -> None:
    """Eight seconds in which every probe fails, whenever they begin: suspect at most, then up again."""
    loop = ClosedLoop(settings(Path("/nowhere"), A), lambda at_s, _: "x" if begin_s <= at_s < begin_s + 8 else ".")
    loop.run(1200)
    assert {moved.after for moved in loop.transitions} <= {Health.UP, Health.SUSPECT}


@pytest.mark.slow
def test_it_is_wrong_as_rarely_as_promised() -> None:
    """The test alone, among real blips, under a generous promise, so that there is something to count."""
    dice, days, blips = random.Random(5), 8.0, Blips(per_day=150)
    controller = ControllerSettings(false_failovers_per_day=40.0, blips=blips)
    blip = [0.0, 0.0]

    def answers(at_s: float, _: str) -> str:
        while at_s >= blip[1]:
            blip[0] = blip[1] + dice.expovariate(blips.per_day / 86400)
            blip[1] = blip[0] + dice.uniform(blips.shortest_s, blips.longest_s)
        return "x" if dice.random() < (blips.failure_rate if at_s >= blip[0] else 0.02) else "."

    loop, wrong, at_s = ClosedLoop(settings(Path("/nowhere"), A, controller=controller), answers), 0, 0.0
    while (then_s := loop.step(days * 86400)) is not None:
        at_s = then_s
        if loop.moved_to(Health.DOWN):
            wrong += any("asked afresh" in moved.reason for moved in loop.transitions)
            loop.begin_anew(at_s)
        loop.transitions.clear()
    promised = target_parameters(target(A), controller).fresh_false_per_day * days
    assert 0 < wrong <= promised + 2 * math.sqrt(promised)
