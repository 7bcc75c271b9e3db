"""Hostile text."""

import base64
import json
import re
import string
from collections.abc import Callable
from html import unescape
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.redaction import MASK, clean, identifier
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


#: What a program may have made of a key before it came back. Each is given a key, or a piece of one.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "backwards": lambda key: key[::-1],
    "percent-encoded": lambda key: "".join(f"%{ord(one):02X}" for one in key),
    "percent-encoded where it must be": quote,
    "percent-encoded twice": lambda key: "".join(f"%25{ord(one):02x}" for one in key),
    "quoted-printable": lambda key: "".join(f"={ord(one):02X}" for one in key),
    "as JSON escapes": lambda key: "".join(f"\\u{ord(one):04x}" for one in key),
    "as JSON escapes inside a string of JSON": lambda key: json.dumps("".join(f"\\u{ord(one):04X}" for one in key)),
    "with slashes escaped": lambda key: key.replace("-", "\\-").replace("/", "\\/"),
    "as escapes of C": lambda key: "".join(f"\\x{ord(one):02x}" for one in key),
    "as octal escapes of C": lambda key: "".join(f"\\{ord(one):03o}" for one in key),
    "as bytes of C": lambda key: ", ".join(f"0x{ord(one):02x}" for one in key),
    "as bytes of JavaScript": lambda key: json.dumps(list(key.encode())),
    "as bytes of Go": lambda key: f"[{' '.join(str(ord(one)) for one in key)}]",
    "as decimal entities": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "as hexadecimal entities": lambda key: "".join(f"&#x{ord(one):X};" for one in key),
    "as entities of entities": lambda key: "".join(f"&amp;#{ord(one)};" for one in key),
    "in hexadecimal digits": lambda key: key.encode().hex(),
    "in groups of hexadecimal digits": lambda key: key.encode().hex(":").upper(),
    "full width": lambda key: "".join(chr(ord(one) + 0xFEE0) for one in key),
    "with spaces": " ".join,
    "with zero-width spaces": "\u200b".join,
    "with variation selectors": "\ufe0f".join,
    "with soft hyphens": "\u00ad".join,
    "in lines of four": lambda key: "\r\n".join(key[i : i + 4] for i in range(0, len(key), 4)),
    "in lines of four, escaped": lambda key: "\\n".join(key[i : i + 4] for i in range(0, len(key), 4)),
    "with dots": ".".join,
    "in quoted pieces": lambda key: '" + "'.join(key[i : i + 3] for i in range(0, len(key), 3)),
    "in base64": base64_of,
    "in base64 of a header": lambda key: base64_of(key, "Bearer "),
    "in base64 of a login": lambda key: base64_of(key, "user:"),
    "in base64 of a name": lambda key: base64_of(key, "x"),
    "in base64 for addresses": lambda key: base64_of(key).replace("+", "-").replace("/", "_").rstrip("="),
    "in base64, escaped": lambda key: quote(base64_of(key), safe=""),
    "in lines of base64": lambda key: "\n".join(base64_of(key)[i : i + 5] for i in range(0, len(base64_of(key)), 5)),
}
#: Of these, letters and digits are found, but not the signs at either end.
_LETTERS_ALONE = {
    "with variation selectors",
    "with dots",
    "in quoted pieces",
    "as bytes of C",
    "as bytes of JavaScript",
}
KEYS = st.text(string.ascii_letters + string.digits + "-_", min_size=24, max_size=120).filter(
    lambda key: key[0].isalnum() and key[-1].isalnum() and sum(map(str.isalnum, key)) >= 16
)


def numbered(code: re.Match[str]) -> str:
    """The character of a number in hexadecimal or octal digits; as it stands where it is none."""
    try:
        return chr(int(code[1], 16) if code[1] else int(code[2], 8))
    except ValueError:
        return code[0]


def left_of(key: str, shown: str) -> str:
    """As much of the key as its longest piece in `shown`, read like somebody who tries everything."""
    readings = {shown, "".join(shown.split()), "".join(filter(str.isalnum, shown))}
    for _ in range(3):
        readings |= {unescape(unquote(reading)) for reading in readings}
        readings |= {re.sub(r"\\+(?:u00|x)(..)|=(..)", lambda m: f"%{m[1] or m[2]}", reading) for reading in readings}
        readings |= {re.sub(r"(?:0x(..)\W*)|\\([01]\d\d)", numbered, reading) for reading in readings}
        readings |= {re.sub(r"\b(\d{2,3})\b[\s,\])]*", lambda m: chr(int(m[1])), reading) for reading in readings}
    for reading in tuple(readings):
        for digits in re.findall("[0-9A-Fa-f]{16,}", reading.replace(":", "")):
            readings |= {bytes.fromhex(digits[i : i + len(digits[i:]) // 2 * 2]).decode("latin-1") for i in (0, 1)}
        for letters in re.findall("[A-Za-z0-9+/]{10,}", reading.translate(str.maketrans("-_", "+/"))):
            for i in range(4):
                whole = letters[i : i + len(letters[i:]) // 4 * 4]
                readings.add(base64.b64decode(whole).decode("latin-1"))
    found = {one.lower() for one in readings} | {one.lower()[::-1] for one in readings}
    pieces = (key[i:j].lower() for i in range(len(key)) for j in range(i + 8, len(key) + 1))
    return max((piece for piece in pieces if any(piece in one for one in found)), key=len, default="")


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=20)
@given(key=KEYS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_spelling_of_a_key_survives(spelling: str, key: str, before: str, after: str) -> None:
    """However the whole key is spelled, no eight characters of it can be read from what is shown."""
    shown = clean(f"{before} {SPELLINGS[spelling](key)} {after}", Secret(key))

    assert MASK in shown
    assert left_of(key, shown) == ""
    assert left_of(key, identifier(f"{before} {SPELLINGS[spelling](key)} {after}", Secret(key)) or "") == ""


@pytest.mark.parametrize("spelling", sorted(SPELLINGS.keys() - _LETTERS_ALONE))
@settings(deadline=None, max_examples=20)
@given(key=KEYS, start=st.integers(0, 16), length=st.integers(8, 60))
def test_no_spelling_of_a_piece_survives(spelling: str, key: str, start: int, length: int) -> None:
    """The same for every piece of eight characters or more."""
    shown = clean(f"so: {SPELLINGS[spelling](key[start : start + length])}!", Secret(key))

    assert left_of(key, shown) == ""


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
    assert identifier(header, Secret(KEY)) == shown
