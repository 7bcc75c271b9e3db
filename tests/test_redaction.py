"""Hostile text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.redaction import clean, identifier
from probes.target import Secret

KEY = "sk-proj-Zx81mQp4vTe7LrW2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"bad key {KEY}!", "bad key ***!"),
        (f"{KEY}{KEY}", "***"),
        (f"ends {KEY[-9:]} starts {KEY[:9]} middle {KEY[5:14]}", "ends *** starts *** middle ***"),
        (f"split {KEY[:10]}\u200b{KEY[10:]}", "split ***"),
        ("another sk-ant-abcdef123 and AIzaSyAbcdef and Bearer abc.def-ghi", "another *** and *** and ***"),
        ("a risk-assessment of the task-force", "a risk-assessment of the task-force"),
        ("two\r\nlines\tand \x00\x1b[0m\u202e\u2028noise", "two lines and [0m noise"),
        ("half a pair \ud83d", "half a pair"),
        ("", ""),
    ],
    ids=[
        "the key",
        "the key twice",
        "pieces of the key",
        "the key with an invisible space",
        "keys of others",
        "words that only look like keys",
        "control characters",
        "a lone surrogate",
        "nothing",
    ],
)
def test_text_is_cleaned(text: str, shown: str) -> None:
    """What is shown is one line without keys and without anything invisible."""
    assert clean(text, Secret(KEY)) == shown


def test_text_is_cut() -> None:
    """At most the limit, and it shows that something is missing."""
    assert clean("x" * 501) == "x" * 499 + "…"
    assert clean("x" * 500) == "x" * 500


@pytest.mark.parametrize(
    ("key", "shown"), [("abcd", "say *** say"), ("ab", "say abcd say")], ids=["short", "too short"]
)
def test_a_short_key_is_cut_out_whole(key: str, shown: str) -> None:
    """A key of four to seven characters is found whole; a shorter one cannot be told from words."""
    assert clean("say abcd say", Secret(key)) == shown


@settings(deadline=None)
@given(before=st.text(), after=st.text(), start=st.integers(0, 15), length=st.integers(8, 24))
def test_no_piece_of_the_key_survives(before: str, after: str, start: int, length: int) -> None:
    """Wherever a piece of eight or more stands, none is left; and the result fits any column."""
    shown = clean(before + KEY[start : start + length] + after, Secret(KEY), limit=100)

    assert not any(KEY[i : i + 8] in shown for i in range(len(KEY) - 7))
    assert len(shown) <= 100
    assert shown.encode()


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("req_011CSabc", "req_011CSabc"),
        ("a b\r\n<script>", "abscript"),
        ("x" * 1000, "x" * 127),
        (f"req-{KEY}", "req-***"),
        ("", None),
        ("😀", None),
    ],
)
def test_a_request_id_is_kept_plain(header: str, shown: str | None) -> None:
    """A header that claims to be a request id is cut to what one looks like."""
    assert identifier(header, Secret(KEY)) == shown
