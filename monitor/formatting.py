"""How durations, instants, counts and lists are written for people (pure)."""

from collections.abc import Sequence
from datetime import UTC, datetime

#: The units of a duration as configuration files write it, in seconds.
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def format_elapsed(seconds: float) -> str:
    """A duration for people: `0.4 s`, `41 s`, `9 min 41 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def format_duration(seconds: float) -> str:
    """The duration in the largest unit that needs no more than one decimal: `90s`, `1.5h`, `14d`."""
    for unit in ("d", "h", "m", "s"):
        amount = round(seconds / UNITS_S[unit], 6)
        if abs(amount) >= 1 and round(amount, 1) == amount:
            return f"{amount:.10g}{unit}"
    if abs(seconds) < 1:
        return f"{seconds * 1000:.6g}ms" if seconds else "0s"
    return f"{seconds:.6g}s"


def format_share(share: float) -> str:
    """The fraction in per cent: `30%`."""
    return f"{share * 100:.6g}%"


def percent_number(share: float) -> str:
    """A measured fraction in per cent, without the sign, one decimal, never rounded up to 100.0: `99.6`."""
    return f"{100 if share >= 1 else min(share * 100, 99.9):.1f}"


def format_percent(share: float | None) -> str:
    """A measured fraction in per cent, `62.5 %`; a dash where nothing was measured."""
    return "–" if share is None else f"{percent_number(share)} %"


def format_rate(per_day: float) -> str:
    """The rate as one event per so much time: `1 per 90d`; `0 per 1d` for zero."""
    if per_day <= 0:
        return "0 per 1d"
    return f"1 per {format_duration(round(UNITS_S['d'] / per_day, 6))}"


def instant(at: datetime) -> str:
    """An aware instant as files and scripts get it: UTC, milliseconds, `2026-11-21T18:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(at: datetime, now: datetime) -> str:
    """The instant for people, in UTC, with its date when that is not today's: `18:02:11 UTC`."""
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """How long ago it was, in whole seconds: `12 s ago`."""
    return f"{format_elapsed(max(0, round((now - at).total_seconds())))} ago"


def capitalized(text: str) -> str:
    """The text with a capital in front, and nothing else changed."""
    return text[:1].upper() + text[1:]


def plural(count: int, noun: str) -> str:
    """`1 route`, `2 routes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str], most: int = 5) -> str:
    """`a, b, c`; of more than `most`, `a, b and 7 more`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
