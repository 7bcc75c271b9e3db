"""`hotspare once --check … -v`, from the command line to the terminal."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from controller.cli import transcript
from controller.cli.main import main
from probes.transcript import Transcript, TranscriptEvent, TranscriptRequest, TranscriptResponse
from tests.support.builders import observation
from tests.support.raw_server import DONE, KEY, SSE, TOKEN, talking, whole

CONFIG = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  openai: {{dialect: openai-chat, base_url: "{url}/v1", api_key: "${{OPENAI_API_KEY}}", models: {{gpt-6-luna: {{}}}}}}
  claude:
    dialect: anthropic
    base_url: "{url}"
    api_key: ${{OPENAI_API_KEY}}
    models: {{claude-haiku-5-5: {{checks: {{chat: 1, mine: {{prompt: "How long?", expect: {{contains: days}}}}}}}}}}
routes: {{chat: {{candidates: [openai/gpt-6-luna, claude/claude-haiku-5-5]}}}}
connectivity: {{endpoints: []}}
"""
CANDIDATE = ["-t", "openai/gpt-6-luna"]
Once = Callable[..., int]


@pytest.fixture
def once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Once]:
    """Runs `hotspare once` against providers that say these bytes."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ExitStack() as opened:

        def run(*words: str, says: tuple[bytes, ...] = ()) -> int:
            url = opened.enter_context(talking(*says))
            path = tmp_path / "hotspare.yaml"
            path.write_text(CONFIG.format(folder=tmp_path, url=url))
            return main(["once", "-c", str(path), *words])

        yield run


def test_a_stream_is_explained(once: Once, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the documents: every section is there, plain text in a pipe, and no key."""
    assert once("--check", "stream", *CANDIDATE, "-v", says=(SSE, TOKEN, DONE)) == 0
    shown = capsys.readouterr().out
    titles = ["Request", "Response", "Phases", "Tokens and cost", "Why"]
    assert [line for line in shown.splitlines() if line in titles] == titles
    assert "  POST http://127.0.0.1:" in shown
    assert "  Authorization: Bearer *** (OPENAI_API_KEY)" in shown
    assert re.search(r"^  \+\d\.\d{3} s  data: \[DONE\]$", shown, re.MULTILINE)
    assert "  request id req_7Kq2" in shown
    assert "  17 tokens in, 6 out; $0.00000" in shown
    assert re.search(r"^  9. outcome: ok: nobody's fault; evidence for up$", shown, re.MULTILINE)
    assert "\x1b" not in shown
    assert KEY not in shown


def test_a_failure_is_bad_news(once: Once, capsys: pytest.CaptureFixture[str]) -> None:
    """Explained all the same, and with 1."""
    assert once(*CANDIDATE, "--verbose", says=(whole(b"<html>", status="502 No"),)) == 1
    assert "4. outcome: server_error: the provider's fault; evidence for down" in capsys.readouterr().out


def test_json_holds_the_exchange(once: Once, capsys: pytest.CaptureFixture[str]) -> None:
    """One document: the observation as without -v, and the exchange beside it."""
    once("--check", "stream", "--check", "chat", *CANDIDATE, "-v", "--json", says=(SSE, TOKEN, DONE))
    streamed, asked = json.loads(capsys.readouterr().out)["observations"]
    assert (streamed["check"], streamed["outcome"], asked["check"]) == ("stream", "ok", "chat")
    exchange = streamed["exchange"]
    assert exchange.keys() == {"request", "response", "events", "phases", "reasoning"}
    assert exchange["request"]["headers"]["Authorization"] == "Bearer *** (OPENAI_API_KEY)"
    assert (exchange["response"]["status"], exchange["response"]["event_count"]) == (200, 4)
    assert [event["number"] for event in exchange["events"]] == [1, 2, 3, 4]
    assert exchange["reasoning"][-1] == "outcome: ok: nobody's fault; evidence for up"
    assert 0 < exchange["phases"]["first_token_s"] <= exchange["phases"]["duration_s"]


def test_a_check_that_is_not_configured_can_be_asked(once: Once, capsys: pytest.CaptureFixture[str]) -> None:
    """The targets are asked `chat` by default; each named check is asked once, in the order given."""
    once("--check", "stream", "--check", "chat", "--check", "stream", "--json", says=(whole(),))
    asked = [(one["target"], one["check"]) for one in json.loads(capsys.readouterr().out)["observations"]]
    targets = ("openai/gpt-6-luna", "claude/claude-haiku-5-5")
    assert asked == [(target, check) for target in targets for check in ("stream", "chat")]


def test_a_check_of_ones_own_is_asked_of_those_that_have_it(once: Once, capsys: pytest.CaptureFixture[str]) -> None:
    """Without naming them; a target that is named must have it."""
    once("--check", "mine", "--json", says=(whole(),))
    assert [each["target"] for each in json.loads(capsys.readouterr().out)["observations"]] == [
        "claude/claude-haiku-5-5"
    ]
    assert once("--check", "mine", *CANDIDATE) == 2


def test_a_check_that_a_dialect_cannot_ask(once: Once, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage; the message names what it can ask, and nothing is sent."""
    assert once("--check", "embedding") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    said = r"claude/claude-haiku-5-5 cannot be asked embedding: its dialect, anthropic, can ask chat, stream.*\n"
    assert re.fullmatch(said, captured.err)


EXAMINATION = Transcript(
    observation=replace(
        observation("x"),
        tcp_s=0.02,
        connected_s=0.03,
        first_byte_s=0.05,
        loop_lag_s=0.03,
        request_id="req_1",
        model="gpt-5",
        deprecation="retires 2026-12-01",
        retry_after_s=20,
        limit_left="2 of 60 requests",
        limit_resets_s=12,
        input_tokens=9,
        cached_tokens=4,
    ),
    request=TranscriptRequest(
        method="POST", url="https://x/" + "y" * 200, headers=(("a", "[red]b"),), body='{\n  "a": ":boom:"\n}'
    ),
    response=TranscriptResponse(
        status=200,
        headers=(),
        body=None,
        events=(
            TranscriptEvent(number=1, at_s=0.06, data="data: 你好 [bold]x[/] " + "word " * 60),
            TranscriptEvent(number=9, at_s=0.07, data="event: b\ndata: c"),
        ),
        event_count=9,
    ),
    reasoning=("status: 200", "outcome: server_error: the provider's fault; evidence for down"),
)


def printed(*, terminal: bool, columns: int) -> str:
    """What a console of this kind shows of it."""
    console = Console(
        width=columns,
        file=io.StringIO(),
        highlight=False,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    transcript.print_transcript(EXAMINATION, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_a_terminal(columns: int) -> None:
    """Nothing is cut or wider than the window; what a provider wrote is no markup; the outcome has its colour."""
    shown = printed(terminal=True, columns=columns)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(Console(width=400).measure(line).maximum for line in plain.splitlines()) <= columns
    assert plain.count("word") == 60
    assert "[bold]x[/]" in plain
    assert ":boom:" in plain
    assert "  … 7 more events …" in plain
    assert "  +0.070 s  event: b\n            data: c\n" in plain
    assert "\x1b[1;31moutcome: server_error" in shown


def test_a_pipe_gets_whole_lines() -> None:
    """Neither folded nor coloured."""
    shown = printed(terminal=False, columns=80)
    assert "\x1b" not in shown
    assert "https://x/" + "y" * 200 in shown
    assert ("word " * 60).strip() in shown


def test_what_was_said_besides_is_shown() -> None:
    """Who answered, that the model will go, how long to wait, the id for a ticket, and that our loop was late."""
    shown = printed(terminal=False, columns=80)
    for line in (
        "  9 tokens in (4 of them cached), unknown out; cost unknown",
        "  answered by gpt-5, which is not the model that was asked",
        "  the provider says of the model: retires 2026-12-01",
        "  the provider asks to wait for 20 s",
        "  close to a limit: 2 of 60 requests left for 12 s",
        "  request id req_1",
        "  our own event loop was up to 0.030 s late: these times are not all the provider's",
    ):
        assert line in shown.splitlines()


def test_phases_follow_each_other() -> None:
    """Each begins where the last one ended; what did not happen is left out."""
    assert list(transcript.phases(EXAMINATION.observation)) == [
        ("TCP connected", 0.0, 0.02),
        ("TLS established", 0.02, 0.03),
        ("headers received", 0.03, 0.05),
        ("verdict", 0.05, 0.1),
    ]
