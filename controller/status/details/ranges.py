"""The times that a page can be asked for (pure)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from monitor.history.rollup import DAY, HOUR

RANGES: Final[Mapping[str, timedelta]] = {
    "1h": HOUR,
    "6h": 6 * HOUR,
    "24h": DAY,
    "7d": 7 * DAY,
    "30d": 30 * DAY,
    "90d": 90 * DAY,
}
"""By the name in the address of a page."""
#: From so long on, sums by day are shown.
_BY_DAY: Final = 30 * DAY


def summed_by(length: timedelta) -> timedelta:
    """Whether a time of this length is shown in hours or in days."""
    return DAY if length >= _BY_DAY else HOUR
