"""Quiet hours: whether it is one, and until when (pure)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.config.alert_settings import QuietHours


def quiet_until(hours: QuietHours | None, now: datetime) -> datetime | None:
    """When the quiet hours end that `now` is in, in UTC; None outside of them.

    They follow the wall clock of their zone: the night on which clocks go forward is an hour shorter.
    """
    if hours is None:
        return None
    local = now.astimezone(ZoneInfo(hours.zone))
    at = local.time()
    over_midnight = hours.begin > hours.end
    within = at >= hours.begin or at < hours.end if over_midnight else hours.begin <= at < hours.end
    if not within:
        return None
    tomorrow = over_midnight and at >= hours.begin
    day = local.date() + timedelta(days=1) if tomorrow else local.date()
    # In the hour that comes twice, the end is meant that is yet to come.
    fold = 0 if tomorrow else local.fold
    return datetime.combine(day, hours.end, tzinfo=local.tzinfo).replace(fold=fold).astimezone(UTC)
