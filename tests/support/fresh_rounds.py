"""One test on fresh evidence, played round by round."""

from collections.abc import Sequence

from monitor.config.controller_settings import Blips
from monitor.detection import fresh_evidence, fresh_model
from monitor.detection.fresh_evidence import FreshTest
from monitor.detection.fresh_model import FreshModel
from probes.observation import Observation
from tests.support.builders import T0, observation

A = "openai/a"
MODEL = FreshModel(p0=0.005, p1=0.3, interval_s=30.0, blips=Blips())
PER_DAY = 1 / 90


def begun(model: FreshModel = MODEL, *, pause_s: float = 8.3) -> FreshTest:
    """A test of one target that has just begun."""
    needed = fresh_model.threshold(model, per_day=PER_DAY)
    test, asked = fresh_evidence.begin(observation("x", name=A), [A], model, needed=needed, pause_s=pause_s)
    assert test
    assert len(asked) == fresh_model.CONFIRMING_PROBES
    return test


def afresh(test: FreshTest, symbol: str) -> Observation:
    """A probe of the present round."""
    return observation(symbol, at_s=(test.asked_at - T0).total_seconds(), name=A, afresh=True)


def one_round(test: FreshTest, symbols: str) -> FreshTest | None:
    """The test after a round that ends so, or as soon as it is conclusive; None when it is over."""
    after: FreshTest | None = test
    for symbol in symbols:
        assert after
        if after.is_conclusive:
            return after
        after, _ = fresh_evidence.add_probe(after, afresh(after, symbol))
    return after


def played(rounds: Sequence[str], model: FreshModel = MODEL) -> bool:
    """Whether a confirmed test ends in a verdict where its rounds end so."""
    test, _ = fresh_evidence.add_probe(begun(model), afresh(begun(model), "x"))
    for symbols in rounds:
        test = one_round(test, symbols) if test else None
    return test is not None and test.is_conclusive
