r"""Where a text spells a secret, or a piece of it, in any spelling that a program may have put it into.

The text is read in several ways, each of which remembers where in the text its characters stood:

- as it stands, without white space, and as letters and digits alone (`s-k-p-r`, quoted, wrapped, dotted);
- each of these after undoing `%73`, `=73`, `\x73`, `\163`, `\u0073`, `\/`, `0x73`, `[115, …]`, `&#115;`, `&amp;` and
  full-width letters, and again, up to three times, because what is quoted is quoted again.

In each of them pieces of the secret are looked for, in upper and lower case, backwards, as hexadecimal digits, and in
base64 at any of its three alignments, so that `base64("user:secret")` is found too.
"""

import base64
import re
import string
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape

#: A piece of the secret is this long; shorter ones are no secret.
PIECE = 8
#: As many characters of base64 are certain to depend on nothing but a piece.
_BASE64_PIECE = 10
#: A secret that is shorter cannot be told from words.
_SHORTEST = 4
_ROUNDS = 3

_ESCAPED = re.compile(
    r"[%=]([0-9A-Fa-f]{2})|\\{1,8}x([0-9A-Fa-f]{2})|\\{1,8}u\{?([0-9A-Fa-f]{4})\}?|\\{1,8}([^0-9A-Za-z\\]|[nrt]|$)"
    r"|(&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,12});?)"
    r"|\\{1,8}([01][0-7]{2})|\b0x([0-9A-Fa-f]{2})\b"
    # How Go, JavaScript and Python print bytes: the numbers of printable characters, apart from each other.
    r"|(?<=[\s,\[(])(3[3-9]|[4-9]\d|1[01]\d|12[0-6])(?=[\s,\])])"
)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A text read in one way."""

    text: str
    starts: Sequence[int]
    """Where in the text each character begins."""
    ends: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """What is looked for; all of one set have one length, and an empty one has none."""

    plain: frozenset[str]
    bare: frozenset[str]
    hexadecimal: frozenset[str]
    base64: frozenset[str]


def find_secret(secret: str, text: str) -> list[tuple[int, int]]:
    """Where `text` spells `secret` or a piece of eight characters of it: from and to, in order, apart from each other.

    A secret of four to seven characters is found whole and as it stands; a shorter one is not looked for. The time
    grows with the length of the text.
    """
    if len(secret) < _SHORTEST:
        return []
    if len(secret) < PIECE:
        return [(found.start(), found.end()) for found in re.finditer(f"(?:{re.escape(secret)})+", text)]
    pieces = _pieces(secret)
    return _merged(sorted(place for reading in _readings(text) for place in _found(reading, pieces)))


def _pieces(secret: str) -> _Pieces:
    lower = secret.translate(_LOWER)
    bare = _letters(lower)
    both_ways = _runs(lower, PIECE) | _runs(lower[::-1], PIECE)
    return _Pieces(
        plain=both_ways,
        bare=_runs(bare, PIECE) | _runs(bare[::-1], PIECE),
        hexadecimal=_runs(secret.encode().hex(), 2 * PIECE),
        base64=frozenset().union(*(_runs(_base64(secret, shift), _BASE64_PIECE) for shift in range(3))),
    )


def _base64(secret: str, shift: int) -> str:
    """The part of the base64 of `secret` after `shift` other bytes that depends on the secret alone."""
    encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
    return encoded[-(-8 * shift // 6) : (8 * (shift + len(secret.encode()))) // 6]


def _runs(text: str, size: int) -> frozenset[str]:
    return frozenset(text[i : i + size] for i in range(len(text) - size + 1))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _readings(text: str) -> Iterator[_Reading]:
    reading = _Reading(text=text, starts=range(len(text)), ends=range(1, len(text) + 1))
    for _ in range(_ROUNDS + 1):
        yield reading
        undone = _undone(reading)
        if undone.text == reading.text:
            return
        reading = undone


def _undone(reading: _Reading) -> _Reading:
    """The same with one layer of escapes undone."""
    if reading.text.isascii() and not _ESCAPED.search(reading.text):
        return reading
    characters: list[tuple[str, int, int]] = []
    at = 0
    for escape in _ESCAPED.finditer(reading.text):
        characters += _straight(reading, at, escape.start())
        at = escape.end()
        start, end = reading.starts[escape.start()], reading.ends[at - 1]
        characters += [(character, start, end) for character in _meant(escape)]
    characters += _straight(reading, at, len(reading.text))
    return _reading(characters)


def _straight(reading: _Reading, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    for i in range(start, end):
        character = reading.text[i]
        for letter in character if character.isascii() else unicodedata.normalize("NFKC", character):
            yield letter, reading.starts[i], reading.ends[i]


def _meant(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3] or escape[7]
    if code:
        return chr(int(code, 16))
    if escape[6] or escape[8]:
        return chr(int(escape[6], 8) if escape[6] else int(escape[8]))
    if escape[5]:
        return unescape(escape[5])
    return " " if escape[4] in {"n", "r", "t"} else escape[4]


def _reading(characters: Sequence[tuple[str, int, int]]) -> _Reading:
    return _Reading(
        text="".join(character for character, _, _ in characters),
        starts=[start for _, start, _ in characters],
        ends=[end for _, _, end in characters],
    )


def _found(reading: _Reading, pieces: _Pieces) -> Iterator[tuple[int, int]]:
    tight, bare = _only(reading, lambda one: not one.isspace()), _only(reading, str.isalnum)
    yield from _places(reading, reading.text.translate(_LOWER), pieces.plain)
    yield from _places(tight, tight.text.translate(_LOWER), pieces.plain)
    yield from _places(tight, tight.text.translate(_URL_SAFE), pieces.base64)
    yield from _places(bare, bare.text.translate(_LOWER), pieces.bare)
    yield from _places(bare, bare.text.translate(_LOWER), pieces.hexadecimal)


def _only(reading: _Reading, wanted: Callable[[str], bool]) -> _Reading:
    kept = [i for i, character in enumerate(reading.text) if wanted(character)]
    return _Reading(
        text="".join(reading.text[i] for i in kept),
        starts=[reading.starts[i] for i in kept],
        ends=[reading.ends[i] for i in kept],
    )


def _places(reading: _Reading, text: str, pieces: frozenset[str]) -> Iterator[tuple[int, int]]:
    size = len(next(iter(pieces), ""))
    for i in range(len(text) - size + 1 if size else 0):
        if text[i : i + size] in pieces:
            yield reading.starts[i], reading.ends[i + size - 1]


def _merged(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in places:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
