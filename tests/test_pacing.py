"""When each target is asked next."""

from datetime import timedelta

import pytest

from monitor import detector
from monitor.health import Health
from monitor.pacing import phases, quick_s, resting
from monitor.rule import BURST
from tests.builders import T0, fold, observation, rule, target


def test_targets_of_a_provider_are_spread_evenly() -> None:
    """Four targets at 30 s are 7.5 s apart."""
    due = phases([target(f"openai/m{n}") for n in range(4)])
    assert list(due.values()) == [0.0, 7.5, 15.0, 22.5]


def test_providers_are_shifted_against_each_other() -> None:
    """No two probes of the whole are due together."""
    due = phases([target(f"{name}/m{n}") for name in ("openai", "anthropic", "gemini") for n in range(2)])
    assert sorted(due.values()) == pytest.approx([0.0, 5.0, 10.0, 15.0, 20.0, 25.0])


@pytest.mark.parametrize(
    ("seen", "expected_s"),
    [
        pytest.param("....", None, id="quiet: the regular schedule"),
        pytest.param(".x", 7.5, id="after a failure: a quarter of the interval"),
        pytest.param(".s", 7.5, id="after a slow answer as well"),
        pytest.param(".a", 7.5, id="a fault of ours is confirmed quickly"),
        pytest.param(".xxx", None, id="down: the normal interval"),
        pytest.param(".aa", None, id="misconfigured: the normal interval"),
        pytest.param(".xxx" + "." * 9, 10.0, id="recovering: a third of the interval"),
    ],
)
def test_quick_probes_when_there_is_something_to_find_out(seen: str, expected_s: float | None) -> None:
    """The extra probe comes after so many seconds."""
    assert quick_s(fold(seen, rule())[1], rule()) == expected_s


def test_a_burst_is_bounded() -> None:
    """Evidence that neither fades nor suffices gets no more than twelve quick probes."""
    quick = 0
    _, record = fold(".", rule())
    for symbol in "x.........." * 3:
        _, record = fold(symbol, rule(), record=record)
        assert record.health is Health.SUSPECT
        quick += quick_s(record, rule()) is not None
    assert quick == BURST


def test_a_provider_that_asks_for_rest_gets_it() -> None:
    """Retry-After is honoured, for at most five minutes, and no burst follows."""
    _, record = fold(".", rule())
    throttled = detector.observe(record, observation("r", at_s=30, retry_after_s=60), rule())
    assert quick_s(throttled, rule()) is None
    assert resting(throttled, T0 + timedelta(seconds=90))
    assert not resting(throttled, T0 + timedelta(seconds=91))
    endless = detector.observe(record, observation("r", at_s=30, retry_after_s=86_400), rule())
    assert not resting(endless, T0 + timedelta(seconds=30 + 301))
