"""The hold: what passes it, and how soon."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from monitor.detection import hold
from monitor.detection.background import BackgroundRate
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import TargetState
from monitor.health import Health
from tests.support.builders import T0, parameters

#: A probe every third of 30 s, with a second for the answer.
EVERY_S = 11.0
BACKGROUNDS = (0.002, 0.005, 0.02, 0.05)


def held(p0: float, **changed: int) -> TargetState:
    """A target that recovered at T0, with this background."""
    background = BackgroundRate(failures=p0 * 1e6 - 5, probes=1e6 - 1000)
    known = EvidenceTrack(background=background)
    return TargetState(target="a/m", since=T0, health=Health.RECOVERING, down=known).replace(**changed)


def chances(state: TargetState, rate: float, by: TargetParameters, probes: int = 600) -> tuple[float, float, int]:
    """The exact chances that one hold is passed and that it fails at this rate, and when 95 % of those have passed."""
    open_holds, passed, failed, over_time = {(0, 0): 1.0}, 0.0, 0.0, []
    for number in range(1, probes + 1):
        at, after = T0 + timedelta(seconds=number * EVERY_S), dict[tuple[int, int], float]()
        for ((clean, bad), chance), fails in product(open_holds.items(), (False, True)):
            each = hold.add_probe(state.replace(clean_in_hold=clean, failed_in_hold=bad), failed=fails)
            weight = chance * (rate if fails else 1 - rate)
            if not fails and hold.is_passed(each, at, by):
                passed += weight
            elif fails and hold.is_failed(each, by):
                failed += weight
            else:
                key = each.clean_in_hold, each.failed_in_hold
                after[key] = after.get(key, 0.0) + weight
        open_holds = after
        over_time.append(passed)
    return passed, failed, next((n for n, share in enumerate(over_time, 1) if share >= 0.95), probes)


@pytest.mark.parametrize(("p0", "passing", "minutes"), [(0.002, 0.99, 9), (0.005, 0.99, 9), (0.02, 0.95, 14)])
def test_a_hold_tolerates_the_background(p0: float, passing: float, minutes: float) -> None:
    """So many targets that fail no more than usual pass the first hold of five minutes, 95 of 100 after so long."""
    passed, _, soon = chances(held(p0), p0, parameters())
    assert passed >= passing
    assert soon * EVERY_S / 60 <= minutes


@pytest.mark.parametrize("p0", BACKGROUNDS)
def test_too_many_failures_do_not_sneak_back(p0: float) -> None:
    """A try is passed in at most one of seven, after three failed ones of fifteen, a doubled hold in one of fifteen."""
    rate = hold.hold_rates(p0, parameters().p1)[1]
    assert chances(held(p0), rate, parameters())[0] <= 1 / 7
    assert chances(held(p0, failed_holds=3), rate, parameters())[0] <= 1 / 15
    assert chances(held(p0, hold_factor=2), rate, parameters())[0] <= 1 / 15


@pytest.mark.parametrize("p0", BACKGROUNDS)
def test_a_hold_ends(p0: float) -> None:
    """One way or the other, whatever fails: at twice its probes by the next failure, or by good ones before."""
    for rate in (0.0, p0, 0.05, 0.1, 0.5, 1.0):
        passed, failed, _ = chances(held(p0), rate, parameters(), probes=110)
        assert passed + failed == pytest.approx(1)


@pytest.mark.parametrize(("p0", "p1"), [*product(BACKGROUNDS, (0.06, 0.1, 0.3, 0.6, 0.95))])
def test_the_hold_decides_between_two_rates_that_differ(p0: float, p1: float) -> None:
    """Whatever is looked for: p0 ≤ usual < too much ≤ p1."""
    usual, lower = hold.hold_rates(p0, p1)
    assert p0 <= usual < lower <= p1


@pytest.mark.parametrize(("factor", "failed"), [*product((1, 2, 4, 8), range(6))])
def test_a_failure_never_shortens_a_hold(factor: int, failed: int) -> None:
    """With so many clean probes and one failure more it is not passed before; a hold lasts its time at the least."""
    by = parameters()
    for clean in range(0, 300, 7):
        at = T0 + timedelta(seconds=(clean + failed) * EVERY_S)
        state = held(0.005, clean_in_hold=clean, failed_in_hold=failed, hold_factor=factor)
        if hold.is_passed(hold.add_probe(state, failed=True), at, by):
            assert hold.is_passed(state, at, by)
        if hold.is_passed(state, at, by):
            assert (at - T0).total_seconds() >= factor * by.hold_s
            assert not hold.is_failed(state, by)


def test_long_intervals_do_not_lengthen_the_hold() -> None:
    """At five minutes a hold of five minutes has time for three probes, and they suffice."""
    by = replace(parameters(), interval_s=300.0)
    assert hold.is_passed(held(0.005, clean_in_hold=3), T0 + timedelta(seconds=300), by)
    assert not hold.is_passed(held(0.005, clean_in_hold=2), T0 + timedelta(seconds=300), by)
