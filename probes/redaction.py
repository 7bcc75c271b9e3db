r"""Makes text from outside fit to be shown: masks keys, removes or spells out invisible characters, bounds the length.

The key is found as it stands, percent-encoded (`%2B`), escaped as in JSON (`\u002b`, `\/`) and in base64, whole or in
pieces of eight characters: the forms in which it leaks by accident, as when an error quotes the request.
"""

import base64
import re
import string
import unicodedata
from collections.abc import Container, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

from probes.target import Secret

MASK: Final = "***"
_LONGEST_INPUT: Final = 4_000
#: Room for the sentence that says how much is left out.
_LONGEST_GAP: Final = 40
#: A shorter piece of a key is no secret: providers show its first and last characters, to tell keys apart.
_PIECE: Final = 8
#: This many characters of base64 depend on eight characters of the key alone.
_BASE64_PIECE: Final = 10
#: In a longer text it pays to take the key to pieces first.
_SHORT_TEXT: Final = 500
#: A shorter key cannot be told from words.
_SHORTEST_KEY: Final = 4
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_STANDARD_BASE64: Final = str.maketrans("-_", "+/")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\([\"\\/])")
_LOOKS_LIKE_A_KEY: Final = re.compile(
    r"(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}"  # an Authorization header
    r"|\b(?:sk|pk|xai|gsk|xox[a-z])[-_][\w-]{6,}"
    r"|\b(?:rk|csk|pplx|nvapi|glpat|tgp|fw|hf|r8|gh[a-z])[-_](?=[\w-]{0,63}\d)[\w-]{16,}"
    r"|AIza[\w-]{6,}|\bAQ\.[\w-]{20,}|\bya29\.[\w.-]{6,}|\b1//0[\w-]{20,}"  # Google: API keys, OAuth
    r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{8,}|\bABSK[\w+/=]{16,}|\bbedrock-api-key-[\w+/=-]{6,}"  # AWS
    r"|\beyJ[\w-]{8,}(?:\.[\w-]*)*"  # JSON web tokens
)
#: A value beside the word that calls it a key: in an address, in a signature, in a sentence. Thirty-two hexadecimal
#: digits alone are no key: most request ids look like that.
_IS_CALLED_A_KEY: Final = re.compile(
    r"(?i)((?:[?&;]|\b)(?:key|api[-_]?key|access[-_]?token|token|sig|x-amz-(?:signature|credential|security-token))="
    r"|\b(?:signature|credential)="
    r"|\b(?:key|token|secret|password)\b[^\w?&]{1,3}(?:(?:provided|is)\W{1,3})?"
    r"(?=[\w+/-]{16})(?=(?:[a-z_+/-]{0,40}\d){3}))[\w.~+/%-]+=*"
)
_NO_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9._:/+=*-]")


def clean(text: str, key: Secret | None = None, *, limit: int = 500) -> str:
    """`text` on one line of at most `limit` characters, without invisible characters and with keys as `***`.

    Masked are `key`, every piece of it of eight characters or more, and whatever looks like a key.
    """
    if not text:
        return ""
    line = text[:_LONGEST_INPUT]
    if not (line.isascii() and line.isprintable()):
        line = "".join(_visible(line))
    line = _mask(" ".join(line.split()), key)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def clean_block(text: str, key: Secret | None = None, *, limit: int = 64_000) -> str:
    r"""`text` with its line ends as newlines, masked as by `clean`, in at most `limit` characters.

    Characters that are invisible or drive a terminal are spelled out: `\x1b`, `\u202e`. Of a longer text the beginning
    and the end are shown, and how much is left out.
    """
    masked = _mask(_shorten(text, limit).replace("\r\n", "\n"), key)
    return _shorten("".join(_spell_out(masked)), limit)  # spelled out, it may be too long again


def clean_identifier(text: str, key: Secret | None = None) -> str | None:
    """A request id: at most 127 plain characters, masked as by `clean`; None when nothing is left."""
    plain = _NO_IDENTIFIER.sub("", clean(text[:1000], key, limit=1000))
    # Where nothing was taken out, no other key has come about.
    return (plain if plain == text else _mask(plain, key))[:127] or None


def one_line(text: str, limit: int) -> str:
    """`text` on one line of at most `limit` characters, without control, format and surrogate characters; unmasked."""
    visible = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text[: limit * 4])
    line = " ".join(visible.split())
    return line if len(line) <= limit and len(text) <= limit * 4 else line[: limit - 1].rstrip() + "…"


def find_secret(secret: str, text: str) -> list[tuple[int, int]]:
    """Where `text` holds `secret` or eight characters of it: start and end of each place, in any order.

    A secret of four to seven characters is found whole and as it stands; a shorter one is not looked for. The time
    grows with the length of the text.
    """
    if len(secret) < _SHORTEST_KEY:
        return []
    if len(secret) < _PIECE:
        return [match.span() for match in re.finditer(f"(?:{re.escape(secret)})+", text)]
    lower, in_base64 = secret.translate(_LOWER), "\0".join(_base64(secret, before) for before in range(3))
    plain: Container[str] = lower
    encoded: Container[str] = in_base64
    if len(text) > _SHORT_TEXT:
        plain, encoded = _pieces(lower, _PIECE), _pieces(in_base64, _BASE64_PIECE)
    unescaped, starts = _unescape(text)
    spans = [(starts[start], starts[end]) for start, end in _find_pieces(unescaped, plain, encoded)]
    if unescaped != text:
        spans += _find_pieces(text, plain, encoded)
    return spans


def _mask(text: str, key: Secret | None) -> str:
    if spans := find_secret(key.reveal(), text) if key else ():
        hidden = bytearray(len(text))
        for start, end in spans:
            hidden[start:end] = b"\1" * (end - start)
        runs = groupby(zip(hidden, text, strict=True), key=itemgetter(0))
        text = "".join(MASK if secret else "".join(character for _, character in run) for secret, run in runs)
    return _IS_CALLED_A_KEY.sub(rf"\1{MASK}", _LOOKS_LIKE_A_KEY.sub(MASK, text))


def _pieces(text: str, size: int) -> frozenset[str]:
    return frozenset(text[start : start + size] for start in range(len(text) - size + 1))


def _base64(secret: str, before: int) -> str:
    """The part of the base64 of `secret` behind `before` other bytes that depends on the secret alone."""
    encoded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
    return encoded[-(-8 * before // 6) : (8 * (before + len(secret.encode()))) // 6]


def _unescape(text: str) -> tuple[str, list[int]]:
    """`text` with one layer of escapes undone, and where in `text` each of its characters starts; the end included."""
    characters: list[str] = []
    starts: list[int] = []
    copied = 0
    for escape in _ESCAPE.finditer(text):
        code = escape[1] or escape[2]
        characters += [*text[copied : escape.start()], chr(int(code, 16)) if code else escape[3]]
        starts += range(copied, escape.start() + 1)
        copied = escape.end()
    return "".join([*characters, text[copied:]]), [*starts, *range(copied, len(text) + 1)]


def _find_pieces(text: str, plain: Container[str], encoded: Container[str]) -> Iterator[tuple[int, int]]:
    for pieces, size, normal in (
        (plain, _PIECE, text.translate(_LOWER)),
        (encoded, _BASE64_PIECE, text.translate(_STANDARD_BASE64)),
    ):
        for start in range(len(normal) - size + 1):
            if normal[start : start + size] in pieces:
                yield start, start + size


def _visible(text: str) -> Iterator[str]:
    """Categories: Cc control, Cf invisible, Cs surrogate, Co private, Cn unassigned, Zl and Zp line ends."""
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\r\n" or category in {"Zl", "Zp"}:
            yield " "
        elif not category.startswith("C"):
            yield character


def _spell_out(text: str) -> Iterator[str]:
    for character in text:
        harmful = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        yield character.encode("unicode_escape").decode() if harmful and character not in "\n\t" else character


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    last = (limit - _LONGEST_GAP) // 4
    first = limit - _LONGEST_GAP - last
    return f"{text[:first]}\n… {len(text) - first - last:,} more characters …\n{text[-last:]}"
