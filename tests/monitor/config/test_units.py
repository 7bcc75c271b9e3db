"""Durations, shares and rates: what is read, what is refused with which words, and how they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.units import parse_duration, parse_number, parse_rate, parse_share
from monitor.formatting import format_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("2h", 7200), ("90d", 7776000), ("1.5h", 5400), ("-3s", -3), ("0s", 0)],
)
def test_durations_are_read_as_seconds(text: str, seconds: float) -> None:
    """Every unit is understood, with decimals and signs."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("60", "has no unit; write 60s"),
        ("0.0", "has no unit; write 0s"),
        ("3651d", "is too long; the longest is 3650d"),
        ("-3651d", "is too long; the longest is 3650d"),
        ("30 s", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("30S", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("1m30s", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("٣s", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("1e9s", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("30s\n", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("9" * 5000 + "s", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
        ("", "is not a duration such as 500ms, 30s, 5m, 2h or 90d"),
    ],
)
def test_other_durations_are_refused(text: str, words: str) -> None:
    """What is no duration is refused with words that say what to write."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_duration(text)
    assert str(caught.value) == words


@pytest.mark.parametrize(("text", "share"), [("30%", 0.3), ("0.5%", 0.005), ("100%", 1.0), ("-1%", -0.01)])
def test_shares_are_read_as_fractions(text: str, share: float) -> None:
    """Per cent become a fraction."""
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.3", "is not a percentage; write 30%"),
        ("30", "is not a percentage; write 30%"),
        ("1", "is not a percentage; write 100%"),
        ("30 %", "is not a share such as 30%"),
        ("half", "is not a share such as 30%"),
    ],
)
def test_other_shares_are_refused(text: str, words: str) -> None:
    """A bare number is refused with the percentage that it probably means."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_share(text)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("text", "per_day"), [("1 per 90d", 1 / 90), ("2 per 1h", 48), ("0 per 1d", 0), ("1.5 per 1d", 1.5)]
)
def test_rates_are_read_per_day(text: str, per_day: float) -> None:
    """A rate becomes events per day."""
    assert parse_rate(text) == pytest.approx(per_day)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1", "is not a rate such as 1 per 90d"),
        ("1 per 90", "is not a rate such as 1 per 90d"),
        ("1/90d", "is not a rate such as 1 per 90d"),
        ("one per 90d", "is not a rate such as 1 per 90d"),
        ("1 per 0d", "is not a rate such as 1 per 90d: the time must be longer than zero"),
    ],
)
def test_other_rates_are_refused(text: str, words: str) -> None:
    """What is no rate is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rate(text)
    assert str(caught.value) == words


@pytest.mark.parametrize("text", ["", "five", "1e3", ".inf", "0x10", "1_000", "1:30"])
def test_only_plain_decimal_numbers_are_numbers(text: str) -> None:
    """The other ways in which YAML writes numbers are refused."""
    with pytest.raises(ValueError, match=r"^is not a number such as 5 or 2\.5$"):
        parse_number(text)


@given(st.integers(min_value=0, max_value=3650 * 86400 * 10))
def test_what_is_shown_can_be_read_again(tenths: int) -> None:
    """A duration of whole tenths of a second survives being shown and read."""
    assert parse_duration(format_duration(tenths / 10)) == pytest.approx(tenths / 10, rel=1e-4)
