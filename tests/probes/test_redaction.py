"""Hostile text."""

import base64
import re
import string
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.redaction import MASK, clean, clean_block, clean_identifier
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


def base64_of(text: str, before: str = "") -> str:
    """Base64 of `text` behind something else, as of `Bearer key` and `user:key`."""
    return base64.b64encode((before + text).encode()).decode()


#: The forms in which a key comes back by accident. Each is given a key, or a piece of one.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "percent-encoded": lambda key: "".join(f"%{ord(letter):02X}" for letter in key),
    "percent-encoded where it must be": lambda key: quote(key, safe=""),
    "as JSON escapes": lambda key: "".join(f"\\u{ord(letter):04x}" for letter in key),
    "with slashes escaped": lambda key: key.replace("/", "\\/"),
    "with zero-width spaces": "\u200b".join,
    "with soft hyphens": "\u00ad".join,
    "in base64": base64_of,
    "in base64 of a header": lambda key: base64_of(key, "Bearer "),
    "in base64 of a login": lambda key: base64_of(key, "user:"),
    "in base64 of a name": lambda key: base64_of(key, "x"),
    "in base64 for addresses": lambda key: base64_of(key).replace("+", "-").replace("/", "_").rstrip("="),
    "in base64, escaped": lambda key: quote(base64_of(key), safe=""),
}
#: Keys of AWS hold `/` and `+`.
KEYS = st.text(string.ascii_letters + string.digits + "-_/+", min_size=24, max_size=120)


def left_of(key: str, shown: str) -> str:
    """As much of the key as its longest piece in `shown`, read like somebody who tries every one of these forms."""
    unescaped = re.sub(r"\\u([0-9A-Fa-f]{4})|\\(/)", lambda match: match[2] or chr(int(match[1], 16)), shown)
    readings = {shown, unquote(shown), unescaped}
    for reading in tuple(readings):
        for letters in re.findall("[A-Za-z0-9+/]{10,}", reading.translate(str.maketrans("-_", "+/"))):
            for start in range(4):
                whole = letters[start : start + len(letters[start:]) // 4 * 4]
                readings.add(base64.b64decode(whole).decode("latin-1"))
    lower = {reading.lower() for reading in readings}
    pieces = (key[i:j].lower() for i in range(len(key)) for j in range(i + 8, len(key) + 1))
    return max((piece for piece in pieces if any(piece in reading for reading in lower)), key=len, default="")


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=40)
@given(key=KEYS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_spelling_of_a_key_survives(spelling: str, key: str, before: str, after: str) -> None:
    """In whichever of its forms the whole key stands, no eight characters of it can be read from what is shown."""
    text = f"{before} {SPELLINGS[spelling](key)} {after}"
    shown = clean(text, Secret(key))

    assert MASK in shown
    assert left_of(key, shown) == ""
    assert left_of(key, clean_identifier(text, Secret(key)) or "") == ""


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=40)
@given(key=KEYS, start=st.integers(0, 16), length=st.integers(8, 60))
def test_no_spelling_of_a_piece_survives(spelling: str, key: str, start: int, length: int) -> None:
    """The same for every piece of eight characters or more."""
    shown = clean(f"so: {SPELLINGS[spelling](key[start : start + length])}!", Secret(key))

    assert left_of(key, shown) == ""


@pytest.mark.parametrize("spelling", sorted(SPELLINGS.keys() - {"with zero-width spaces", "with soft hyphens"}))
@settings(deadline=None, max_examples=40)
@given(key=KEYS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_block_of_text_holds_no_key_and_drives_no_terminal(spelling: str, key: str, before: str, after: str) -> None:
    """The same for text that is shown line by line, whose invisible characters are spelled out."""
    shown = clean_block(f"{before}\n{SPELLINGS[spelling](key)}\r\n{after}\x1b[0m", Secret(key), limit=200)

    assert left_of(key, shown) == ""
    assert all(letter in "\n\t" or letter.isprintable() or not letter.isascii() for letter in shown)
    assert len(shown) <= 200


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj****LrW2.",
        "Incorrect API key provided: Zx81mQp***.",
        "req_0123456789abcdef0123456789abcdef",
        "trace 0123456789abcdef0123456789abcdef",
        "Unknown key: messages.0.content",
        "no such token: max_completion_tokens",
        "Please try again in 6m0s, or see https://x.example/docs?page=keys",
    ],
    ids=[
        "first and last characters",
        "the first seven characters",
        "a request id",
        "a trace id",
        "the name of a field",
        "the name of a parameter",
        "an address",
    ],
)
def test_what_helps_is_left(text: str) -> None:
    """What tells one key from another, names and request ids are shown: somebody has to find out what is wrong."""
    assert clean(text, Secret(KEY)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("id AKIAIOSFODNN7EXAMPLE or ASIAIOSFODNN7EXAMPLE", "id *** or ***"),
        (
            "Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1, SignedHeaders=host, Signature=5d672d79c15b13162d9279",
            "Credential=***/20261121/us-east-1, SignedHeaders=host, Signature=***",
        ),
        (
            "/?X-Amz-Security-Token=IQoJb3JpZ2luX2Vj&X-Amz-Signature=5d67",
            "/?X-Amz-Security-Token=***&X-Amz-Signature=***",
        ),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl!", "jwt ***!"),
        ("oauth ya29.a0AfH6SMBx-y_z", "oauth ***"),
        ("api-key: 0123456789abcdef0123456789abcdef", "api-key: ***"),
        ("Incorrect API key provided: 0123456789abcdef0123456789abcdef.", "Incorrect API key provided: ***"),
        ("POST https://x.example/v1?key=abc%20d&alt=sse", "POST https://x.example/v1?key=***&alt=sse"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("hf_0123456789abcdefghij and ghp_0123456789abcdefghij", "*** and ***"),
        ("bedrock-api-key-YmVkcm9jay5hbWF6b24 and ABSKQmVkcm9ja0FQSUtleS0x", "*** and ***"),
    ],
    ids=[
        "access key ids of AWS",
        "a signature of AWS",
        "an address signed by AWS",
        "a JSON web token",
        "a token of Google",
        "a key of Azure",
        "a key of Azure in a sentence",
        "a key in an address",
        "a password",
        "tokens with a prefix",
        "keys of Bedrock",
    ],
)
def test_what_looks_like_a_key_of_others_is_cut_out(text: str, shown: str) -> None:
    """Keys that nobody told us about are known by their shape, or by the word beside them."""
    assert clean(text) == shown


@pytest.mark.parametrize(
    "unit", ["x", "\\", "%25", "&amp;", "key=", "eyJ", "Bearer ", "\u200b", "sk-proj-", "1//0", "é"]
)
def test_an_endless_text_is_cut_first(unit: str) -> None:
    """Ten megabytes of anything are as quickly cleaned as four thousand characters of it."""
    assert clean(unit * (10_000_000 // len(unit)), Secret(KEY)) == clean(unit * 4000, Secret(KEY))


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
    assert clean_identifier(header, Secret(KEY)) == shown
