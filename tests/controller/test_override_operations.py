"""The operator's commands: their output, their exit status, and what they write to the database."""

import getpass
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli.main import main
from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.overrides import Override
from controller.routing.routing_file import RoutingFile
from controller.routing.store import OverrideStore
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.health import Health, TargetHealth
from monitor.storage.database import open_reader, open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from tests.support import seeded_database as seeded
from tests.support.builders import observation

A, B = "openai/a", "other/b"
CONFIG = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: "${{KEY}}", models: {{a: {{}}}}}}
  other: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: "${{KEY}}", models: {{b: {{}}}}}}
routes: {{chat: {{candidates: [openai/a, other/b]}}, code: {{candidates: [openai/a]}}}}
connectivity: {{endpoints: []}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended."""

    status: int
    out: str
    err: str


class CommandLine:
    """Runs commands as an operator, with a configuration whose keys are not set."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = folder / "hotspare.yaml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.settings = load(self.config, {}, keys=False)
        self._capsys = capsys

    def do(self, *words: str, reason: str | None = "a test") -> CommandResult:
        """One command, by ana."""
        self._capsys.readouterr()
        why = [] if reason is None else ["--reason", reason]
        status = main([*words, *why, "--author", "ana", "-c", str(self.config)])
        captured = self._capsys.readouterr()
        return CommandResult(status=status, out=captured.out, err=captured.err.rstrip("\n"))

    def had_service(self, *, failing: bool = False) -> None:
        """A service that ran once, and stopped in good order; both targets were up, or the first down."""
        now = utc_now()
        engine = open_writer(self.settings.database)
        store = Store(engine)
        health = Health.DOWN if failing else Health.UP
        first = TargetHealth(target=A, health=health, since=now, reason=f"{A} is {health}: seen", last_ok_at=now)
        store.save_states([SavedTargetState(health=first, at=now, record="{}")], [])
        seeded.beat(store, now, stopped_at=now)
        engine.dispose()

    @contextmanager
    def running_service(self, *, every_s: float = 0.05) -> Iterator[None]:
        """The part of the service that decides, cycle after cycle, with both targets up."""
        engine = open_writer(self.settings.database)
        store = Store(engine)
        cycle = Cycle(self.settings, store, Journal(engine), RoutingFile(self.settings.routing_file))
        cycle.start(utc_now())
        seen = [observation(name=name, at_s=0) for name in (A, B)]
        now = utc_now()
        cycle.run([replace(one, started_at=now) for one in seen], now + timedelta(seconds=1))
        seeded.beat(store, utc_now())
        stop = threading.Event()

        def decide() -> None:
            while not stop.wait(every_s):
                cycle.run((), utc_now())

        thread = threading.Thread(target=decide)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            engine.dispose()

    def in_force(self) -> list[Override]:
        """What the database holds."""
        engine = open_reader(self.settings.database)
        found = OverrideStore(engine).in_force(utc_now())
        engine.dispose()
        return found

    def serving(self, route: str = "chat") -> str:
        """Where the routing file points."""
        return RoutingFile(self.settings.routing_file).read_targets()[route]


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """An operator without a database yet."""
    return CommandLine(tmp_path, capsys)


def test_pin_and_unpin_say_what_the_service_did(operator: CommandLine) -> None:
    """The command comes back once the routing file says it, with where it pointed before."""
    with operator.running_service():
        assert operator.serving() == A
        pinned = operator.do("pin", "chat", B)
        assert (pinned.status, pinned.err) == (0, "")
        first, second = pinned.out.splitlines()
        assert first.startswith(f"the pin of chat to {B} is in force until ")
        assert first.endswith("(2 h)")
        assert second == f"chat now points at {B}; it was {A}"
        assert operator.serving() == B
        assert operator.do("pin", "chat", B, "--for", "30m").out.splitlines()[1] == f"chat stays on {B}"
        [kept] = operator.in_force()
        assert (kept.author, kept.until - kept.at) == ("ana", timedelta(minutes=30))
        unpinned = operator.do("unpin", "chat")
        assert unpinned.out == f"the pin of chat to {B} by ana has ended\nchat now points at {A}; it was {B}\n"
        nothing = operator.do("unpin", "chat")
        assert (nothing.status, nothing.out, nothing.err) == (1, "", "chat is not pinned")


@pytest.mark.slow
def test_in_a_dry_run_a_pin_is_kept_and_nothing_is_missing(operator: CommandLine) -> None:
    """The route is where it should be: at its first candidate."""
    operator.config.write_text(operator.config.read_text() + "controller: {dry_run: true}\n")
    operator.settings = load(operator.config, {}, keys=False)
    with operator.running_service():
        pinned = operator.do("pin", "chat", B)
    kept = "controller.dry_run is set: this is recorded, the routes stay as they are configured"
    assert (pinned.status, pinned.out.splitlines()[1:]) == (0, [f"chat stays on {A}", kept])


@pytest.mark.slow
def test_drain_moves_what_it_can_and_says_what_it_cannot(operator: CommandLine) -> None:
    """A route without another candidate is held, and that is bad news."""
    with operator.running_service():
        drained = operator.do("drain", "openai", "--for", "1h")
        assert drained.status == 1
        assert drained.out.splitlines()[1:] == [
            f"chat now points at {B}; it was {A}",
            f"code stays on {A}: it is held there, because no other candidate is eligible",
        ]
        other = operator.do("undrain", A)
        assert (other.status, other.err) == (1, f"{A} is not drained; 1 other in force: openai")
        assert operator.do("undrain", "openai").status == 0
        operator.do("pin", "chat", B)
        pinned_there = operator.do("drain", B)
        assert pinned_there.out.splitlines()[1:] == [f"chat stays on {B}: it is pinned there by ana"]


def test_resume_all_ends_every_pause(operator: CommandLine) -> None:
    """Those of single routes too; the others stay as they are."""
    with operator.running_service():
        assert operator.do("pause", "chat").out.splitlines()[1:] == [f"chat stays on {A}"]
        assert operator.do("pause", "all").out.splitlines()[1:] == [f"chat stays on {A}", f"code stays on {A}"]
        wrong = operator.do("resume", "code")
        assert (wrong.status, wrong.err) == (1, "code is not paused; 2 others in force: chat, all")
        assert operator.do("resume", "all").status == 0
        assert operator.in_force() == []
        assert operator.do("resume", "all").err == "nothing is paused"


def test_json_is_one_document(operator: CommandLine) -> None:
    """With the overrides that began, whether it is in effect, and each route before and after."""
    with operator.running_service():
        said = json.loads(operator.do("pin", "chat", B, "--json").out)
    assert (said["service"], said["in_effect"]) == ("running", True)
    assert [(one["kind"], one["subject"], one["target"], one["ended_at"]) for one in said["overrides"]] == [
        ("pin", "chat", B, None)
    ]
    [route] = said["routes"]
    assert (route["route"], route["before"], route["target"]) == ("chat", A, B)
    assert "pinned to other/b by ana" in route["reason"]


def test_without_a_service_it_waits_for_one(operator: CommandLine) -> None:
    """It is kept, at once, and takes effect with the first file of the next start."""
    operator.had_service()
    pinned = operator.do("pin", "chat", B)
    assert pinned.status == 0
    assert pinned.out.splitlines()[1] == "the service is not running: it takes effect when it starts"
    with operator.running_service():
        assert operator.serving() == B


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_bad_news(operator: CommandLine) -> None:
    """It gave a sign of life a moment ago, and has not taken it up after two seconds."""
    with operator.running_service(every_s=60):
        pinned = operator.do("pin", "chat", B)
    assert pinned.status == 1
    assert "the service has not published it after 2 s" in pinned.out


def test_a_failing_target_needs_force(operator: CommandLine) -> None:
    """Refused with the reason and without a trace; with --force it is kept as forced, with a warning."""
    operator.had_service(failing=True)
    refused = operator.do("pin", "chat", A)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == f"{A} is down: seen\nto pin chat to it anyway, use --force"
    assert operator.in_force() == []
    forced = operator.do("pin", "chat", A, "--force")
    assert forced.status == 0
    assert f"warning: {A} is down: seen" in forced.out
    assert [one.forced for one in operator.in_force()] == [True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["pin", "caht", B], "'caht' is not a route; did you mean 'chat'?", id="a route"),
        pytest.param(
            ["pin", "chat", "other/c"],
            "'other/c' is not a candidate of chat; did you mean 'other/b'?",
            id="a candidate",
        ),
        pytest.param(["pin", "code", B], f"{B!r} is not a candidate of code; there are: {A}", id="of another route"),
        pytest.param(["drain", "oepnai"], "'oepnai' is not a target or a provider; did you mean 'openai'?", id="drain"),
        pytest.param(["pause", "al"], "'al' is not a route or 'all'; did you mean 'all'?", id="pause"),
        pytest.param(["unpin", "caht"], "'caht' is not a route; did you mean 'chat'?", id="nothing to take back"),
        pytest.param(["drain", "x" * 9999 + "\x1b"], "'" + "x" * 60 + "…' is not a target", id="a name like a novel"),
    ],
)
def test_a_name_that_is_not_there_is_2(operator: CommandLine, words: list[str], said: str) -> None:
    """With the nearest one there is."""
    operator.had_service()
    done = operator.do(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(said)
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        pytest.param("", "--reason is empty", id="nothing"),
        pytest.param(" \n\x00\x1b\t", "--reason is empty", id="nothing that can be seen"),
        pytest.param("x" * 10_240, "--reason has 10,240 characters; at most 500", id="a novel"),
    ],
)
def test_a_reason_that_is_none_is_2(operator: CommandLine, reason: str, said: str) -> None:
    """People must be able to read it."""
    operator.had_service()
    done = operator.do("pause", "all", reason=reason)
    assert done.status == 2
    assert done.err.startswith(said)
    assert operator.in_force() == []


def test_a_hostile_reason_is_one_harmless_line(operator: CommandLine) -> None:
    """It is kept without control characters; who shows it escapes the rest."""
    operator.had_service()
    assert operator.do("pause", "all", reason="<!channel>\n\x1b[31m <b>\udcff").status == 0
    assert [one.reason for one in operator.in_force()] == ["<!channel> [31m <b>"]


@pytest.mark.parametrize("lasting", ["0s", "-5m", "31d", "5", "soon", ""])
def test_a_time_that_makes_no_sense_is_2(
    operator: CommandLine, lasting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One second to thirty days, with a unit."""
    with pytest.raises(SystemExit) as ended:
        operator.do("pause", "all", f"--for={lasting}")
    assert ended.value.code == 2
    assert "argument --for" in capsys.readouterr().err


def test_the_author_is_the_login_name(operator: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under sudo that of the person; where there is none, the command asks for it."""
    operator.had_service()
    words = ["--reason", "a test", "-c", str(operator.config)]
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "carol")
    assert main(["pause", "chat", *words]) == 0
    monkeypatch.setenv("SUDO_USER", "dave")
    assert main(["pause", "code", *words]) == 0
    assert [one.author for one in operator.in_force()] == ["carol", "dave"]


def test_a_user_without_a_name_must_say_it(
    operator: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container whose user id stands in no file."""
    operator.had_service()
    monkeypatch.delenv("SUDO_USER", raising=False)

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert main(["pause", "chat", "--reason", "a test", "-c", str(operator.config)]) == 2
    assert capsys.readouterr().err.endswith("this user has no login name: say who you are with --author NAME\n")


def test_a_database_that_cannot_be_used_is_2(operator: CommandLine) -> None:
    """None yet, one of an older version, and one that is none: a sentence, and nothing is made or migrated."""
    missing = operator.do("pause", "all")
    path = operator.config.parent / "hotspare.db"
    assert (missing.status, path.exists()) == (2, False)
    assert "is `hotspare run` running, and from this folder?" in missing.err
    operator.had_service()
    with sqlite3.connect(path) as older:
        older.execute("UPDATE alembic_version SET version_num = '0001'")
    older.close()
    old = operator.do("pause", "all")
    assert (old.status, "has schema '0001', expected" in old.err) == (2, True)
    path.write_text("no database at all, and long enough to be looked at " * 20)
    assert operator.do("unpin", "chat").status == 2


def test_an_end_needs_no_reason(operator: CommandLine) -> None:
    """A pin does, and on a terminal it is asked for; here nobody is there."""
    operator.had_service()
    assert operator.do("pin", "chat", B, reason=None).err.startswith("--reason is missing: say why")
    assert operator.do("pin", "chat", B).status == 0
    assert operator.do("unpin", "chat", reason=None).status == 0
    assert operator.in_force() == []
