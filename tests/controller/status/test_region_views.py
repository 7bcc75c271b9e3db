"""When each region last reported, as status, page and `check` say it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from controller.cli.machine_check import region_faults
from controller.status.overview import read
from controller.status.region_views import RegionView, region_views
from monitor.config.settings import Settings
from monitor.storage.database import open_reader, open_writer
from monitor.storage.postgres_engine import open_reporter
from monitor.storage.probe_report_store import ReportInbox, ReportOutbox
from tests.support import builders
from tests.support.builders import T0
from tests.support.postgres import PostgresServer


def test_what_is_said_of_a_region() -> None:
    """The fact first: silent ones are named as such, and so is a leader that does not keep up."""
    eu = RegionView(region="eu", reporter="host-1", silent_s=2.0)
    assert (eu.sentence, eu.is_silent) == ("eu: host-1, 2 s ago", False)
    assert replace(eu, waiting=11).sentence == "eu: host-1, 2 s ago, 11 reports wait"
    assert replace(eu, silent_s=40.0).sentence == "eu: nothing for 40 s (the last was host-1)"
    assert [(view.sentence, view.is_silent) for view in region_views(["us"], [])] == [("us: nothing yet", True)]


@pytest.fixture
def settings(postgres: PostgresServer, tmp_path: Path) -> Settings:
    """Two regions on a new database."""
    return replace(builders.settings(tmp_path, "openai/m"), regions=("eu", "us"), database=postgres.new_database())


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """The database, after a report from one of the regions."""
    writer, engine = open_writer(settings.database), open_reporter(settings.database)
    outbox = ReportOutbox(engine, region="eu", reporter="host-1")
    outbox.send([])
    outbox.close()
    yield open_reader(settings.database)
    writer.dispose()


@pytest.mark.slow
def test_status_and_check_know_the_regions(settings: Settings, engine: Engine) -> None:
    """By the database's time; a database that nobody has used yet is no fault of a region."""
    overview = read(settings, engine, T0)
    assert [(view.region, view.is_silent) for view in overview.regions] == [("eu", False), ("us", True)]
    [fault] = region_faults(settings)
    assert (fault.found, fault.remedy) == ("region us: nothing yet", "see `hotspare run` in us")
    with psycopg.connect(settings.database.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE regions SET reported_ms = reported_ms - 40000")
    assert ReportInbox(engine).regions()[0].silent_s >= 40
    assert [fault.found[:15] for fault in region_faults(settings)] == ["region eu: noth", "region us: noth"]
    assert region_faults(replace(settings, regions=())) == []


@pytest.mark.slow
def test_an_empty_database_is_no_fault_of_a_region(settings: Settings) -> None:
    """`check` is run before anything else."""
    assert region_faults(settings) == []
