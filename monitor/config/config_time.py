"""The configuration of times that people live by: a time of day and the zone that it is meant in."""

import re
from datetime import time
from zoneinfo import ZoneInfo

from monitor.config.schema import Section

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def read_time_of_day(section: Section, key: str, example: str) -> time | None:
    """A required time of day; `example` is one, such as 09:00. None when what is wrong has been reported."""
    expected = f'a time of day in quotes, such as "{example}"'
    text = section.required(key, expected)
    found = _TIME.fullmatch(text.value) if text else None
    if text and found is None:
        section.refuse(text, f"is not {expected}")
    return time(int(found[1]), int(found[2])) if found else None


def read_zone(section: Section) -> str | None:
    """A required time zone that this machine knows; None when what is wrong has been reported."""
    text = section.required("zone", "a time zone such as Europe/Berlin")
    if text is None:
        return None
    try:
        ZoneInfo(text.value)
    except (LookupError, ValueError, OSError):
        section.refuse(text, "is not a time zone that this machine knows; write one such as Europe/Berlin or UTC")
        return None
    return text.value
