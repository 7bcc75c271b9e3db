"""What waits to be sent to Slack is shown, and that quiet hours are in force: by `status` and on the page."""

import io
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from controller.cli import status
from controller.journal import Journal
from controller.status import overview
from controller.status.document import status_document
from controller.status.headline import PendingAlerts
from controller.status.overview import Overview
from monitor.config.alert_settings import AlertSettings, QuietHours, SlackSettings
from monitor.config.settings import Settings
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support import builders
from tests.support import incident_builders as alerts
from tests.support.alert_world import outage
from tests.support.builders import T0
from ui import sections as view


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two targets, and Slack with quiet hours that T0, at six in the evening of UTC, is in."""
    quiet = QuietHours(begin=time(18), end=time(7), zone="Europe/Berlin")
    made = builders.settings(tmp_path, alerts.OPENAI, alerts.ANTHROPIC)
    return replace(made, alerts=AlertSettings(slack=SlackSettings(channel="#llm-status", quiet_hours=quiet)))


def seen(settings: Settings, *, at: datetime = T0) -> Overview:
    """The overview after two pins and an outage that nobody was told of."""
    engine = open_writer(settings.database)
    Journal(engine).commit([], [outage(at=T0)])
    for number in range(2):
        Store(engine).add_event(T0, "pinned", "chat", f"ana pinned chat {number}", notify=True)
    found = overview.read(settings, engine, at)
    engine.dispose()
    return found


@pytest.mark.slow
def test_what_waits_and_until_when(settings: Settings) -> None:
    """In words, as a document, and on the page; in the zone of the quiet hours."""
    known = seen(settings)
    words = (
        "quiet hours until 07:00 (Europe/Berlin): only critical messages are sent to Slack; "
        "1 incident and 2 notices to be sent to Slack"
    )
    screen = io.StringIO()
    status.print_overview(known, Console(file=screen, width=400))
    assert f"Waiting: {words}" in screen.getvalue()
    assert status_document(known)["slack"] == {
        "waiting_incidents": 1,
        "waiting_notices": 2,
        "quiet_until": "2026-11-22T06:00:00.000Z",
    }
    assert f"<p>Waiting: {words}.</p>" in view.banner(known)


def test_outside_of_quiet_hours(settings: Settings) -> None:
    """Only what waits is said, and nothing where nothing does."""
    known = seen(settings, at=T0 + timedelta(hours=14))
    assert known.pending_alerts is not None
    assert known.pending_alerts.sentence == "1 incident and 2 notices to be sent to Slack"
    assert PendingAlerts().sentence is None
    assert PendingAlerts(quiet_until=datetime(2026, 11, 22, 6, tzinfo=UTC)).sentence == (
        "quiet hours until 06:00 (UTC): only critical messages are sent to Slack"
    )


def test_without_slack_nothing_waits(settings: Settings) -> None:
    """Nobody is to be told."""
    known = seen(replace(settings, alerts=AlertSettings()))
    assert known.pending_alerts is None
    assert status_document(known)["slack"] is None
