"""Text from a provider is hostile: keys are cut out of it, control characters removed, its length bounded."""

import re
import unicodedata
from collections.abc import Iterator

from probes.target import Secret

MASK = "***"
_CHUNK = 8
_LOOKED_AT = 4_000
_LOOKS_LIKE_A_KEY = re.compile(r"(?i:bearer\s+)[\w.~+/=-]{6,}|\b(?:sk|pk|xai|gsk|xox[a-z])[-_][\w-]{6,}|AIza[\w-]{6,}")
_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9._:/+=-]")


def clean(text: str, key: Secret | None = None, *, limit: int = 500) -> str:
    """`text` on one line, at most `limit` characters, without control or invisible characters and without keys.

    Cut out as `***` are the key, every piece of it of eight characters or more, and all that looks like a key.
    """
    line = " ".join("".join(_visible(text[:_LOOKED_AT])).split())
    line = _LOOKS_LIKE_A_KEY.sub(MASK, _without(key.reveal(), line) if key else line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def identifier(text: str, key: Secret | None = None) -> str | None:
    """A request id as far as it is one: at most 128 plain characters; None when nothing is left."""
    return clean(_NO_IDENTIFIER.sub("", text[:1000]), key, limit=128).rstrip("…") or None


def _visible(text: str) -> Iterator[str]:
    """Categories: Cc control, Cf invisible, Cs surrogate, Co private, Cn unassigned, Zl and Zp line ends."""
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\r\n" or category in {"Zl", "Zp"}:
            yield " "
        elif not category.startswith("C"):
            yield character


def _without(key: str, line: str) -> str:
    """Masks every run of `line` that is covered by pieces of the key."""
    size = min(_CHUNK, len(key))
    if size < 4:  # too short to be told from words
        return line
    pieces = {key[i : i + size] for i in range(len(key) - size + 1)}
    parts: list[str] = []
    shown_from = masked_to = 0
    for i in range(len(line) - size + 1):
        if line[i : i + size] in pieces:
            if i > masked_to or not parts:
                parts += [line[shown_from:i], MASK]
            shown_from = masked_to = i + size
    return "".join([*parts, line[shown_from:]])
