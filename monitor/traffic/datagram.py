"""Datagrams of `hotspare_client` to counts; of one that is wrong nothing is used, and what is wrong is said (pure).

The format is described in `hotspare_client.datagram`.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from monitor.history.histogram import Histogram
from monitor.traffic.request_counts import RequestCounts
from probes.outcome import Outcome
from probes.redaction import one_line

FORMAT: Final = "hotspare.traffic/1"
MOST_BYTES: Final = 1_400
#: A signed report is this young or old at the most, by the sender's clock.
WINDOW_S: Final = 30.0
_MAC_DIGITS: Final = 32
_SENDER_CHARS: Final = 64
_NAME_CHARS: Final = 200
#: One process sends no more in one datagram.
_MOST_ROWS: Final = 64
_MOST_REQUESTS: Final = 10_000_000
_MOST_TOKENS: Final = 10**12
_LONGEST_SPAN_S: Final = 60.0
_BUCKETS: Final = range(-200, 201)
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


class DatagramError(Exception):
    """A datagram that is not used; the message is the kind of mistake, of which there are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """What one datagram says."""

    host: str
    sender: str
    number: int
    at_s: float
    """By the sender's clock, seconds of the epoch."""
    counts: tuple[RequestCounts, ...]
    unknown: int
    """Rows of targets that are not configured."""


def decode(data: bytes, *, key: bytes | None, now: datetime, source: str, targets: Mapping[str, str]) -> Datagram:
    """The report in a datagram that came `now` from `source`; raises DatagramError where it is none.

    `targets` are those that are configured, each with itself, and `source` is what counts as the host.
    """
    if len(data) > MOST_BYTES:
        raise DatagramError("longer than 1,400 bytes")
    head, _, body = data.partition(b"\n")
    form, _, mac = head.partition(b" ")
    if form != FORMAT.encode():
        raise DatagramError("of another format")
    if key is not None and not hmac.compare_digest(_mac(key, body), mac):
        raise DatagramError("with a wrong signature")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise DatagramError("without JSON") from None
    if not isinstance(document, dict):
        raise DatagramError("without JSON")
    sender, number, at_s = _sender(document)
    if key is not None and not abs(at_s - now.timestamp()) <= WINDOW_S:
        raise DatagramError("from another time: a clock is off by more than 30 s")
    span_s = min(_LONGEST_SPAN_S, _whole(document.get("span_ms"), 1, 2**31) / 1000)
    rows = document.get("rows")
    if not isinstance(rows, list) or len(rows) > _MOST_ROWS:
        raise DatagramError("without rows")
    known = [row for row in map(_checked, rows) if row[0] in targets]
    counts = tuple(_counts(row, targets[row[0]], source, now, span_s) for row in known)
    return Datagram(
        host=one_line(str(document.get("host", "")), _SENDER_CHARS),
        sender=sender,
        number=number,
        at_s=at_s,
        counts=counts,
        unknown=len(rows) - len(known),
    )


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).hexdigest()[:_MAC_DIGITS].encode()


def _sender(document: Mapping[str, Any]) -> tuple[str, int, float]:
    sender, at_s = document.get("sender"), document.get("at")
    if not isinstance(sender, str) or not 0 < len(sender) <= _SENDER_CHARS:
        raise DatagramError("without a sender")
    if isinstance(at_s, bool) or not isinstance(at_s, int | float):
        raise DatagramError("without a time")
    return sender, _whole(document.get("seq"), 0, 2**53), float(at_s) if abs(at_s) < 2**53 else 0.0


def _checked(row: Any) -> list[Any]:
    """A row whose values have the right types."""
    if not isinstance(row, list) or len(row) < 8 or not all(isinstance(text, str) for text in row[:3]):
        raise DatagramError("with a wrong row")
    if not all(isinstance(counts, dict) for counts in row[3:6]):
        raise DatagramError("with a wrong row")
    return row


def _counts(row: list[Any], target: str, source: str, now: datetime, span_s: float) -> RequestCounts:
    route, tag, outcomes, duration, first_token, input_tokens, output_tokens = row[1:8]
    named = {_OUTCOMES[name]: count for name, count in outcomes.items() if name in _OUTCOMES}
    counted = {outcome: _whole(count, 0, _MOST_REQUESTS) for outcome, count in named.items()}
    return RequestCounts(
        target=target,
        host=source,
        ended_at=now,
        span_s=span_s,
        outcomes={outcome: count for outcome, count in counted.items() if count},
        duration=_histogram(duration),
        first_token=_histogram(first_token),
        input_tokens=_whole(input_tokens, 0, _MOST_TOKENS),
        output_tokens=_whole(output_tokens, 0, _MOST_TOKENS),
        route=one_line(route, _NAME_CHARS),
        tag=one_line(tag, _SENDER_CHARS),
    )


def _histogram(counts: Mapping[str, Any]) -> Histogram:
    try:
        buckets = {int(bucket): _whole(count, 0, _MOST_REQUESTS) for bucket, count in counts.items() if len(bucket) < 6}
    except ValueError:
        raise DatagramError("with a wrong row") from None
    return Histogram({bucket: count for bucket, count in buckets.items() if bucket in _BUCKETS and count})


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DatagramError("with a wrong number")
    return value
