"""Probes are reported in order, each at least once, over times without a database."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.fleet.report_buffer import ReportBuffer
from controller.fleet.report_sender import ReportSender
from monitor.storage.database import DatabaseError
from monitor.storage.probe_report import ReportedEvent, decode
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.databases import Seconds

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Outbox:
    """Takes reports while it is there."""

    def __init__(self) -> None:
        self.is_there = True
        self.loses_answers = False
        self.calls: list[list[str]] = []

    def send(self, reports: Sequence[str]) -> None:
        """As of `ReportOutbox`."""
        if self.is_there:
            self.calls.append(list(reports))
        if self.loses_answers or not self.is_there:
            raise DatabaseError("away")

    def numbers(self) -> list[int]:
        """Those of the probes that it was given."""
        reports = [decode(report) for reports in self.calls for report in reports]
        return [(each.started_at - NOW).seconds for report in reports for each in report.observations]


def probes(*numbers: int) -> list[Observation]:
    """Those that began so many seconds after noon."""
    return [
        Observation(
            target="a/m@eu", check="chat", started_at=NOW + timedelta(seconds=at), outcome=Outcome.OK, duration_s=0.1
        )
        for at in numbers
    ]


def test_what_people_must_be_told_is_reported(outbox: Outbox, tmp_path: Path) -> None:
    """Once, also where nothing was probed, and later where the database is away."""
    sender = ReportSender(outbox.send, ReportBuffer(tmp_path / "routing.json"))
    outbox.is_there = False
    sender.tell(ReportedEvent(at=NOW, kind="key_refused", subject="a", text="KEY is refused"))
    asyncio.run(sender.report())
    outbox.is_there = True
    sender = ReportSender(outbox.send, ReportBuffer(tmp_path / "routing.json"))
    asyncio.run(sender.report())
    asyncio.run(sender.report())
    told = [event.text for reports in outbox.calls for report in reports for event in decode(report).events]
    assert told == ["KEY is refused"]


@pytest.fixture
def outbox() -> Outbox:
    """The way to the leader."""
    return Outbox()


@pytest.fixture
def seconds() -> Seconds:
    """The sender's clock."""
    return Seconds()


def sender(outbox: Outbox, folder: Path, seconds: Seconds) -> ReportSender:
    """One that keeps what it cannot send in this folder."""
    return ReportSender(outbox.send, ReportBuffer(folder / "routing.json"), monotonic=seconds)


def report(sending: ReportSender, seconds: Seconds, *numbers: int, after_s: float = 0.5) -> None:
    """These were probed, and it is time to report."""
    seconds.now += after_s
    sending.add(probes(*numbers), None)
    asyncio.run(sending.report())


def test_what_could_not_be_sent_is_sent_first(outbox: Outbox, tmp_path: Path, seconds: Seconds) -> None:
    """In order, also by the next process; and once it is sent it is gone from the disk."""
    sending = sender(outbox, tmp_path, seconds)
    report(sending, seconds, 1)
    outbox.is_there = False
    report(sending, seconds, 2)
    report(sending, seconds, 3)
    report(sending, seconds, 4)
    assert list(tmp_path.iterdir())
    outbox.is_there = True
    report(sender(outbox, tmp_path, seconds), seconds, 5)
    assert outbox.numbers() == [1, 2, 3, 4, 5]
    assert not list(tmp_path.iterdir())


def test_what_may_have_arrived_is_sent_again(outbox: Outbox, tmp_path: Path, seconds: Seconds) -> None:
    """The leader counts it once."""
    sending = sender(outbox, tmp_path, seconds)
    outbox.loses_answers = True
    report(sending, seconds, 1)
    outbox.loses_answers = False
    report(sending, seconds, 2, after_s=1.0)
    assert outbox.numbers() == [1, 1, 2]


def test_a_database_that_is_away_is_asked_once_a_second(outbox: Outbox, tmp_path: Path, seconds: Seconds) -> None:
    """While reports are kept four times as often."""
    sending = sender(outbox, tmp_path, seconds)
    outbox.loses_answers = True
    for number in range(9):
        report(sending, seconds, number, after_s=0.25)
    assert len(outbox.calls) == 3


def test_a_machine_that_has_nothing_to_report_gives_signs(outbox: Outbox, tmp_path: Path, seconds: Seconds) -> None:
    """Every five seconds, if it is the one that probes."""
    sending = sender(outbox, tmp_path, seconds)
    report(sending, seconds)
    assert outbox.calls == []
    sending.gives_signs = True
    for _ in range(20):
        report(sending, seconds)
    assert outbox.calls == [[], []]


def test_many_probes_are_several_reports(outbox: Outbox, tmp_path: Path, seconds: Seconds) -> None:
    """None of them is too long to be kept or read."""
    report(sender(outbox, tmp_path, seconds), seconds, *range(2500))
    assert [len(decode(text).observations) for text in outbox.calls[0]] == [1000, 1000, 500]


def test_what_is_left_is_sent_at_the_end(outbox: Outbox, tmp_path: Path) -> None:
    """Whoever stops in good order loses nothing."""
    sending = ReportSender(outbox.send, ReportBuffer(tmp_path / "routing.json"))

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(sending.run(stop))
        await asyncio.sleep(0)
        sending.add(probes(1), NOW)
        stop.set()
        await running

    asyncio.run(run())
    assert outbox.numbers() == [1]
    assert decode(outbox.calls[0][0]).blind_since == NOW
