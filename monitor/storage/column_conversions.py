"""Converts values to column values: instants to epoch milliseconds, text and numbers to what every database takes."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, get_args, get_type_hints

T = TypeVar("T")
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


def fit_real(number: float) -> float | None:
    """The number, or None where it is none: one database keeps it as NULL, the other as NaN."""
    return None if number != number else number  # noqa: PLR0124 - which only NaN is


_WRITERS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    datetime: to_ms,
    str: storable,
    int: fit_integer,
    float: fit_real,
    bool: int,
}


class RowMapper(Generic[T]):
    """Converts the values of a dataclass to columns and back, field by field; the caller converts the fields `apart`.

    `started_at` is stored as `started_ms` and `since` as `since_ms`, an enum as its value, text cut to its `longest`.
    """

    def __init__(self, kind: type[T], *apart: str, longest: Mapping[str, int] | None = None) -> None:
        self._kind = kind
        self._columns: dict[str, str] = {}
        self._writers: dict[str, Callable[[Any], Any]] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {}
        for name, hint in get_type_hints(kind).items():
            if name not in apart:
                known = next(iter(get_args(hint)), hint)  # of `str | None`, the text
                column = self._columns[name] = f"{name.removesuffix('_at')}_ms" if known is datetime else name
                if longest and name in longest:
                    self._writers[column] = partial(truncate, longest=longest[name])
                else:
                    self._writers[column] = _WRITERS.get(known, attrgetter("value"))
                if known not in {str, int, float}:
                    self._readers[name] = from_ms if known is datetime else known
        self._fields_of, self._columns_of = attrgetter(*self._columns), attrgetter(*self._columns.values())

    def columns(self, value: T) -> dict[str, Any]:
        """The columns of a value; None stays None."""
        columns = dict(zip(self._columns.values(), self._fields_of(value), strict=True))
        return _converted(columns, self._writers)

    def value(self, row: object, **apart: Any) -> T:
        """The value of a row, with the fields that the caller has converted."""
        values = dict(zip(self._columns, self._columns_of(row), strict=True))
        return self._kind(**_converted(values, self._readers), **apart)


def _converted(values: dict[str, Any], converters: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    for name, convert in converters.items():
        if values[name] is not None:
            values[name] = convert(values[name])
    return values
