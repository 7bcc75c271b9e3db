"""How often a test on fresh evidence is wrong, and what it takes to keep the promise."""

import math
from dataclasses import replace
from itertools import product

import pytest

from monitor.config.controller_settings import Blips
from monitor.detection import fresh_evidence, fresh_model
from monitor.detection.fresh_evidence import FreshTest
from monitor.detection.fresh_model import FreshModel
from monitor.detection.latency import HANGING_SHARE
from tests.support.builders import observation
from tests.support.fresh_rounds import MODEL, PER_DAY, A, afresh, begun, one_round, played

#: So many models at such an interval and background take so many confirmations.
FREQUENT = [
    (1, 30.0, 0.005, 1),
    (1, 5.0, 0.02, 2),
    (4, 30.0, 0.005, 1),
    (4, 5.0, 0.005, 2),
    (4, 30.0, 0.02, 2),
    (40, 30.0, 0.005, 2),
    (40, 5.0, 0.02, 3),
    (40, 0.5, 0.02, 4),
    (1, 0.5, 0.05, 5),
]


@pytest.mark.parametrize("rate", [0.005, 0.2, 0.5])
@pytest.mark.parametrize("p0", [0.002, 0.005, 0.03])
def test_the_chance_of_a_verdict_is_exact(rate: float, p0: float) -> None:
    """Every course of rounds, played out and weighed by its binomial chance, comes to what is computed."""
    model = replace(MODEL, p0=p0)
    confirmed, _ = fresh_evidence.add_probe(begun(model), afresh(begun(model), "x"))
    assert confirmed
    alive, reached = {0: (confirmed, 1.0)}, 0.0
    while alive:
        moved: dict[int, tuple[FreshTest, float]] = {}
        for (before, (test, weight)), failures in product(alive.items(), range(9)):
            chance = weight * math.comb(8, failures) * rate**failures * (1 - rate) ** (8 - failures)
            after = one_round(test, "x" * failures + "." * (8 - failures))
            if after and after.is_conclusive:
                reached += chance
            elif after:
                moved[before + failures] = after, chance + moved.get(before + failures, (after, 0.0))[1]
        alive = moved
    height = fresh_model.threshold(model, per_day=PER_DAY)
    assert fresh_model.verdict_chance(model, height, rate) == pytest.approx(reached)


def test_a_probe_asked_afresh_also_fails_where_it_hangs() -> None:
    """A twentieth of those that fail at a background of 0.2 %, so that a tenth more verdicts are wrong."""
    model = replace(MODEL, p0=0.002)
    height = fresh_model.threshold(model, per_day=PER_DAY)
    chance = fresh_model.verdict_chance(model, height, model.p0 + HANGING_SHARE)
    assert chance > 1.1 * fresh_model.verdict_chance(model, height, model.p0)
    assert fresh_model.threshold_of_chance(model, chance) <= height
    assert fresh_model.threshold_of_chance(model, chance * 0.999) > height


@pytest.mark.parametrize("p0", [0.002, 0.005, 0.01, 0.03, 0.05])
@pytest.mark.parametrize("interval_s", [0.5, 5.0, 30.0, 600.0, 3600.0])
def test_no_threshold_breaks_the_promise_or_rests_on_one_failure(p0: float, interval_s: float) -> None:
    """At any background and interval; where no evidence could keep the promise, none is asked for."""
    model = replace(MODEL, p0=p0, interval_s=interval_s)
    height = fresh_model.threshold(model, per_day=PER_DAY)
    assert height == math.inf or fresh_model.false_verdicts_per_day(model, height) <= PER_DAY
    assert height == math.inf or not played(["x.......", *["........"] * 7], model)
    test, asked = fresh_evidence.begin(observation("x", name=A), [A], model, needed=math.inf, pause_s=8.3)
    assert (test, asked) == (None, [])


@pytest.mark.parametrize(("models", "interval_s", "p0", "confirmations"), FREQUENT)
def test_many_probes_take_more_confirmations(models: int, interval_s: float, p0: float, confirmations: int) -> None:
    """As few as keep the promise: with one less, no evidence would."""
    targets = min(models, fresh_model.MOST_TARGETS)
    model = FreshModel(p0=p0, p1=0.3, interval_s=interval_s / models, blips=Blips(), targets=targets)
    careful, needed = fresh_model.within_promise(model, per_day=PER_DAY / 4)
    assert careful.confirmations == confirmations
    assert fresh_model.false_verdicts_per_day(careful, needed) <= PER_DAY / 4
    fewer = [replace(model, confirmations=number) for number in range(1, confirmations)]
    assert all(fresh_model.threshold(each, per_day=PER_DAY / 4) == math.inf for each in fewer)
