"""Times of the wall clock in a configuration: a time of day, a day of the week, a zone."""

from typing import Final
from zoneinfo import ZoneInfo

from monitor.config.values import Value, must, text

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY: Final = text(
    "a day of the week such as monday",
    pattern="|".join(DAYS),
    wrong=f"is not a day of the week; write one of {', '.join(DAYS)}",
).then(DAYS.index)


def time_of_day(example: str) -> Value:
    """A time of day in quotes, as hours and minutes."""
    return text(f'a time of day in quotes, such as "{example}"', pattern="([01][0-9]|2[0-3]):[0-5][0-9]")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


ZONE: Final = text(
    "a time zone such as Europe/Berlin",
    must(_is_zone, "is not a time zone that this machine knows; write one such as Europe/Berlin or UTC"),
)
