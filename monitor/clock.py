"""The one place that reads the wall clock; everybody else is handed the time, or this function."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present instant, aware."""
    return datetime.now(UTC)
