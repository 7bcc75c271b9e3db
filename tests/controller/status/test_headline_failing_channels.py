"""Who cannot be told is shown: by `status`, on the page, and no longer than it is true."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine

from controller.alerts.delivery_store import DeliveryStore, forget_other_channels
from controller.cli import status
from controller.status import overview
from controller.status.document import status_document
from controller.status.headline import failing_sentence
from controller.status.overview import Overview
from monitor.config.settings import Settings
from monitor.storage.database import open_writer
from tests.support import builders
from tests.support import incident_builders as alerts
from tests.support.builders import T0
from ui import sections as view

LATER = T0 + timedelta(minutes=12)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two targets."""
    return builders.settings(tmp_path, alerts.OPENAI, alerts.ANTHROPIC)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """A new database in which nothing was told yet."""
    opened = open_writer(settings.database)
    yield opened
    opened.dispose()


def seen(settings: Settings, engine: Engine) -> Overview:
    """The overview twelve minutes after T0."""
    return overview.read(settings, engine, LATER)


def test_who_takes_nothing_is_named_with_since_when_and_why(settings: Settings, engine: Engine) -> None:
    """In `status` for people and for scripts, and on the page, where a stranger's words are escaped."""
    DeliveryStore(engine, "webhook").keep_state("", T0, "the webhook answered HTTP 500: <script>")
    DeliveryStore(engine, "apprise 1").keep_state("", T0 + timedelta(minutes=5), "apprise 1 (JSON) did not take it")
    DeliveryStore(engine, "webhook").keep_state("", LATER, "the webhook answered HTTP 502: <script>")
    known = seen(settings, engine)
    screen = io.StringIO()
    status.print_overview(known, Console(file=screen, width=400))
    assert (
        "Not delivered: the webhook has not taken what it was sent since 18:00:00 UTC (12 min ago): the webhook "
        "answered HTTP 502: <script>\nNot delivered: apprise 1 has not taken"
    ) in screen.getvalue()
    assert status_document(known)["not_told"][0] == {
        "sink": "webhook",
        "part": None,
        "since": "2026-11-21T18:00:00.000Z",
        "error": "the webhook answered HTTP 502: <script>",
    }
    assert "HTTP 502: &lt;script&gt;.</p>" in view.banner(known)


def test_a_part_of_one_is_named(settings: Settings, engine: Engine) -> None:
    """One channel of Slack may fail while the others do not."""
    DeliveryStore(engine, "slack").keep_state("#oncall", T0, "channel_not_found")
    [found] = seen(settings, engine).failing_channels
    assert (found.sink, found.part, found.since, found.error) == ("slack", "#oncall", T0, "channel_not_found")
    assert failing_sentence(found, LATER).startswith("Slack (#oncall) has not taken")


def test_who_works_again_or_is_no_longer_configured_is_not_shown(settings: Settings, engine: Engine) -> None:
    """And a single message that was not taken is no trouble of the whole receiver."""
    webhook, heartbeat = DeliveryStore(engine, "webhook"), DeliveryStore(engine, "heartbeat")
    webhook.keep_state("", T0, "no")
    heartbeat.keep_state("", T0, "no")
    webhook.keep_state("", LATER, None)
    forget_other_channels(engine, ["webhook"], LATER)
    assert seen(settings, engine).failing_channels == ()
    webhook.keep_state("", LATER, "again")
    forget_other_channels(engine, ["webhook"], LATER)
    assert [(one.sink, one.since) for one in seen(settings, engine).failing_channels] == [("webhook", LATER)]
