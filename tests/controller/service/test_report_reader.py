"""What other machines have probed reaches the control loop once, and only while it says something of the present."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.alerts.service_health import ServiceHealth
from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.report_reader import ReportReader
from monitor.storage.postgres_engine import open_reporter
from monitor.storage.postgres_writer import PostgresWriter
from monitor.storage.probe_report import ProbeReport, encode
from monitor.storage.probe_report_store import ReportInbox, ReportOutbox
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.builders import T0, target
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.slow
TARGET = replace(target("openai/m"), monitored_from="eu", interval_s=30.0)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def writer(url: str) -> Iterator[PostgresWriter]:
    """The leader's."""
    made = PostgresWriter(url, statement_s=20)
    made.open()
    yield made
    made.close()


@pytest.fixture
def leader(writer: PostgresWriter) -> Iterator[Callable[[], ReportReader]]:
    """Makes the reader of whoever leads."""
    database = WorkerThread("database")
    recorder = BackgroundRecorder(store=Store(writer.engine), database=database, clock=lambda: T0)
    yield lambda: ReportReader(
        regions=("eu",),
        inbox=ReportInbox(writer.engine),
        observations=asyncio.Queue(),
        targets=lambda: [TARGET],
        health=ServiceHealth(),
        recorder=recorder,
    )
    database.shutdown()


@pytest.fixture
def report(url: str) -> Iterator[Callable[..., None]]:
    """Reports probes that began so many seconds ago."""
    outbox = ReportOutbox(open_reporter(url), region="eu", reporter="host-1")

    def send(*ages_s: float, blind_s: float | None = None) -> None:
        observations = tuple(
            Observation(
                target=TARGET.id,
                check="chat",
                started_at=T0 - timedelta(seconds=age_s),
                outcome=Outcome.OK,
                duration_s=1.0,
            )
            for age_s in ages_s
        )
        since = None if blind_s is None else T0 - timedelta(seconds=blind_s)
        outbox.send([encode(ProbeReport(observations=observations, blind_since=since))])

    yield send
    outbox.close()


def run_until(reader: ReportReader, holds: Callable[[], bool]) -> None:
    """Let it read until that holds."""

    async def run() -> None:
        reading = asyncio.create_task(reader.run())
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - the database knows
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(run())


def test_what_is_too_old_is_history_alone(
    leader: Callable[[], ReportReader], writer: PostgresWriter, report: Callable[..., None]
) -> None:
    """A target that has been silent for so long is unknown, and must not become known for a moment."""
    seen: list[Observation] = []
    reader = leader()
    reader.on_observation = seen.append
    report(3600, 600, 90, 5)
    run_until(reader, lambda: len(seen) == 4)
    ages = [(T0 - reader.observations.get_nowait().started_at).seconds for _ in range(2)]  # type: ignore[union-attr]
    assert ages == [90, 5]
    assert reader.observations.empty()
    assert len(Store(writer.engine).observations(TARGET.id, after=T0 - timedelta(hours=2))) == 4


def test_people_are_told_of_a_region_once(
    leader: Callable[[], ReportReader], writer: PostgresWriter, report: Callable[..., None]
) -> None:
    """Whoever leads next knows that they were."""
    store = Store(writer.engine)

    def told() -> list[tuple[str, str, str | None]]:
        return [(event.kind, event.subject, event.telling) for event in store.events_after(0)[1]]

    blind, back = ("region_blind", "eu", "due"), ("region_reports_again", "eu", "due")
    report(5, blind_s=90)
    run_until(leader(), lambda: told() == [blind])
    report(4)
    run_until(leader(), lambda: told() == [blind, back])
