"""When each target is asked next."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.detection import provider_pool, state_machine
from monitor.detection.pacing import early_phases, is_resting, phases, provider_burst_s, target_burst_s
from monitor.detection.parameters import BURST_CLEAN_PROBES, LONGEST_BURST
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE
from monitor.detection.target_state import TargetState
from monitor.health import Health
from probes.target import Check
from tests.support.builders import T0, fold, observation, parameters, provider_parameters, settings, target


def test_targets_of_a_provider_are_spread_evenly() -> None:
    """Four targets at 30 s are 7.5 s apart."""
    due = phases([target(f"openai/m{n}") for n in range(4)])
    assert list(due.values()) == [0.0, 7.5, 15.0, 22.5]


def test_every_target_is_probed_within_a_minute() -> None:
    """One that is probed once an hour would else be no standby for an hour; those at usual intervals are as ever."""
    hourly = [replace(target(name), interval_s=3600.0) for name in ("openai/a", "openai/b", "gemini/c")]
    usual = replace(target("gemini/d"), interval_s=30.0)
    early = early_phases([*hourly, usual])
    assert early["gemini/d"] == phases([*hourly, usual])["gemini/d"]
    assert max(early.values()) < 60.0
    assert len(set(early.values())) == 4


def test_providers_are_shifted_against_each_other() -> None:
    """No two probes of the whole are due together."""
    due = phases([target(f"{name}/m{n}") for name in ("openai", "anthropic", "gemini") for n in range(2)])
    assert sorted(due.values()) == pytest.approx([0.0, 5.0, 10.0, 15.0, 20.0, 25.0])


@pytest.mark.parametrize(
    ("seen", "expected_s"),
    [
        pytest.param("....", None, id="quiet: the regular schedule"),
        pytest.param(".x", parameters().failed_s, id="after a failure: long enough that most blips are over"),
        pytest.param(".x.", parameters().passed_s, id="after a good answer while there is evidence: soon"),
        pytest.param(".x.x", parameters().failed_s, id="after another failure: once more later"),
        pytest.param(".s", parameters().degraded_s, id="after a slow answer: a quarter of the interval"),
        pytest.param(".w", parameters().degraded_s, id="after a wrong answer as well"),
        pytest.param(".r", parameters().degraded_s - 0.1, id="so long after a throttled one began"),
        pytest.param(".xr", parameters().degraded_s - 0.1, id="which ends the burst on a failure"),
        pytest.param(".rx", parameters().degraded_s - 0.1, id="or forbids it"),
        pytest.param(".a", parameters().failed_s, id="a fault of ours is confirmed quickly"),
        pytest.param(".xxx", None, id="down: the normal interval"),
        pytest.param(".xxx.", parameters().interval_s / 3, id="down, but it answers: a third of the interval"),
        pytest.param(".xxx.x", None, id="and fails again: the normal interval"),
        pytest.param(".aa", None, id="misconfigured: the normal interval"),
        pytest.param(".xxx" + "." * 9, parameters().interval_s / 3, id="recovering: a third of the interval"),
    ],
)
def test_quick_probes_when_there_is_something_to_find_out(seen: str, expected_s: float | None) -> None:
    """The extra probe comes after so many seconds."""
    assert target_burst_s(fold(seen, parameters())[1], parameters()) == expected_s


@pytest.mark.parametrize("interval_s", [1.0, 4.0, 30.0, 300.0])
def test_quick_probes_are_never_much_denser_than_regular_ones(interval_s: float) -> None:
    """At most a quarter of the interval apart, or half a second where that is more; sooner after good answers."""
    by = replace(parameters(), interval_s=interval_s)
    assert by.degraded_s == interval_s / 4
    assert by.passed_s <= by.failed_s <= max(by.degraded_s, 0.5)
    assert by.failed_s in {0.5, interval_s / 4} or by.failed_s >= by.passed_s >= 1


def test_a_burst_is_bounded() -> None:
    """Evidence that neither fades nor suffices gets no more than sixty quick probes."""
    quick = 0
    _, record = fold(".", parameters())
    for symbol in "x.........." * 8:
        _, record = fold(symbol, parameters(), record=record)
        assert record.health is Health.SUSPECT
        quick += target_burst_s(record, parameters()) is not None
    assert quick == LONGEST_BURST


def test_a_burst_ends_when_nothing_fails_any_more() -> None:
    """After so many good answers in a row the rest of the evidence fades at the regular pace."""
    for good in range(23):
        record = fold(".xx" + "." * good, parameters())[1]
        assert record.health is Health.SUSPECT
        assert (target_burst_s(record, parameters()) is not None) == (good <= BURST_CLEAN_PROBES)


def test_among_siblings_a_burst_of_its_own_is_for_the_one_that_is_sick_alone() -> None:
    """It begins with a second failure, as long as no other target fails; everything else is as for one alone."""
    names = ("openai/a", "openai/b")
    by = provider_parameters(settings(Path("/nowhere"), *names))
    usual = dict.fromkeys(names, 0.005)
    once = provider_pool.add_failure(NO_PROVIDER_EVIDENCE, observation("x", name="openai/a"), by, usual)
    twice = provider_pool.add_failure(once, observation("x", at_s=5, name="openai/a"), by, usual)
    spread = provider_pool.add_failure(twice, observation("x", at_s=10, name="openai/b"), by, usual)
    assert target_burst_s(fold(".x", parameters())[1], parameters(), pool=once) is None
    assert target_burst_s(fold(".x.", parameters())[1], parameters(), pool=once) is None
    assert target_burst_s(fold(".xx", parameters())[1], parameters(), pool=twice) == parameters().failed_s
    assert target_burst_s(fold(".xx.", parameters())[1], parameters(), pool=twice) == parameters().passed_s
    assert target_burst_s(fold(".xx", parameters())[1], parameters(), pool=spread) is None
    assert target_burst_s(fold(".a", parameters())[1], parameters(), pool=NO_PROVIDER_EVIDENCE) == parameters().failed_s


def test_the_burst_of_a_provider_is_bounded() -> None:
    """It follows any failure, ends with twenty good answers in a row, and at sixty probes."""
    names = ("openai/a", "openai/b")
    by = provider_parameters(settings(Path("/nowhere"), *names))
    usual = dict.fromkeys(names, 0.005)
    assert provider_burst_s(NO_PROVIDER_EVIDENCE, by) is None
    known = provider_pool.add_failure(NO_PROVIDER_EVIDENCE, observation("x", name="openai/a"), by, usual)
    assert provider_burst_s(known, by) == by.failed_s
    known = provider_pool.add_success(known, observation(".", at_s=5, name="openai/b"), by)
    assert provider_burst_s(known, by) == by.passed_s
    known = provider_pool.add_failure(known, observation("x", at_s=10, name="openai/a"), by, usual)
    for number in range(BURST_CLEAN_PROBES + 1):
        assert provider_burst_s(known, by) is not None
        known = provider_pool.add_success(known, observation(".", at_s=11 + number, name="openai/b"), by)
    assert known.evidence.value > 0
    assert provider_burst_s(known, by) is None
    endless, quick = NO_PROVIDER_EVIDENCE, 0
    for number in range(10 * 11):
        seen = observation("." if number % 11 else "x", at_s=number * 5.0, name=names[number % 2])
        endless = (
            provider_pool.add_success(endless, seen, by)
            if number % 11
            else provider_pool.add_failure(endless, seen, by, usual)
        )
        quick += provider_burst_s(endless, by) is not None
    assert endless.evidence.probes == 110
    assert quick == LONGEST_BURST


def test_a_provider_that_asks_for_rest_gets_it() -> None:
    """Retry-After is honoured, for at most five minutes, and no burst follows."""
    _, record = fold(".", parameters())
    throttled = state_machine.observe(record, observation("r", at_s=30, retry_after_s=60), parameters())
    assert target_burst_s(throttled, parameters()) is None
    assert is_resting(throttled, T0 + timedelta(seconds=90))
    assert not is_resting(throttled, T0 + timedelta(seconds=91))
    endless = state_machine.observe(record, observation("r", at_s=30, retry_after_s=86_400), parameters())
    assert not is_resting(endless, T0 + timedelta(seconds=30 + 301))


@pytest.mark.parametrize("symbol", ["x", "w"])
def test_a_check_that_people_know_to_fail_begins_no_burst(symbol: str) -> None:
    """One more of its failures is no news; a failure of any other check is, beside it or alone."""
    by = replace(parameters(), checks=(Check.CHAT, Check.TOOL))
    record, quick = TargetState(target=by.target, since=T0), []
    for number, sign in enumerate(("." * 15 + symbol) * 7):
        seen = observation(sign, at_s=30.0 * number)
        record = state_machine.observe(record, replace(seen, check=Check.TOOL) if sign == symbol else seen, by)
        if sign == symbol:
            quick.append(target_burst_s(record, by))
    assert quick == [by.failed_s if symbol == "x" else by.degraded_s] * 4 + [None] * 3
    record = state_machine.observe(record, observation("x", at_s=30.0 * 16 * 7), by)
    assert target_burst_s(record, by) == by.failed_s
