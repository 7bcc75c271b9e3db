"""Converts values to column values: instants to epoch milliseconds, text and numbers to what every database takes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_LARGEST: Final = 2**63 - 1


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds, rounded down; raises TypeError for a naive datetime."""
    return (instant - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """The aware UTC instant."""
    return _EPOCH + ms * _MS


def maybe_to_ms(instant: datetime | None) -> int | None:
    """The same as `to_ms`; None stays None."""
    return None if instant is None else to_ms(instant)


def maybe_from_ms(ms: int | None) -> datetime | None:
    """The same as `from_ms`; None stays None."""
    return None if ms is None else from_ms(ms)


def storable(text: str) -> str:
    """The text with NUL and lone surrogates as U+FFFD: neither goes into every database, both come from providers."""
    return _UNSTORABLE.sub("\ufffd", text)


def truncate(text: str, longest: int) -> str:
    """Storable text of at most this many characters, with `…` where it was cut."""
    return storable(text if len(text) <= longest else text[: longest - 1] + "…")


def fit_integer(number: int | None) -> int | None:
    """The number, or None when it does not fit a column: a provider may claim 10**30 tokens."""
    return number if number is not None and abs(number) <= _LARGEST else None
