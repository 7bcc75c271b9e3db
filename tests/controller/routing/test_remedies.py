"""What a person can do for a route whose users are harmed."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.routing.overrides import NO_OVERRIDES, Override, OverrideKind, Overrides
from controller.routing.remedies import Remedy, find_remedy
from monitor.health import Health

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINE, OTHER = "openai/m", "azure/h"


def override(kind: OverrideKind, subject: str) -> Overrides:
    """One override of ana's, for an hour."""
    until = NOW + timedelta(hours=1)
    target = MINE if kind is OverrideKind.PIN else None
    one = Override(kind=kind, subject=subject, target=target, author="ana", reason="a test", at=NOW, until=until)
    return Overrides(active=(one,))


@pytest.mark.parametrize(
    ("health", "other", "overrides", "held", "command"),
    [
        (Health.UP, Health.UP, override(OverrideKind.PIN, "chat"), "", ""),
        (
            Health.DOWN,
            Health.UP,
            override(OverrideKind.PIN, "chat"),
            "pinned by ana until 13:00:00 UTC",
            "hotspare unpin chat",
        ),
        (
            Health.DOWN,
            Health.UP,
            override(OverrideKind.PAUSE, "all"),
            "paused by ana until 13:00:00 UTC",
            "hotspare resume all",
        ),
        (Health.DOWN, Health.UP, override(OverrideKind.DRAIN, "azure"), "", "hotspare undrain azure"),
        (Health.DOWN, Health.DOWN, override(OverrideKind.DRAIN, "azure"), "", ""),
        (Health.DOWN, Health.UP, NO_OVERRIDES, "", ""),
        (Health.DEGRADED, Health.UP, NO_OVERRIDES, "", f"hotspare pin chat {OTHER} --for 1h --reason …"),
        (Health.DEGRADED, Health.DOWN, NO_OVERRIDES, "", ""),
    ],
)
def test_the_command_that_helps(health: Health, other: Health, overrides: Overrides, held: str, command: str) -> None:
    """The whole command, and only where it leads to a better target."""
    found = find_remedy("chat", MINE, {MINE: health, OTHER: other}, overrides, NOW)
    assert found == Remedy(held, command)
