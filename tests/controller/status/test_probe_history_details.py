"""What stands beside a target's health: who else answered, that it will go, and ids for a ticket."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine

from controller.cli import status
from controller.history.queries import History
from controller.status.document import status_document
from controller.status.overview import read
from controller.status.probe_history import RecentDetails
from controller.status.queries import read_recent_details
from monitor.config.settings import Settings
from monitor.detection.target_state import CheckFailures, TargetState, to_json
from monitor.health import Health
from monitor.storage.database import open_reader, open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from probes.context_check import CONTEXT
from probes.outcome import Outcome
from probes.target import Check
from tests.support import seeded_database as seeded
from tests.support.builders import observation
from ui import providers

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = "<b>gpt-5</b>"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Six targets, one of which is down."""
    made = seeded.settings_in(tmp_path)
    seeded.seed(made, NOW)
    seeded.break_openai(made, NOW)
    return made


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """Its database, with failures that have ids, and a target whose model is another."""
    opened = open_writer(settings.database)
    late = NOW - timedelta(seconds=1)
    failed = replace(observation("x"), target=seeded.LUNA, outcome=Outcome.OVERLOADED)
    answered = replace(observation("."), target=seeded.FLASH)
    Store(opened).record(
        [
            *[
                replace(failed, started_at=late - timedelta(milliseconds=n), request_id=f"req_{n // 2}")
                for n in range(10)
            ],
            replace(failed, started_at=late - timedelta(milliseconds=20), outcome=Outcome.OK, request_id="req_of_ok"),
            replace(answered, started_at=late, check=Check.CHAT),
            replace(answered, started_at=late, check=Check.STREAM, model=HOSTILE, deprecation="retires 2026-12-01"),
            replace(
                observation("."), target=seeded.HAIKU, started_at=late, limit_left="2 of 60 requests", limit_resets_s=9
            ),
            replace(answered, started_at=late - timedelta(seconds=1), check=Check.CHAT, model="gpt-4"),
            replace(answered, started_at=late + timedelta(seconds=1), outcome=Outcome.BAD_ANSWER, model="gpt-3"),
        ]
    )
    yield opened
    opened.dispose()


def test_the_newest_ids_of_failures(engine: Engine) -> None:
    """Three, each once, the newest first; those of successes are nobody's business."""
    with engine.connect() as connection:
        assert read_recent_details(connection, seeded.LUNA, NOW).request_ids == ("req_0", "req_1", "req_2")


def test_the_newest_answer_of_each_check_speaks(engine: Engine) -> None:
    """What an older answer or a wrong one said is over."""
    with engine.connect() as connection:
        assert read_recent_details(connection, seeded.FLASH, NOW).notices == (
            f"{seeded.FLASH} was answered by {HOSTILE}",
            f"the provider says of {seeded.FLASH}: retires 2026-12-01",
        )
        low = f"{seeded.HAIKU} is close to a limit: 2 of 60 requests left until 12:00:08 UTC"
        assert read_recent_details(connection, seeded.HAIKU, NOW).notices == (low,)
        assert read_recent_details(connection, seeded.HAIKU, NOW + timedelta(seconds=9)).notices == ()
        assert read_recent_details(connection, "nobody/heard-of", NOW) == RecentDetails()


def test_status_and_the_page_show_them(settings: Settings, engine: Engine) -> None:
    """Ids for targets that fail alone; hostile names as text."""
    overview = read(settings, engine, NOW)
    ids = "req_0, req_1, req_2"
    console = Console(width=400, file=io.StringIO(), highlight=False)
    status.print_overview(overview, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()
    assert f"request ids of {seeded.LUNA}'s last failures, for a ticket: {ids}" in shown
    assert f"{seeded.FLASH} was answered by {HOSTILE}" in shown

    targets = {one["target"]: one for one in status_document(overview)["targets"]}
    assert targets[seeded.LUNA]["request_ids"] == ids.split(", ")
    assert targets[seeded.HAIKU]["request_ids"] == []
    assert len(targets[seeded.FLASH]["notices"]) == 2

    page = providers.providers(overview, History(now=NOW, routes=(), targets=()))
    assert ids in page
    assert "answered by &lt;b&gt;gpt-5&lt;/b&gt;" in page
    assert HOSTILE not in page


def test_status_and_the_page_show_a_failing_check_context(settings: Settings, engine: Engine) -> None:
    """As the stored state has it, from the failure on that people were told of."""
    told = CheckFailures(check=CONTEXT, outcome=Outcome.BAD_REQUEST, failed=4, failed_at=NOW, reported_at=NOW)
    writer = open_writer(settings.database)
    for failures, is_shown in ((replace(told, reported_at=None), False), (told, True)):
        state = TargetState(target=seeded.HAIKU, since=NOW, health=Health.UP, context=failures)
        health = Store(writer).states()[seeded.HAIKU].health
        Store(writer).save_states([SavedTargetState(health=health, at=NOW, record=to_json(state))], [])
        overview = read(settings, engine, NOW)
        [document] = [one for one in status_document(overview)["targets"] if one["target"] == seeded.HAIKU]
        said = f"{seeded.HAIKU}: it has failed the check context 4 times in a row (bad_request)"
        assert (said in document["notices"]) == is_shown
        page = providers.providers(overview, History(now=NOW, routes=(), targets=()))
        assert ("failed the check context 4 times in a row" in page) == is_shown
    writer.dispose()


def test_a_reader_needs_no_more_than_to_read(settings: Settings, engine: Engine) -> None:
    """The page's engine is read-only."""
    reader = open_reader(settings.database)
    assert any(one.remarks for one in read(settings, reader, NOW).targets)
    reader.dispose()
