"""What the detector remembers survives a restart."""

import pytest

from monitor.record import Record, from_json, to_json
from tests.builders import T0, fold, rule


@pytest.mark.parametrize("seen", ["", ".", ".x", ".xxx....", ".aa", ".sswwrr", ".xxx" + "." * 20])
def test_a_record_comes_back_exactly(seen: str) -> None:
    """Through JSON and back nothing is lost."""
    record = fold(seen, rule())[1] if seen else Record(target="openai/gpt-6-luna", since=T0)
    assert from_json(to_json(record)) == record


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[]", '{"target": 1}', "\x00", '{"target": "a/b", "since": "soon"}']
)
def test_what_is_not_a_record_is_none(text: str) -> None:
    """A foreign or broken record is no error: its history is folded anew."""
    assert from_json(text) is None
