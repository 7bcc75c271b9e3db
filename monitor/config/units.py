"""How durations, shares, rates and numbers are written in configuration files."""

import re

from monitor.formatting import UNITS_S, format_duration

#: Two probes a second for one target; the demonstration needs as many, real life never does.
SHORTEST_INTERVAL_S = 0.5
#: The longest duration that is accepted; `timedelta` and the calendar overflow later.
LONGEST_S = 3650 * 86400.0

_NUMBER = r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,12})?"
_PLAIN = re.compile(_NUMBER)
_DURATION = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_SHARE = re.compile(rf"({_NUMBER})%")
_RATE = re.compile(rf"({_NUMBER}) +per +(\S+)")

DURATION = "a duration such as 500ms, 30s, 5m, 2h or 90d"
SHARE = "a share such as 30%"
RATE = "a rate such as 1 per 90d"
NUMBER = "a number such as 5 or 2.5"


def parse_duration(text: str) -> float:
    """Seconds from `500ms`, `30s`, `5m`, `2h` or `90d`, negative ones included.

    Raises ValueError with a phrase that follows the text: "has no unit; write 60s".
    """
    if match := _DURATION.fullmatch(text):
        seconds = float(match[1]) * UNITS_S[match[2]]
        if abs(seconds) > LONGEST_S:
            raise ValueError(f"is too long; the longest is {format_duration(LONGEST_S)}")
        return seconds
    if _PLAIN.fullmatch(text):
        raise ValueError(f"has no unit; write {text}s" if float(text) else "has no unit; write 0s")
    raise ValueError(f"is not {DURATION}")


def parse_share(text: str) -> float:
    """A fraction from `30%` (0.3), without a bound on its size.

    Raises ValueError with a phrase that goes on from the text: "is not a percentage; write 30%".
    """
    if match := _SHARE.fullmatch(text):
        return float(match[1]) / 100
    if _PLAIN.fullmatch(text):
        number = float(text)
        raise ValueError(f"is not a percentage; write {number * 100 if abs(number) <= 1 else number:.10g}%")
    raise ValueError(f"is not {SHARE}")


def parse_rate(text: str) -> float:
    """Events per day from `1 per 90d`.

    Raises ValueError with a phrase that goes on from the text.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"is not {RATE}")
    try:
        seconds = parse_duration(match[2])
    except ValueError:
        raise ValueError(f"is not {RATE}") from None
    if seconds <= 0:
        raise ValueError(f"is not {RATE}: the time must be longer than zero")
    return float(match[1]) * UNITS_S["d"] / seconds


def parse_number(text: str) -> float:
    """A plain decimal number, without exponents and other bases.

    Raises ValueError with a phrase that goes on from the text.
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"is not {NUMBER}")
    return float(text)
