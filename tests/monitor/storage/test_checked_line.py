"""A line is read back, or found to be damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.storage.checked_line import from_line, to_line

LINE = to_line(b"a text of ours").rstrip(b"\n")


@given(st.binary().filter(lambda text: b"\n" not in text))
def test_a_text_comes_back(text: bytes) -> None:
    """Whatever it is, on a line of its own."""
    line = to_line(text)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_line(line[:-1]) == text


@pytest.mark.parametrize("line", [LINE[:place] for place in range(len(LINE))])
def test_a_torn_line_is_damaged(line: bytes) -> None:
    """Wherever it ends."""
    assert from_line(line) is None


@pytest.mark.parametrize("place", range(len(LINE)))
def test_a_damaged_byte_is_found(place: int) -> None:
    """One bit of any byte, but those that a number may be written with as well."""
    damaged = LINE[:place] + bytes([LINE[place] ^ 1]) + LINE[place + 1 :]
    assert from_line(damaged) is None
