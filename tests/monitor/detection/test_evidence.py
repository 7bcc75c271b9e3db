"""The running statistic: a CUSUM, its background rate, and the sequential test for recovery."""

import math
from datetime import timedelta

import pytest

from monitor.detection.background import BackgroundRate
from monitor.detection.evidence import RECOVERED, Evidence, EvidenceTrack, Recovery, step_down, step_up
from probes.outcome import Outcome
from tests.support.builders import T0, observation

P0, P1 = 0.005, 0.3


def test_an_outage_is_not_learned_as_normal() -> None:
    """Only the first failure of an excursion teaches the background."""
    case = EvidenceTrack()
    for _ in range(100):
        case = case.add_failure(observation("x"), p1=P1)
    assert (case.background.failures, case.background.probes) == (1.0, 1.0)


def test_a_failure_adds_what_it_is_worth() -> None:
    """The step up is log(p1/p0), the step down log((1-p0)/(1-p1))."""
    once = Evidence().add_failure(observation("x"), p0=P0, p1=P1)
    assert once.value == pytest.approx(math.log(P1 / P0))
    then = once.add_success(observation("."), p0=P0, p1=P1)
    assert then.value == pytest.approx(once.value - math.log((1 - P0) / (1 - P1)))
    assert (once.clean_streak, then.clean_streak, then.failures, then.probes) == (0, 1, 1, 2)


def test_a_case_is_weighed_by_its_own_background() -> None:
    """What begins an excursion is weighed by what was usual before it, the rest by what has been learned with it."""
    case = EvidenceTrack().add_failure(observation("x"), p1=P1)
    assert case.value == pytest.approx(math.log(P1 / BackgroundRate().rate))
    p0 = case.background.rate
    assert p0 > BackgroundRate().rate
    then = case.add_success(observation("."), p1=P1)
    assert then.value == pytest.approx(case.value - math.log((1 - p0) / (1 - P1)))
    assert then.background == case.background


def test_evidence_never_goes_below_zero_and_forgets_its_counts_there() -> None:
    """An excursion that came to nothing leaves only what was learned."""
    case = EvidenceTrack().add_failure(observation("t"), p1=P1)
    learned = case.background
    while case.value:
        case = case.add_success(observation("."), p1=P1)
    assert case == EvidenceTrack(background=learned)
    assert case.add_success(observation("."), p1=P1).background.probes == learned.probes + 1


@pytest.mark.parametrize(("failures", "theirs"), [("x", True), ("tx", False), ("txx", True), ("tt", False)])
def test_it_is_the_provider_when_most_failures_are_its_own_for_certain(failures: str, theirs: bool) -> None:
    """Timeouts may be our own network's, a server error may not; half of them is not enough."""
    evidence = Evidence()
    for symbol in failures:
        evidence = evidence.add_failure(observation(symbol), p0=P0, p1=P1)
    assert evidence.by_provider is theirs


def test_the_trail_is_each_probe_with_the_evidence_after_it() -> None:
    """In order, at most the last sixty."""
    evidence = Evidence()
    heights = []
    for number in range(70):
        seen = observation("x" if number % 2 == 0 else ".", at_s=number, name=f"a/m{number % 3}")
        weigh = evidence.add_failure if number % 2 == 0 else evidence.add_success
        evidence = weigh(seen, p0=P0, p1=P1)
        heights.append((seen.finished_at, seen.target, seen.outcome, evidence.value))
    assert [(one.at, one.target, one.outcome, one.evidence) for one in evidence.trail] == heights[-60:]
    assert (evidence.failures, evidence.probes) == (35, 70)


def test_without_one_target_the_counts_are_those_of_the_others() -> None:
    """Whoever is left out takes failures, outcomes, beginning and trail along."""
    evidence = Evidence()
    for number, (symbol, name) in enumerate([("x", "a/1"), ("t", "a/2"), (".", "a/2"), ("x", "a/1")]):
        seen = observation(symbol, at_s=number, name=name)
        weigh = evidence.add_success if symbol == "." else evidence.add_failure
        evidence = weigh(seen, p0=P0, p1=P1)
    left = evidence.without("a/1", 3.5)
    assert (left.value, left.failures, left.probes) == (3.5, 1, 2)
    assert left.outcomes == {Outcome.TIMEOUT: 1}
    assert left.since == T0 + timedelta(seconds=1.1)
    assert {weighed.target for weighed in left.trail} == {"a/2"}


def test_recovery_is_proven_at_odds_of_twenty() -> None:
    """With the default background nine clean probes prove it."""
    recovery, p0 = Recovery(), BackgroundRate().rate
    while not recovery.proven:
        recovery = recovery.add_success(T0, p0=p0, p1=P1)
    assert recovery.clean == math.ceil(RECOVERED / math.log((1 - p0) / (1 - P1))) == 9


def test_a_failure_spoils_the_recovery() -> None:
    """It begins counting anew."""
    recovery = Recovery().add_success(T0, p0=0.005, p1=P1).add_success(T0, p0=0.005, p1=P1).add_failure(p0=0.005, p1=P1)
    assert (recovery.value, recovery.clean, recovery.since) == (0.0, 0, None)


@pytest.mark.parametrize(
    ("seen", "worth"),
    [
        pytest.param("xxxxx", 1.0, id="a blip"),
        pytest.param("x....xxxxx", 2.0, id="a blip after a failure by chance"),
        pytest.param("x....x....xxx", 3.0, id="after two of them"),
        pytest.param("x...xxxx", 1.0, id="three good answers end no blip"),
        pytest.param("x" * 14, 3.0, id="what goes on is no blip"),
    ],
)
def test_what_fails_within_a_learned_blip_is_worth_one_failure(seen: str, worth: float) -> None:
    """Counted from where its failures began, not from an older failure whose evidence has not gone yet."""
    evidence = Evidence()
    for number, symbol in enumerate(seen):
        probe = observation(symbol, at_s=5.0 * number)
        add = evidence.add_failure if symbol == "x" else evidence.add_success
        evidence = add(probe, p0=P0, p1=P1, **({"blip_s": 60.0} if symbol == "x" else {}))
    paid_s = seen.count(".") * step_down(P0, P1)
    assert evidence.value == pytest.approx(max(worth * step_up(P0, P1) - paid_s, step_up(P0, P1)))
