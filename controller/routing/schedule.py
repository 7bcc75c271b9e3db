"""What the configuration schedules, as overrides: maintenance windows, freezes and fire drills (pure).

Each is an override like an operator's, by `SCHEDULE`: stored, told, shown and ended in the same way. Whoever ends it
early has the last word: it does not begin again before its next time.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.routing.overrides import SCHEDULE, Override, OverrideKind
from monitor.config.settings import Settings
from monitor.config.windows import WindowSection


def scheduled(settings: Settings, now: datetime) -> list[Override]:
    """What is to be in force at `now`, with the instants of its window."""
    if not (settings.maintenance or settings.freeze):
        return []
    return [override for override in _planned(settings, now) if override.at <= now < override.until]


def _planned(settings: Settings, now: datetime) -> Iterator[Override]:
    for freeze in settings.freeze:
        yield from _overrides(freeze, OverrideKind.PAUSE, freeze.of, f"freeze {freeze.name}", now)
    for window in settings.maintenance:
        reason = f"maintenance {window.name}"
        for override in _overrides(window, OverrideKind.MAINTENANCE, window.of, reason, now):
            yield override
            if window.leave_s is not None:
                at = override.at - timedelta(seconds=window.leave_s)
                yield replace(override, kind=OverrideKind.DRAIN, at=at)


def _overrides(
    window: WindowSection, kind: OverrideKind, subject: str, reason: str, now: datetime
) -> Iterator[Override]:
    """One for each time of the window that may concern `now`."""
    for instants in filter(None, map(window.instants, _days(window, now))):
        at, until = instants
        yield Override(kind=kind, subject=subject, author=SCHEDULE, reason=reason, at=at, until=until)


def _days(window: WindowSection, now: datetime) -> Iterator[date]:
    if window.begin.day is not None:
        yield window.begin.day
        return
    today = now.astimezone(ZoneInfo(window.zone)).date()
    for days in (-1, 0, 1, 2):
        day = today + timedelta(days=days)
        if window.weekday in {None, day.weekday()}:
            yield day
