"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor import formatting as words
from monitor.formatting import format_duration, format_rate, format_share, percent_number

NOW = datetime(2026, 11, 21, 18, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (41.2, "41 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (581, "9 min 41 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_a_span_has_two_units_at_the_most(seconds: float, text: str) -> None:
    """Durations are rounded to what matters."""
    assert words.format_elapsed(seconds) == text


def test_instants_of_another_day_carry_their_date() -> None:
    """A bare time of day is only used for today, and ages are whole seconds."""
    assert words.clock(NOW, NOW) == "18:03:12 UTC"
    assert words.clock(NOW - timedelta(days=1), NOW) == "2026-11-20 18:03 UTC"
    assert words.ago(NOW - timedelta(seconds=12.4), NOW) == "12 s ago"
    assert words.ago(NOW + timedelta(seconds=3), NOW) == "0 s ago"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (0.0005, "0.5ms"),
        (30, "30s"),
        (90, "1.5m"),
        (95, "95s"),
        (300, "5m"),
        (3600, "1h"),
        (14 * 86400, "14d"),
        (-30, "-30s"),
        (1.23456, "1.23456s"),
    ],
)
def test_durations_are_shown_in_a_fitting_unit(seconds: float, text: str) -> None:
    """The largest unit that needs at most one decimal is used."""
    assert format_duration(seconds) == text


def test_shares_and_rates_are_shown_as_they_are_written() -> None:
    """The defaults look like the configuration that gives them."""
    assert format_share(0.3) == "30%"
    assert format_share(0.005) == "0.5%"
    assert format_rate(1 / 90) == "1 per 90d"
    assert format_rate(48) == "1 per 30m"
    assert format_rate(0) == "0 per 1d"


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100.0"), (0.99999, "99.9"), (0.9962, "99.6"), (0.94, "94.0"), (0.0, "0.0")]
)
def test_a_measured_share_has_one_decimal_everywhere(share: float, shown: str) -> None:
    """Figures below each other can be compared; what was not everything never reads so."""
    assert percent_number(share) == shown
