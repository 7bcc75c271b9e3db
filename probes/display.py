"""Provider text as people may see it whole: line for line, without keys, and unable to drive a terminal."""

import unicodedata
from collections.abc import Iterator
from typing import Final

from probes.redaction import MASK, hidden
from probes.target import Secret

#: Room for the words that say how much is left out.
_MARK: Final = 40


def shown(text: str, key: Secret | None = None, *, limit: int = 64_000) -> str:
    r"""At most `limit` characters: the beginning and the end of a longer text, and how much is left out.

    Keys are masked as in `redaction.clean`, in whatever spelling; characters that are invisible or drive a terminal
    are spelled out: `\x1b`, `\u202e`. Line ends become newlines.
    """
    return _cut(_disarmed(_cut(text, limit), key), limit)  # spelled out, it may be longer again


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    last = (limit - _MARK) // 4
    first = limit - _MARK - last
    return f"{text[:first]}\n… {len(text) - first - last:,} more characters …\n{text[-last:]}"


def _disarmed(text: str, key: Secret | None) -> str:
    text = text.replace("\r\n", "\n")
    parts: list[str] = []
    reached = 0
    for start, end in _hidden(text, key):
        if start > reached or not parts:  # what touches is one
            parts += ["".join(_harmless(text[reached:start])), MASK]
        reached = end
    return "".join([*parts, *_harmless(text[reached:])])


def _hidden(text: str, key: Secret | None) -> Iterator[tuple[int, int]]:
    """The stretches of `text` that no one may see; what is invisible does not interrupt a key."""
    places = [place for place, letter in enumerate(text) if letter in "\n\t\r" or not _invisible(letter)]
    reached = 0
    for start, end in sorted(hidden("".join(text[place] for place in places), key)):
        if end > reached:
            yield places[max(start, reached)], places[end - 1] + 1
            reached = end


def _harmless(text: str) -> Iterator[str]:
    for letter in text:
        spelled = letter not in "\n\t" and (_invisible(letter) or letter in "\u2028\u2029")
        yield letter.encode("unicode_escape").decode() if spelled else letter


def _invisible(letter: str) -> bool:
    """Control, format, surrogate, private and unassigned characters."""
    if letter.isascii():
        return not letter.isprintable()
    return unicodedata.category(letter)[0] == "C"
