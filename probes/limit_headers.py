"""Which of a provider's limits is nearly used up, as the headers of its answers state it (pure)."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from probes.retry_after import number_from_zero, wait_until_s

#: A limit is nearly used up below this share of it; where it is not stated, with so much left.
_NEARLY = 0.1
_LAST = {"requests": 1.0, "tokens": 0.0}
#: What is stated counts until the limit is replenished, at most an hour; a minute where that is not stated. What is
#: replenished within a second is no limit to anybody.
_UNSTATED_S, _SHORTEST_S, LONGEST_LIMIT_S = 60.0, 1.0, 3600.0
#: Larger figures are no limits of anybody's.
_LARGEST = 1e12
_MOST_HEADERS = 64
_UNITS = {"requests": "requests", "req": "requests", "tokens": "tokens", "input": "tokens", "output": "tokens"}


class NearLimit(NamedTuple):
    """A limit that is nearly used up."""

    left: str
    """`2 of 60 requests`, in words of our own."""
    resets_s: float
    """Seconds until it is replenished, or until nothing is known of it any more."""


def nearly_used_up(headers: Mapping[str, str], *, now: datetime) -> NearLimit | None:
    """The scarcest of the limits that are nearly used up; None where none is, or nothing is stated.

    Names of headers are in lower case: `x-ratelimit-remaining-requests`, `anthropic-ratelimit-tokens-remaining`,
    `x-ratelimit-remaining-req-minute`, `ratelimit-remaining`, each with a `limit` and a `reset` of the same name.
    Figures that are none (negative, not finite, absurdly large) are left out.
    """
    names = [name for name in headers if "ratelimit" in name and "remaining" in name.split("-")][:_MOST_HEADERS]
    found = [limit for name in names if (limit := _near(name, headers, now))]
    return min(found, default=(0.0, None), key=lambda limit: limit[0])[1]


def _near(name: str, headers: Mapping[str, str], now: datetime) -> tuple[float, NearLimit] | None:
    """The share that is left of this limit, and what is to be said of it; None where enough is left."""
    stated = headers.get(name.replace("remaining", "limit"))
    left, limit = number_from_zero(headers[name]), number_from_zero(stated or "")
    if left is None or left > _LARGEST or (stated is not None and not 0 < (limit or 0.0) <= _LARGEST):
        return None
    unit = next((_UNITS[part] for part in name.split("-") if part in _UNITS), "requests")
    near = left < _NEARLY * limit if limit else left <= _LAST[unit]
    reset_s = wait_until_s(headers.get(name.replace("remaining", "reset"), ""), now)
    resets_s = _UNSTATED_S if reset_s is None else min(reset_s, LONGEST_LIMIT_S)
    if not near or resets_s < _SHORTEST_S:
        return None
    of = f" of {limit:,.0f}" if limit else ""
    return left / limit if limit else 0.0, NearLimit(f"{left:,.0f}{of} {unit}", resets_s)
