"""What `hotspare check` finds wrong with the machine, and what it says to do."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from controller.cli.machine_check import (
    MachineProblem,
    clock_faults,
    database_faults,
    files_faults,
    folder_faults,
    name_faults,
    proxy_faults,
    shared_clock_faults,
)
from controller.cli.main import main
from monitor.storage.database import DatabaseError, open_reader
from probes.observation import Observation
from probes.outcome import Outcome
from probes.transcript import Transcript, TranscriptResponse
from tests.support.configurations import write
from tests.support.postgres import PostgresServer
from tests.support.postgres_network import silent_server

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def answer(date: str | None, *, outcome: Outcome = Outcome.OK, detail: str = "") -> Transcript:
    """An answer that came 0.4 s after NOW, with that `Date`; None: nothing came."""
    observation = Observation(
        target="a/b", check="chat", started_at=NOW, outcome=outcome, duration_s=3.0, first_byte_s=0.4, detail=detail
    )
    response = TranscriptResponse(status=200, headers=(("Date", date),), body="") if date is not None else None
    return Transcript(observation=observation, request=None, response=response, reasoning=())


def subjects(faults: list[MachineProblem]) -> list[str]:
    """What they are about."""
    return [fault.subject for fault in faults]


@pytest.mark.parametrize(("off", "words"), [(timedelta(minutes=5), "5 min behind"), (-timedelta(days=2), "2 d ahead")])
def test_the_clock_is_that_of_most_providers(off: timedelta, words: str) -> None:
    """One provider's wrong clock is its own; what is no date counts for nothing."""
    stated = format_datetime(NOW + off, usegmt=True)
    [fault] = clock_faults([answer(stated), answer(stated), answer("yesterday"), answer(None)])
    assert words in fault.found
    assert "NTP" in fault.remedy
    right = answer(format_datetime(NOW, usegmt=True))
    assert clock_faults([answer(stated), right, right]) == []
    assert clock_faults([]) == []


def test_names_are_at_fault_where_none_resolves() -> None:
    """A single one may be misspelled."""
    unknown = answer(None, outcome=Outcome.UNREACHABLE, detail="the name of a.example does not resolve: no such name")
    assert subjects(name_faults([unknown, unknown])) == ["names"]
    assert name_faults([unknown]) == []
    assert name_faults([unknown, answer("")]) == []


def test_a_folder_without_room_or_rights(tmp_path: Path) -> None:
    """A folder that is not there yet is judged by the one above; a file in its place takes no folder."""
    assert folder_faults(tmp_path / "not" / "there", lambda _: 2**40) == []
    [full] = folder_faults(tmp_path, lambda _: 5 * 2**20)
    assert (full.subject, full.found) == ("disk", f"5 MiB are free for {tmp_path}")
    (tmp_path / "file").touch()
    [taken] = folder_faults(tmp_path / "file" / "var")
    assert taken.subject == "folder"
    assert str(tmp_path / "file") in taken.found


@pytest.mark.parametrize(("limit", "targets", "wrong"), [(1024, 100, False), (256, 100, True), (-1, 10_000, False)])
def test_open_files(limit: int, targets: int, wrong: bool) -> None:
    """Two a target, and 64: as many as the service can be given at its start."""
    faults = files_faults((128, limit), targets)
    assert subjects(faults) == ["files"] * wrong
    assert not wrong or "ulimit -Hn 264" in faults[0].remedy


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of something that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_proxy_that_takes_no_connection_is_named_once_without_its_password(listening: int) -> None:
    """Whatever the number of providers behind it."""
    addresses = ["https://a.example/v1", "https://b.example"]
    [fault] = proxy_faults(addresses, "http://ana:s3cret@127.0.0.1:9")
    assert fault.found.startswith("network.proxy 127.0.0.1:9 takes no connection")
    assert "s3cret" not in str(fault)
    assert proxy_faults(addresses, f"http://127.0.0.1:{listening}") == []


def test_a_database_in_postgresql_is_looked_at(postgres: PostgresServer) -> None:
    """Without a change to it; what the service would stumble over is said."""
    url = postgres.new_database()
    assert database_faults(url) == []
    assert database_faults("sqlite:///var/not-there.db") == []
    with pytest.raises(DatabaseError, match="is empty"):
        open_reader(url)
    postgres.admin("CREATE ROLE guest LOGIN")
    [fault] = database_faults(url.replace("//postgres:", "//guest:"))
    assert "lets this user make no tables: make the user the database's owner" in fault.found


@pytest.mark.parametrize(
    ("off", "words"),
    [(timedelta(seconds=-90), "1 min 30 s behind the database's"), (timedelta(hours=1), "1 h ahead of")],
)
def test_the_clock_is_that_of_the_database(postgres: PostgresServer, off: timedelta, words: str) -> None:
    """All machines on it go by it; a file has none."""
    url = postgres.new_database()
    [fault] = shared_clock_faults(url, now=lambda: datetime.now(UTC) + off)
    assert (fault.subject, words in fault.found) == ("clock", True)
    assert shared_clock_faults("sqlite:///var/hotspare.db", now=lambda: NOW) == []


@pytest.mark.slow
def test_a_database_that_says_nothing_is_given_up() -> None:
    """Within seconds, and without its password."""
    with silent_server() as silent:
        [fault] = database_faults(silent)
    assert "cannot be reached" in fault.found
    assert "geheim12" not in fault.found


def test_check_looks_at_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also offline; a fault is bad news."""
    (tmp_path / "taken").touch()
    path = write(tmp_path, routing_file=str(tmp_path / "taken" / "routing.json"))
    environ = pytest.MonkeyPatch()
    environ.setenv("OPENAI_API_KEY", "sk-made-up")
    try:
        assert main(["check", "--offline", "--json", "-c", str(path)]) == 1
    finally:
        environ.undo()
    [fault] = json.loads(capsys.readouterr().out)["machine"]
    assert fault["subject"] == "folder"
