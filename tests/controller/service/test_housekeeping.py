"""What is removed, and when."""

from math import inf

from controller.service.housekeeping import oldest_sums
from monitor.config.retention import RetentionSettings
from monitor.history.rollup import DAY, HOUR, MINUTE
from tests.support.builders import T0


def test_sums_of_minutes_are_kept_for_two_weeks() -> None:
    """Hours and days as long as `retention` says."""
    kept = RetentionSettings(hour_s=30 * DAY.total_seconds(), day_s=inf)
    assert oldest_sums(kept, T0) == {MINUTE: T0 - 14 * DAY, HOUR: T0 - 30 * DAY}
