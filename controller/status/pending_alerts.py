"""The alerts that wait for Slack, and the channels that fail: values and sentences for page and `status`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller.alerts.delivery import ChannelState
from controller.alerts.queries import count_pending
from controller.alerts.quiet_hours import quiet_until
from monitor.config.settings import Settings
from monitor.formatting import ago, clock, plural

#: Display names of channels; the others are shown by their names in the database.
_NAMES: Final = {"slack": "Slack", "webhook": "the webhook", "heartbeat": "the heartbeat's service"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAlerts:
    """The alerts that wait for Slack."""

    incidents: int = 0
    """Incidents that Slack does not show in their present form."""
    notices: int = 0
    quiet_until: datetime | None = None
    """When the present quiet hours end; None outside of them."""
    zone: str = "UTC"
    """Of the quiet hours."""

    @property
    def sentence(self) -> str | None:
        """All of it in one sentence without a full stop; None when nothing waits outside of quiet hours."""
        parts = [(self.incidents, "incident"), (self.notices, "notice")]
        counts = [plural(count, noun) for count, noun in parts if count]
        waiting = f"{' and '.join(counts)} to be told in Slack" if counts else ""
        if self.quiet_until is None:
            return waiting or None
        until = self.quiet_until.astimezone(ZoneInfo(self.zone))
        quiet = f"quiet hours until {until:%H:%M} ({self.zone}): only what is critical is told in Slack"
        return f"{quiet}; {waiting}" if waiting else quiet


def failing_sentence(channel: ChannelState, now: datetime) -> str:
    """That the channel, or a part of it, does not take alerts and why, in one sentence without a full stop."""
    if (channel.sink, channel.part) == ("slack", "buttons"):
        return f"Slack's buttons have not worked since {clock(channel.since, now)}: {channel.error}"
    if (channel.sink, channel.part) == ("slack", "lookup"):
        unknown = "nobody knows whether a message is in Slack already"
        return f"since {clock(channel.since, now)} {unknown}: {channel.error}"
    who = _NAMES.get(channel.sink, channel.sink) + (f" ({channel.part})" if channel.part else "")
    since = f"{clock(channel.since, now)} ({ago(channel.since, now)})"
    return f"{who} has not taken what it was sent since {since}: {channel.error}"


def read_pending_alerts(settings: Settings, connection: Connection, now: datetime) -> PendingAlerts | None:
    """What waits at `now`; None where Slack is not configured."""
    if settings.alerts.slack is None:
        return None
    incidents, notices = count_pending(connection)
    hours = settings.alerts.slack.quiet_hours
    return PendingAlerts(
        incidents=incidents,
        notices=notices,
        quiet_until=quiet_until(hours, now),
        zone=hours.zone if hours else "UTC",
    )
