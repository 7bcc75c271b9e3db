"""How long a provider asks us to wait, in all forms that providers use."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_S = 30 * 86400.0
#: A number this large is an instant since 1970, in seconds or in milliseconds, not a duration.
_MOMENT_S, _MOMENT_MS = 1e9, 1e11
_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(
    r"(?:,? ?(?:and )?)(\d{1,12}(?:\.\d{1,12})?) ?"
    r"(ms|[uµn]s|milliseconds?|d(?:ays?)?|h(?:ours?|rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![a-zµ])"
)
_WAIT = re.compile(r"\b(?:try again|retry|wait)(?: again)?(?: after| in| for)?(?: about)?:? (?=\d)")
_FROM = re.compile(
    r"\b(?:again|access|until|after|resets?|available)(?: on| at| after)? "
    r"(\d{4}-\d\d-\d\d)(?:t| at |,? )(\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})? ?(?:utc|gmt|z|\+00:00)"
)


def retry_after_s(
    headers: Mapping[str, str], *, now: datetime, body_s: float | None = None, message: str = "", limited: bool = False
) -> float | None:
    """Seconds to wait, at most 30 days; None where nothing is stated. Names of headers are in lower case.

    The first plausible value of:

    1. `retry-after-ms`; `retry-after`, as seconds, a duration (`1m30s`) or a date.
    2. `body_s`, from a field of the body.
    3. `message`: "try again in 9m38.016s", "retry after 60 seconds", "regain access on 2026-02-01 at 00:00 UTC".
    4. If `limited`, when the limits with nothing left are replenished: the last of them, else the first limit whose
       remainder is not stated (`x-ratelimit-reset-tokens: 6m0s`, `x-ratelimit-reset: 1795262430`).
    """
    text = message[:4000].lower()
    milliseconds = number_from_zero(headers.get("retry-after-ms", ""))
    waits = [
        None if milliseconds is None else milliseconds / 1000,
        wait_until_s(headers.get("retry-after", ""), now),
        body_s,
        *(_duration_s(text, match.end()) for match in _WAIT.finditer(text)),
        *(wait_until_s(f"{match[1]}T{match[2]}Z", now) for match in _FROM.finditer(text)),
        _reset_s(headers, now) if limited else None,
    ]
    sane = (wait_s for wait_s in waits if wait_s is not None and wait_s >= 0)  # not a number is not above zero either
    return next((min(wait_s, _LONGEST_S) for wait_s in sane), None)


def _reset_s(headers: Mapping[str, str], now: datetime) -> float | None:
    resets = [name for name in headers if "ratelimit" in name and "reset" in name.split("-")]
    spent: list[float] = []
    unsaid: list[float] = []
    for name in resets:
        wait_s = wait_until_s(headers[name], now)
        left = number_from_zero(headers.get(name.replace("reset", "remaining"), ""))
        if wait_s is not None and not left:
            (unsaid if left is None else spent).append(wait_s)
    return max(spent) if spent else min(unsaid, default=None)


def wait_until_s(stated: str, now: datetime) -> float | None:
    """Of a number of seconds, a duration, or an instant in any format; 0 for an instant that has passed."""
    stated = stated.strip()[:100]
    number = number_from_zero(stated)
    if number is not None:
        moment_s = number if number < _MOMENT_MS else number / 1000
        return number if number < _MOMENT_S else max(0.0, moment_s - now.timestamp())
    duration_s = _duration_s(stated.lower(), 0, entire=True)
    if duration_s is not None:
        return duration_s
    then = _moment(stated)
    return None if then is None else max(0.0, (then - now).total_seconds())


def number_from_zero(stated: str) -> float | None:
    """A finite number from 0 on; the first of several, which came in headers of the same name."""
    try:
        number = float(stated.partition(",")[0][:40])
    except ValueError:
        return None
    return abs(number) if math.isfinite(number) and number >= 0 else None  # minus zero is zero


def _duration_s(text: str, start: int, *, entire: bool = False) -> float | None:
    """`1h2m`, `250ms`, `2 minutes and 5 seconds`, from `start`; where `entire`, nothing may follow."""
    total_s = None
    while part := _PART.match(text, start):
        unit = "ms" if part[2].startswith("milli") else part[2]
        total_s = (total_s or 0.0) + float(part[1]) * _UNITS_S[unit if unit in _UNITS_S else unit[0]]
        start = part.end()
    return None if entire and start < len(text) else total_s


def _moment(stated: str) -> datetime | None:
    """An RFC 3339 or an HTTP date; UTC where no zone is stated."""
    try:
        then = datetime.fromisoformat(stated) if stated[:1].isdigit() else parsedate_to_datetime(stated)
        return then if then.tzinfo else then.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
