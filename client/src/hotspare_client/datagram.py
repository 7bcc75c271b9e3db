"""The wire format of reports, `hotspare.traffic/1`: counts of requests to datagrams of at most 1,400 bytes.

A datagram is `hotspare.traffic/1 <mac>`, a line feed, and one JSON object in UTF-8. The mac is `-`, or where a key is
set the first 32 hex digits of HMAC-SHA256 over the bytes after the line feed. The object:

- `host`: the sender's machine, for people; `sender`: its process, 16 hex digits drawn at its start
- `seq`: rises by one with each datagram of a sender; `at`: its clock, seconds of the epoch, within 30 s of the
  receiver's where there is a key
- `span_ms`: how long the time was in which these requests ended; it ended when this was sent
- `rows`: lists of target (`provider/model`), route, tag, counts by outcome, buckets of durations, buckets of the time
  to the first token, input tokens, output tokens. Bucket i counts times up to (21/19)^i seconds, of `ok` and `slow`
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

FORMAT: Final = "hotspare.traffic/1"
MOST_BYTES: Final = 1_400
MAC_DIGITS: Final = 32
#: Different tags of a process; the rest is `other`.
MOST_TAGS: Final = 20
_MOST_TAG: Final = 40
_OTHER: Final = "other"
#: Different outcomes of a row, which has to fit into a datagram; Hotspare has fewer words.
_MOST_OUTCOMES: Final = 20
_OUTCOME: Final = re.compile("[a-z_]{1,40}")
#: Of one row; a receiver takes no more.
_MOST_TOKENS: Final = 10**12
_ANSWERED: Final = frozenset({"ok", "slow"})
_LOG_GROWTH: Final = math.log(21 / 19)
_SHORTEST_S, _LONGEST_S = 1e-6, 1e6

Counts = dict[int, int]
Row = list[object]


#: One request that has ended: target, outcome, seconds, those to the first token, input, output tokens, route, tag.
#: They are as an application gave them: what has a wrong type counts as nothing.
Ended = tuple[Any, Any, Any, Any, Any, Any, Any, Any]


class Sender(NamedTuple):
    """Who reports."""

    host: str
    sender: str
    key: bytes | None


class _Sum:
    """What the requests of one target, route and tag come to."""

    __slots__ = ("duration", "first_token", "input_tokens", "outcomes", "output_tokens")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.duration: Counts = {}
        self.first_token: Counts = {}
        self.input_tokens = self.output_tokens = 0

    def add(self, ended: Ended) -> None:
        _, outcome, duration_s, first_token_s, input_tokens, output_tokens, _, _ = ended
        if outcome in self.outcomes or len(self.outcomes) < _MOST_OUTCOMES:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if outcome in _ANSWERED:
            _count(self.duration, duration_s)
            _count(self.first_token, first_token_s)
        self.input_tokens = min(_MOST_TOKENS, self.input_tokens + _tokens(input_tokens))
        self.output_tokens = min(_MOST_TOKENS, self.output_tokens + _tokens(output_tokens))


def rows(ended: Iterable[Ended], tags: set[str]) -> list[Row]:
    """The rows of these requests; `tags` are those that were used before, and are added to.

    Without the requests whose target or outcome cannot be one.
    """
    sums: dict[tuple[str, str, str], _Sum] = {}
    for each in ended:
        if not (isinstance(each[0], str) and isinstance(each[1], str) and each[0] and _OUTCOME.fullmatch(each[1])):
            continue
        key = each[0], each[6] if isinstance(each[6], str) else "", known_tag(each[7], tags)
        if key not in sums:
            sums[key] = _Sum()
        sums[key].add(each)
    return [
        [*key, each.outcomes, each.duration, each.first_token, each.input_tokens, each.output_tokens]
        for key, each in sums.items()
    ]


def known_tag(tag: object, tags: set[str]) -> str:
    """The tag as it is sent: shortened, or `other` where there are too many."""
    if not isinstance(tag, str) or not tag:
        return ""
    tag = "".join(letter for letter in tag[:_MOST_TAG] if letter.isprintable()) or _OTHER
    if tag not in tags and len(tags) < MOST_TAGS:
        tags.add(tag)
    return tag if tag in tags else _OTHER


def datagrams(sender: Sender, every: Iterable[Row], *, first: int, at: float, span_s: float) -> Iterator[bytes]:
    """The datagrams that hold these rows, numbered from `first` on; a row that fits into none is left out."""
    span_ms, number = max(1, round(span_s * 1000)), first
    waiting: list[str] = []
    frame = len(_datagram(sender, "", number, at, span_ms)) + 24  # the numbers may grow
    used = frame
    for row in every:
        text = _fitting(row, MOST_BYTES - frame)
        size = len(_encoded(text)) + 1
        if waiting and used + size > MOST_BYTES:
            yield _datagram(sender, ",".join(waiting), number, at, span_ms)
            waiting, used, number = [], frame, number + 1
        if text:
            waiting.append(text)
            used += size
    if waiting:
        yield _datagram(sender, ",".join(waiting), number, at, span_ms)


def mac(key: bytes, body: bytes) -> str:
    """The signature of a body."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()[:MAC_DIGITS]


def _datagram(sender: Sender, inner: str, number: int, at: float, span_ms: int) -> bytes:
    head = _json({"host": sender.host, "sender": sender.sender, "seq": number, "at": round(at, 3), "span_ms": span_ms})
    body = _encoded(f'{head[:-1]},"rows":[{inner}]}}')
    return f"{FORMAT} {mac(sender.key, body) if sender.key else '-'}\n".encode() + body


def _fitting(row: Row, most: int) -> str:
    """The row as text; with coarser and coarser buckets, then without any, until it fits; empty where it never does."""
    for merged in (1, 2, 4, 16):
        duration, first_token = (_merged(each, merged) for each in (row[4], row[5]))
        text = _json([*row[:4], duration, first_token, *row[6:]])
        if len(_encoded(text)) < most:
            return text
    text = _json([*row[:4], {}, {}, *row[6:]])
    return text if len(_encoded(text)) < most else ""


def _merged(counts: object, width: int) -> Counts:
    merged: Counts = {}
    for bucket, count in counts.items() if isinstance(counts, dict) else ():
        end = -(-bucket // width) * width
        merged[end] = merged.get(end, 0) + count
    return merged


def _count(counts: Counts, seconds: object) -> None:
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds == seconds:  # noqa: PLR0124 - NaN
        bucket = math.ceil(math.log(min(max(seconds, _SHORTEST_S), _LONGEST_S)) / _LOG_GROWTH)
        counts[bucket] = counts.get(bucket, 0) + 1


def _tokens(value: object) -> int:
    is_whole = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
    return min(_MOST_TOKENS, int(value)) if is_whole else 0  # type: ignore[call-overload]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _encoded(text: str) -> bytes:
    # Half a surrogate pair is written as JSON escapes it.
    return text.encode("utf-8", "backslashreplace")
