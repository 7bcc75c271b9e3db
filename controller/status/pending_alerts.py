"""What Slack has not been told yet, and why that may be as it should be: the read model of page and status."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from controller.alerts.quiet_hours import quiet_until
from monitor.formatting import plural
from monitor.settings import Settings
from monitor.storage.tables import EVENTS, INCIDENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAlerts:
    """What waits to be told in Slack."""

    incidents: int = 0
    """Those of which people do not know all yet."""
    notices: int = 0
    quiet_until: datetime | None = None
    """When the quiet hours end that are in force; None outside of them."""
    zone: str = "UTC"
    """Of the quiet hours."""

    @property
    def words(self) -> str | None:
        """All of it in one sentence without its end; None when nothing waits and no quiet hours are in force."""
        parts = [(self.incidents, "incident"), (self.notices, "notice")]
        counts = [plural(count, noun) for count, noun in parts if count]
        waiting = f"{' and '.join(counts)} to be told in Slack" if counts else ""
        if self.quiet_until is None:
            return waiting or None
        until = self.quiet_until.astimezone(ZoneInfo(self.zone))
        quiet = f"quiet hours until {until:%H:%M} ({self.zone}): only what is critical is told in Slack"
        return f"{quiet}; {waiting}" if waiting else quiet


def read_backlog(settings: Settings, connection: Connection, now: datetime) -> PendingAlerts | None:
    """What waits at `now`; None where Slack is not told at all."""
    if settings.slack is None:
        return None
    untold = select(func.count()).where(INCIDENTS.c.told_revision < INCIDENTS.c.revision)
    due = select(func.count()).where(EVENTS.c.telling == "due")
    hours = settings.slack.quiet_hours
    return PendingAlerts(
        incidents=connection.scalar(untold) or 0,
        notices=connection.scalar(due) or 0,
        quiet_until=quiet_until(hours, now),
        zone=hours.zone if hours else "UTC",
    )
