"""`hotspare incidents` over a real database, and beside a service that goes on with its work."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from controller.alerts.delivery import Receipt
from controller.alerts.delivery_store import DeliveryStore
from controller.cli.main import main
from controller.cycle.cycle import Cycle
from controller.incidents.incident import EntryKind, Incident, sum_numbers
from controller.incidents.store import CommentStore
from controller.incidents.timeline import MAX_COMMENTS
from controller.journal import Journal
from controller.routing.operator_requests import RefusedError
from controller.routing.routing_file import RoutingFile
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.observation import Observation
from tests.support.builders import OUTCOMES, observation
from tests.support.pending_reports import untold_incidents

A, B = "openai/a", "other/b"
CONFIG = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: "${{KEY}}", models: {{a: {{}}}}}}
  other: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: "${{KEY}}", models: {{b: {{}}}}}}
routes: {{chat: {{candidates: [openai/a, other/b]}}}}
connectivity: {{endpoints: []}}
"""
HOSTILE = "see https://evil.example @here | <script>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Desk:
    """A service whose cycles run when the test says so, and an operator beside it with commands."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "hotspare.yaml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.settings = load(self.config, {}, keys=False)
        self._capsys = capsys
        self.engine: Engine = open_writer(self.settings.database)
        self.journal = Journal(self.engine)
        self.now = utc_now() - timedelta(minutes=30)
        self.start()

    def start(self) -> None:
        """A service starts, or starts again after a crash, with what is in the database."""
        self.cycle = Cycle(self.settings, Store(self.engine), self.journal, RoutingFile(self.settings.routing_file))
        self.cycle.start(self.now)
        self.cycle.run((), self.now)

    def see(self, symbols: str, *, name: str = A, every_s: float = 5.0) -> None:
        """One cycle for each probe; the other target answers meanwhile."""
        for symbol in symbols:
            self.now += timedelta(seconds=every_s)
            self.cycle.run((self.seen(symbol, name), self.seen(".", B if name == A else A)), self.now)

    def seen(self, symbol: str, name: str) -> Observation:
        """What a probe of a target saw just now."""
        number = int(self.now.timestamp())
        detail = HOSTILE if symbol != "." else ""
        one = replace(observation(".", name=name), outcome=OUTCOMES[symbol], detail=detail, request_id=f"req_{number}")
        return replace(one, started_at=self.now - timedelta(seconds=0.1))

    def do(self, *words: str) -> Said:
        """One `hotspare incidents` command, without any key in the environment."""
        self._capsys.readouterr()
        try:
            status = main(["incidents", "-c", str(self.config), *words])
        except SystemExit as ended:
            status = int(str(ended.code))
        captured = self._capsys.readouterr()
        said = captured.err.splitlines()
        return Said(status=status, out=captured.out, err="\n".join(said))

    def kept(self) -> Incident:
        """The first incident as it is stored."""
        found = self.journal.incident(1)
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """A service that has seen twenty good probes of each target."""
    desk = Desk(tmp_path, capsys)
    desk.see("." * 20)
    yield desk
    desk.engine.dispose()


@pytest.fixture
def broken(desk: Desk) -> Desk:
    """The same after an outage has begun and the route has moved."""
    desk.see("x" * 16)
    assert desk.journal.routes()["chat"].target == B
    return desk


def test_nothing_has_happened(desk: Desk) -> None:
    """The list says so with 0; the document is an empty list; an id is refused with the reason."""
    assert desk.do() == Said(status=0, out="no incident in 30 d\n", err="")
    assert desk.do("--open").out == "no incident is open\n"
    assert desk.do("--json").document["incidents"] == []
    said = desk.do("show", "7")
    assert (said.status, said.err) == (2, "there is no incident 7; there has been none at all so far")


@pytest.mark.slow
def test_the_list_is_bad_news_while_one_is_open(broken: Desk) -> None:
    """1 with the open one, 0 once it is over; `--since` leaves out what is older."""
    said = broken.do()
    assert said.status == 1
    assert "outage of openai" in said.out
    assert ", open" in said.out
    broken.see("." * 80)
    assert broken.kept().resolved_at is not None
    assert broken.do().status == 0
    assert [one["id"] for one in broken.do("--json").document["incidents"]] == [1]
    assert broken.do("--since", "1s").out == "no incident in 1 s\n"
    assert broken.do("--open").out == "no incident is open\n"


@pytest.mark.slow
def test_one_incident_is_shown_with_all_that_is_known(broken: Desk) -> None:
    """The story from the first failed probe on, the evidence, the effect, ids for a ticket; 1 while it is open."""
    said = broken.do("show", "1")
    assert said.status == 1
    told = said.out
    for part in (
        "Incident 1: outage of openai, open for",
        "chat → other/b",
        "First failed probe: server_error from openai/a",
        "openai/a is down: ",
        "Route chat moved from openai/a to other/b",
        "probes were not ok (server_error)",
        "route chat pointed at a failing target for",
        "it was on openai/a for",
        "request ids of failed probes: req_",
    ):
        assert part in told, told


@pytest.mark.slow
def test_the_document_of_one_has_the_same(broken: Desk) -> None:
    """Numbered lines with their kinds, figures, stays; 0 once it is over, and then the figures are stored."""
    broken.see("." * 80)
    said = broken.do("show", "1", "--json")
    assert said.status == 0
    found = said.document
    assert found["provider"] == "openai"
    assert [line["number"] for line in found["timeline"]] == list(range(1, len(found["timeline"]) + 1))
    assert found["timeline"][0]["kind"] == "first_failure"
    assert found["timeline"][-1]["kind"] == "resolved"
    assert found["numbers"]["failures"] == 16
    assert [stay["target"] for stay in found["stays"]][:2] == [A, B]
    kept = broken.kept()
    assert sum_numbers(kept.numbers)[1].total() == 16
    assert (list(kept.request_ids), dict(kept.on_failing_s)) == (found["request_ids"], found["on_failing_s"])
    exposed_s = (broken.journal.decisions()[-2].at - kept.onset).total_seconds()
    assert dict(kept.on_failing_s) == {"chat": pytest.approx(exposed_s, abs=0.01)}


@pytest.mark.slow
def test_a_note_is_kept_through_all_that_the_service_does(broken: Desk) -> None:
    """Written beside the running service, it moves the revision, and is still there when the incident is resolved."""
    before = broken.kept().revision
    said = broken.do("note", "1", "called the vendor\nticket 4711", "--author", "ana")
    assert said == Said(status=0, out="incident 1, outage of openai: ana: called the vendor ticket 4711\n", err="")
    assert broken.kept().revision == before + 1
    broken.see("." * 80)
    kept = broken.kept()
    assert kept.resolved_at is not None
    assert kept.revision > before + 2
    [note] = [line for line in kept.timeline if line.kind is EntryKind.NOTE]
    assert (note.text, note.author) == ("called the vendor ticket 4711", "ana")
    numbers = [line.number for line in kept.timeline]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.slow
def test_a_note_after_the_end_reaches_people_too(broken: Desk) -> None:
    """The revision moves past what they were told; and it is there when the incident comes back."""
    broken.see("." * 80)
    DeliveryStore(broken.engine, "slack").keep(Receipt(incidents=((1, broken.kept().revision, 0),)))
    assert untold_incidents(broken.journal) == []
    broken.do("note", "1", "it was the weather", "--author", "ana")
    assert [row.id for row in untold_incidents(broken.journal)] == [1]
    broken.see("x" * 16)
    kept = broken.kept()
    assert (kept.reopened, kept.resolved_at) == (1, None)
    assert "it was the weather" in [line.text for line in kept.timeline]


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        pytest.param(("note", "1", " \n "), 2, "the note is empty: say what people should know", id="nothing is said"),
        pytest.param(
            ("note", "1", "x" * 1001),
            2,
            "the note has 1,001 characters; at most 1,000 can be shown to people",
            id="long",
        ),
        pytest.param(("note", "9", "x"), 2, "there is no incident 9; the latest are 1", id="of none that there is"),
        pytest.param(("ack", "9"), 2, "there is no incident 9; the latest are 1", id="looking after none"),
        pytest.param(
            ("export", "9", "--markdown"), 2, "there is no incident 9; the latest are 1", id="a report of none"
        ),
    ],
)
def test_what_cannot_be_said(broken: Desk, words: tuple[str, ...], status: int, error: str) -> None:
    """Exit status 2 and one sentence; nothing is written."""
    before = broken.kept()
    author = () if words[0] == "export" else ("--author", "ana")
    said = broken.do(*words, *author)
    assert (said.status, said.err) == (status, error)
    assert broken.kept() == before


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**70)])
def test_what_is_no_number(broken: Desk, number: str) -> None:
    """It is said before anything is read."""
    said = broken.do("show", number)
    assert said.status == 2


@pytest.mark.slow
def test_somebody_looks_after_it(broken: Desk) -> None:
    """Once is enough, somebody else takes over, and nobody has to once it is resolved."""
    assert broken.do("ack", "1", "--author", "ana").out == "incident 1, outage of openai: Acknowledged by ana\n"
    once = broken.kept()
    assert (once.acknowledged_by, once.timeline[-1].kind) == ("ana", EntryKind.ACKNOWLEDGED)
    assert broken.do("ack", "1", "--author", "ana").status == 0
    assert broken.kept() == once
    assert broken.do("ack", "1", "--author", "ben", "--json").document["acknowledged_by"] == "ben"
    assert broken.kept().timeline[-1].text == "Acknowledged by ben, who takes over from ana"
    broken.see("." * 80)
    assert broken.kept().acknowledged_by == "ben"
    said = broken.do("ack", "1", "--author", "ana")
    assert (said.status, said.err) == (1, "incident 1 is resolved and needs no acknowledgement")
    broken.see("x" * 16)
    assert broken.kept().acknowledged_by is None, "it came back, and needs somebody again"


def test_what_people_say_is_bounded(broken: Desk) -> None:
    """So that it never pushes the story out; the refusal says so."""
    remarks = CommentStore(broken.engine)
    for n in range(MAX_COMMENTS):
        remarks.note(1, f"note {n}", author="ana", at=broken.now)
    with pytest.raises(RefusedError, match="has 20 comments"):
        remarks.note(1, "one more", author="ana", at=broken.now)
    said = broken.do("note", "1", "one more", "--author", "ana")
    assert (said.status, said.err) == (
        1,
        "incident 1 has 20 comments, and takes no more: write the rest elsewhere",
    )


@pytest.mark.slow
def test_a_report_is_worth_pasting(broken: Desk, tmp_path: Path) -> None:
    """Every part of it, to a file or to standard output; what others wrote stays text."""
    broken.do("note", "1", HOSTILE, "--author", "ana")
    broken.see("." * 80)
    printed = broken.do("export", "1", "--markdown")
    assert printed.status == 0
    headings = [line for line in printed.out.splitlines() if line.startswith("#")]
    assert headings == [
        "# Incident 1: outage of openai",
        "## Impact",
        "## Timeline",
        "## Evidence",
        "## What was done",
        "## Notes",
    ]
    assert "see `https://evil.example` `@here` \\| \\<script\\>" in printed.out
    file = tmp_path / "report.md"
    written = broken.do("export", "1", "--markdown", "-o", str(file))
    assert written.out.startswith(f"{file}: outage of openai, resolved after ")
    assert file.read_text() == printed.out
    assert broken.do("export", "1", "--markdown", "--json").document["markdown"] == printed.out


def test_a_report_that_cannot_be_written_says_where(broken: Desk, tmp_path: Path) -> None:
    """The folder is missing."""
    said = broken.do("export", "1", "--markdown", "-o", str(tmp_path / "nowhere" / "x.md"))
    assert said.status == 2
    assert said.err == f"{tmp_path}/nowhere/x.md cannot be written: No such file or directory"


def test_a_report_overwrites_reports_alone(broken: Desk, tmp_path: Path) -> None:
    """Not the database, nor the configuration."""
    file = tmp_path / "report.md"
    file.touch()
    for _ in range(2):
        assert broken.do("export", "1", "--markdown", "-o", str(file)).status == 0
    for name in ("hotspare.db", "hotspare.yaml"):
        before = (tmp_path / name).read_bytes()
        said = broken.do("export", "1", "--markdown", "-o", str(tmp_path / name))
        assert (said.status, (tmp_path / name).read_bytes()) == (2, before)
        assert said.err.endswith("is there already, and is no report: name another file; it is as it was")


def test_without_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2, and what to do."""
    config = tmp_path / "hotspare.yaml"
    config.write_text(CONFIG.format(folder=tmp_path))
    assert main(["incidents", "-c", str(config)]) == 2
    assert "is `hotspare run` running" in capsys.readouterr().err


def test_a_crash_between_the_verdict_and_the_incident_loses_nothing(desk: Desk) -> None:
    """The transition was stored and the process died: the next start opens the incident as it would have been."""

    class DiedError(Exception):
        """Stands for the end of the process at that point."""

    class Dying(Journal):
        def commit(self, *_: Any) -> list[Incident]:
            raise DiedError

    desk.journal = Dying(desk.engine)
    desk.start()
    with pytest.raises(DiedError):
        desk.see("x" * 30)
    assert desk.do().out == "no incident in 30 d\n"
    desk.journal = Journal(desk.engine)
    desk.now += timedelta(minutes=2)
    desk.start()
    story = [(line.kind, line.text) for line in desk.kept().timeline]
    assert story[0][0] is EntryKind.FIRST_FAILURE
    assert story[0][1] == "First failed probe: server_error from openai/a"
    assert [kind for kind, _ in story[1:]] == [EntryKind.HEALTH, EntryKind.MOVED]
    assert desk.kept().opened_at < desk.now - timedelta(minutes=2) + timedelta(seconds=1)


@pytest.mark.slow
def test_incidents_of_an_older_version_go_on(broken: Desk) -> None:
    """Their lines have neither kind nor number: they are read, numbered, and the story goes on."""
    with sqlite3.connect(broken.folder / "hotspare.db") as database:
        [(text,)] = database.execute("SELECT document FROM incidents").fetchall()
        document = json.loads(text)
        document["timeline"] = [{"at_ms": line["at_ms"], "text": line["text"]} for line in document["timeline"]]
        for name in ("numbers", "request_ids", "on_failing_s"):
            del document[name]
        database.execute("UPDATE incidents SET document = ?", (json.dumps(document),))
    database.close()
    broken.start()
    broken.see("." * 80)
    kept = broken.kept()
    assert kept.resolved_at is not None
    assert sorted(line.number for line in kept.timeline) == list(range(1, len(kept.timeline) + 1))


@pytest.mark.slow
def test_several_providers_at_once_are_told_under_one_headline(desk: Desk) -> None:
    """The later one knows the first, for ever; the first leads."""
    for _ in range(30):
        desk.now += timedelta(seconds=5)
        desk.cycle.run((desk.seen("x", A), desk.seen("x", B)), desk.now)
    found = {one.provider: one for one in desk.journal.incidents()}
    first, second = sorted(found.values(), key=lambda one: (one.opened_at, one.id))
    assert (first.lead_id, second.lead_id) == (None, first.id)
    desk.see("." * 100)
    assert [one.lead_id for one in desk.journal.incidents() if one.id == second.id] == [first.id]
    assert f"(with {first.id})" in desk.do().out
