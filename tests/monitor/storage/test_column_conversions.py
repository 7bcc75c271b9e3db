"""What goes into a column comes out the same, or as near as every database allows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.storage.column_conversions import fit_integer, from_ms, maybe_from_ms, storable, to_ms, truncate


@given(st.datetimes(timezones=st.timezones()))
def test_an_instant_comes_back_to_the_millisecond(instant: datetime) -> None:
    """Any aware instant comes back in UTC, less than a millisecond earlier at most."""
    back = from_ms(to_ms(instant))
    assert timedelta(0) <= instant - back < timedelta(milliseconds=1)
    assert back.tzinfo is UTC


def test_the_zone_is_converted_not_dropped() -> None:
    """An instant given in another zone is the same instant in UTC."""
    karachi = timezone(timedelta(hours=5))
    assert from_ms(to_ms(datetime(2026, 11, 21, 5, 30, tzinfo=karachi))) == datetime(2026, 11, 21, 0, 30, tzinfo=UTC)


def test_a_naive_instant_is_refused() -> None:
    """A datetime without a zone is a mistake, not UTC."""
    with pytest.raises(TypeError, match="naive"):
        to_ms(datetime(2026, 11, 21))  # noqa: DTZ001 - naive on purpose


def test_no_instant_stays_none() -> None:
    """None stays None, and an instant does not."""
    assert maybe_from_ms(None) is None
    assert maybe_from_ms(5) == from_ms(5)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("plain", "plain", id="plain text stays"),
        pytest.param("ünï – 漢字 – 🚑\n\x1b", "ünï – 漢字 – 🚑\n\x1b", id="other characters stay, control ones too"),
        pytest.param("a\0b", "a\ufffdb", id="NUL is replaced"),
        pytest.param("a\ud800b\udfff", "a\ufffdb\ufffd", id="lone surrogates are replaced"),
    ],
)
def test_text_is_made_storable(text: str, kept: str) -> None:
    """Only what a database may refuse is replaced."""
    assert storable(text) == kept


def test_long_text_is_cut_where_it_says() -> None:
    """Text up to the limit is whole, longer text ends in an ellipsis at the limit."""
    assert truncate("x" * 10, 10) == "x" * 10
    assert truncate("x" * 11, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("number", "kept"),
    [(None, None), (0, 0), (2**63 - 1, 2**63 - 1), (2**63, None), (-(10**30), None)],
)
def test_numbers_that_fit_no_column_are_unknown(number: int | None, kept: int | None) -> None:
    """A number past 64 bits is kept as unknown instead of failing the whole batch."""
    assert fit_integer(number) == kept
