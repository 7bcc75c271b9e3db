"""The running statistic: a CUSUM, its background rate, and the sequential test for recovery."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence import RECOVERED, Background, Evidence, Recovery
from probes.outcome import Outcome
from tests.builders import T0

P1 = 0.3


def test_without_history_the_background_is_half_a_percent() -> None:
    """The prior's mean, to within the grid."""
    assert Background().rate == pytest.approx(0.005, rel=0.05)


def test_the_background_is_learned() -> None:
    """Fifty failures in a thousand quiet probes pull it well up; ten thousand good ones pull it down."""
    noisy = Background(failures=50, probes=1000)
    assert noisy.rate == pytest.approx(0.0275, rel=0.13)
    assert Background(failures=0, probes=10_000).rate < 0.003


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_background_stays_between_its_bounds(failures: float, good: float) -> None:
    """Whatever was seen, the rate is between 0.2 and 5 %."""
    assert 0.002 <= Background(failures=failures, probes=failures + good).rate <= 0.05


def test_the_background_forgets() -> None:
    """About the last 20,000 probes count, so that old noise fades."""
    background = Background(failures=1000, probes=20_000)
    for _ in range(20_000):
        background = background.seen(failed=False)
    assert background.probes == pytest.approx(20_000)
    assert background.failures == pytest.approx(1000 / math.e, rel=0.01)


def test_an_outage_is_not_learned_as_normal() -> None:
    """Only the first failure of an excursion teaches the background."""
    evidence = Evidence()
    for _ in range(100):
        evidence = evidence.failed(Outcome.SERVER_ERROR, T0, p1=P1)
    assert evidence.background == Background(failures=1.0, probes=1.0)


def test_a_failure_adds_what_it_is_worth() -> None:
    """The step up is log(p1/p0), the step down log((1-p0)/(1-p1))."""
    p0 = Background().rate
    once = Evidence().failed(Outcome.SERVER_ERROR, T0, p1=P1)
    assert once.value == pytest.approx(math.log(P1 / p0))
    p0 = once.background.rate
    assert once.passed(p1=P1).value == pytest.approx(once.value - math.log((1 - p0) / (1 - P1)))


def test_evidence_never_goes_below_zero_and_forgets_its_counts_there() -> None:
    """An excursion that came to nothing leaves only what was learned."""
    evidence = Evidence().failed(Outcome.TIMEOUT, T0, p1=P1)
    for _ in range(20):
        evidence = evidence.passed(p1=P1)
    assert (evidence.value, evidence.failures, evidence.since, evidence.outcomes) == (0.0, 0, None, {})


def test_undecided_failures_are_counted_apart() -> None:
    """Timeouts may be our own network's, a server error may not."""
    evidence = Evidence().failed(Outcome.TIMEOUT, T0, p1=P1).failed(Outcome.SERVER_ERROR, T0, p1=P1)
    assert evidence.undecided() == 1


def test_recovery_is_proven_at_odds_of_twenty() -> None:
    """With the default background nine clean probes prove it."""
    recovery, p0 = Recovery(), Background().rate
    while not recovery.proven:
        recovery = recovery.passed(T0, p0=p0, p1=P1)
    assert recovery.clean == math.ceil(RECOVERED / math.log((1 - p0) / (1 - P1))) == 9


def test_a_failure_spoils_the_recovery() -> None:
    """It begins counting anew."""
    recovery = Recovery().passed(T0, p0=0.005, p1=P1).passed(T0, p0=0.005, p1=P1).failed(p0=0.005, p1=P1)
    assert (recovery.value, recovery.clean, recovery.since) == (0.0, 0, None)
