"""Text from a provider is hostile: keys are cut out of it, control characters removed, its length bounded."""

import re
import unicodedata
from collections.abc import Iterator

from probes.disguise import find_secret
from probes.target import Secret

MASK = "***"
_LOOKED_AT = 4_000
_LOOKS_LIKE_A_KEY = re.compile(
    r"(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}"  # an Authorization header
    r"|\b(?:sk|pk|xai|gsk|xox[a-z])[-_][\w-]{6,}"
    r"|\b(?:rk|csk|pplx|nvapi|glpat|tgp|fw|hf|r8|gh[a-z])[-_](?=[\w-]{0,63}\d)[\w-]{16,}"
    r"|AIza[\w-]{6,}|\bAQ\.[\w-]{20,}|\bya29\.[\w.-]{6,}|\b1//0[\w-]{20,}"  # Google: API keys, OAuth
    r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{8,}|\bABSK[\w+/=]{16,}|\bbedrock-api-key-[\w+/=-]{6,}"  # AWS
    r"|\beyJ[\w-]{8,}(?:\.[\w-]*)*"  # JSON web tokens
)
#: What stands beside the word that calls it a key: in an address, in a signature, in a sentence. Thirty-two hexadecimal
#: digits alone are no key: most request ids look like that.
_IS_CALLED_A_KEY = re.compile(
    r"(?i)((?:[?&;]|\b)(?:key|api[-_]?key|access[-_]?token|token|sig|x-amz-(?:signature|credential|security-token))="
    r"|\b(?:signature|credential)="
    r"|\b(?:key|token|secret|password)\b[^\w?&]{1,3}(?:(?:provided|is)\W{1,3})?"
    r"(?=[\w+/-]{16})(?=(?:[a-z_+/-]{0,40}\d){3}))[\w.~+/%-]+=*"
)
_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9._:/+=*-]")


def clean(text: str, key: Secret | None = None, *, limit: int = 500) -> str:
    """`text` on one line, at most `limit` characters, without control or invisible characters and without keys.

    Cut out as `***` are the key, every piece of it of eight characters or more, whichever way they are spelled
    (`probes.disguise`), and all that looks like a key. Pieces that are shorter stay: providers show the first and the
    last few characters of a key so that one knows which it is.
    """
    line = _masked(" ".join("".join(_visible(text[:_LOOKED_AT])).split()), key)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def identifier(text: str, key: Secret | None = None) -> str | None:
    """A request id as far as it is one: at most 127 plain characters; None when nothing is left."""
    plain = _NO_IDENTIFIER.sub("", clean(text[:1000], key, limit=1000))
    return _masked(plain, key)[:127] or None


def hidden(text: str, key: Secret | None = None) -> list[tuple[int, int]]:
    """Where `text`, of any length, holds what `clean` cuts out: from and to, in any order."""
    places = find_secret(key.reveal(), text) if key else []
    places += [found.span() for found in _LOOKS_LIKE_A_KEY.finditer(text)]
    return places + [(found.end(1), found.end()) for found in _IS_CALLED_A_KEY.finditer(text)]


def _masked(line: str, key: Secret | None) -> str:
    line = _without(key.reveal(), line) if key else line
    return _IS_CALLED_A_KEY.sub(rf"\1{MASK}", _LOOKS_LIKE_A_KEY.sub(MASK, line))


def _visible(text: str) -> Iterator[str]:
    """Categories: Cc control, Cf invisible, Cs surrogate, Co private, Cn unassigned, Zl and Zp line ends."""
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\r\n" or category in {"Zl", "Zp"}:
            yield " "
        elif not category.startswith("C"):
            yield character


def _without(key: str, line: str) -> str:
    """Masks every stretch of `line` that spells pieces of the key."""
    parts: list[str] = []
    shown_from = 0
    for start, end in find_secret(key, line):
        parts += [line[shown_from:start], MASK]
        shown_from = end
    return "".join([*parts, line[shown_from:]])


def one_line(text: str, limit: int) -> str:
    """Text from outside as one line without control, format and surrogate characters, at most `limit` long."""
    visible = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text[: limit * 4])
    line = " ".join(visible.split())
    return line if len(line) <= limit and len(text) <= limit * 4 else line[: limit - 1].rstrip() + "…"
