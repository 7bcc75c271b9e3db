"""Slack's blocks and its markup: text from outside made harmless, and pieces that are inside Slack's limits (pure)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Any

from probes.redaction import one_line

Block = dict[str, Any]

NAME_CHARS = 80

# Slack would read these as bold, strike-through and code. There is no escape for them, so they give way to lookalikes.
_LOOKALIKES = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
_ITALIC = re.compile(r"(?<!\w)_|_(?!\w)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, as `chat.postMessage` takes it."""

    text: str
    """For notifications and for clients that show no blocks."""
    blocks: tuple[Block, ...]


def header(text: str) -> Block:
    """The first line; it holds no markup, and at most the 150 characters that Slack takes."""
    return {"type": "header", "text": {"type": "plain_text", "text": one_line(text, 150), "emoji": False}}


def section(lines: Iterable[str], limit: int = 2_900) -> Block:
    """Lines of markup, which are safe already; those past the limit (Slack's is 3,000) are left out, which is said."""
    shown = list(lines)
    fit = sum(end <= limit for end in accumulate(len(line) + 1 for line in shown))
    if fit < len(shown):
        shown[fit:] = [f"… {len(shown) - fit} more …"]
    return {"type": "section", "text": _mrkdwn("\n".join(shown))}


def footer(text: str) -> Block:
    """A small line at the end, of markup that is safe already."""
    return {"type": "context", "elements": [_mrkdwn(text)]}


def first_lines(lines: Sequence[str], most: int, rest: str) -> list[str]:
    """At most so many of the lines, and how many more there are: `… and 3 more routes`."""
    more = [f"… and {len(lines) - most} more{rest}"] if len(lines) > most else []
    return [*lines[:most], *more]


def plain_name(text: str) -> str:
    """A name from outside as plain text, for where no markup is read."""
    return one_line(text, NAME_CHARS)


def safe(text: str, limit: int = 280) -> str:
    """Text from outside for a mrkdwn object: clean, disarmed, escaped, and at most `limit` characters after that."""
    escaped = [escape(c, quote=False) for c in _ITALIC.sub("ˍ", one_line(text, limit).translate(_LOOKALIKES))]
    if sum(map(len, escaped)) <= limit:
        return "".join(escaped)
    while sum(map(len, escaped)) >= limit:
        escaped.pop()
    return "".join(escaped) + "…"


def code_span(text: str) -> str:
    """A name from outside as Slack shows code."""
    return f"`{safe(text, NAME_CHARS)}`"


def _mrkdwn(text: str) -> Block:
    # verbatim: addresses, #channels and @names in the text stay text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
