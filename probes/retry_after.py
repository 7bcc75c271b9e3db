"""How long a provider asks us to wait, in every form that providers say it."""

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_LONGEST_S = 30 * 86400.0


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds from `retry-after-ms`, else `retry-after` (a number of seconds or an HTTP date); None for neither.

    Header names are looked up in lower case. At most 30 days.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, _LONGEST_S)
    stated = headers.get("retry-after", "")
    seconds = _number(stated)
    if seconds is None:
        seconds = _until(stated, now)
    return None if seconds is None else min(seconds, _LONGEST_S)


def _number(stated: str) -> float | None:
    try:
        number = float(stated[:40])
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _until(stated: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(stated[:100])
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return None
