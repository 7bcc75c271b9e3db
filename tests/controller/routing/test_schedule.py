"""What the configuration schedules, as overrides: from when to when, and of what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.routing.overrides import SCHEDULE, OverrideKind
from controller.routing.schedule import scheduled
from monitor.config.settings import Settings
from monitor.config.windows import FreezeWindow, MaintenanceWindow, Moment
from tests.support.builders import settings

PLAIN = settings(Path("nowhere"), "openai/a", "anthropic/c")
SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)
WORK = MaintenanceWindow(
    name="work", of="openai", begin=Moment.parse("22:00"), end=Moment.parse("02:00"), weekday=6, leave_s=600.0
)


def kinds(wanted: Settings, at: datetime) -> list[OverrideKind]:
    """What is in force then."""
    return [override.kind for override in scheduled(wanted, at)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(hours=21, minutes=49, seconds=59), []),
        (timedelta(hours=21, minutes=50), [OverrideKind.DRAIN]),
        (timedelta(hours=22), [OverrideKind.MAINTENANCE, OverrideKind.DRAIN]),
        (timedelta(hours=25, minutes=59), [OverrideKind.MAINTENANCE, OverrideKind.DRAIN]),
        (timedelta(hours=26), []),
        (timedelta(hours=46), []),
        (timedelta(days=7, hours=23), [OverrideKind.MAINTENANCE, OverrideKind.DRAIN]),
    ],
)
def test_a_weekly_maintenance_that_routes_leave_before(after: timedelta, expected: list[OverrideKind]) -> None:
    """From ten minutes before until its end, over midnight, every week."""
    assert kinds(replace(PLAIN, maintenance=(WORK,)), SUNDAY + after) == expected


def test_windows_that_overlap_are_each_in_force() -> None:
    """So that the end of one does not end the other."""
    sale = FreezeWindow(name="sale", begin=Moment.parse("2026-11-22 10:00"), end=Moment.parse("2026-11-22 14:00"))
    night = FreezeWindow(name="night", of="chat", begin=Moment.parse("12:00"), end=Moment.parse("16:00"))
    wanted = replace(PLAIN, freeze=(sale, night))
    found = scheduled(wanted, SUNDAY + timedelta(hours=13))
    assert [(each.subject, each.reason, each.author) for each in found] == [
        ("all", "freeze sale", SCHEDULE),
        ("chat", "freeze night", SCHEDULE),
    ]
    assert [each.subject for each in scheduled(wanted, SUNDAY + timedelta(hours=15))] == ["chat"]
