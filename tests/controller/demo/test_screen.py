"""Where the narration is seen: a live table on a terminal, plain lines anywhere else."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from controller.demo.narration import Line, ServiceSnapshot, introduction
from controller.demo.scenes import SCENES
from controller.demo.screen import Screen
from controller.demo.traffic import Caller, DrillPhase, Traffic
from monitor.health import Health, TargetHealth
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

_START = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
_TARGETS = ("openai/gpt-6-luna", "anthropic/claude-haiku-5-5")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        """Whoever asks is told that people are watching."""
        return True


def _show(screen: Screen) -> None:
    """The first candidate is down after two probes, and the second one serves."""
    down = TargetHealth(target=_TARGETS[0], health=Health.DOWN, since=_START, reason="", evidence=12.3, threshold=10.2)
    probes = [
        Observation(target=_TARGETS[0], check=Check.CHAT, started_at=_START, outcome=outcome, duration_s=0.3)
        for outcome in (Outcome.OK, Outcome.SERVER_ERROR)
    ]
    traffic = Traffic(application=Caller(lambda: None, keys={}), baseline=Caller(lambda: None, keys={}))
    traffic.baseline.requests[DrillPhase.OUTAGE], traffic.baseline.failed[DrillPhase.OUTAGE] = 8, 4
    facts = ServiceSnapshot(at=_START, health={_TARGETS[0]: down}, observations={_TARGETS[0]: probes})
    screen.show(facts, traffic, targets=_TARGETS, serving=_TARGETS[1], first=_TARGETS[0])


def test_a_terminal_shows_the_table_beneath_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health, evidence, probes, where the route points, and what users feel; all within 80 columns."""
    for name, value in {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal = _Terminal()
    with Screen(terminal, started_at=_START) as screen:
        screen.say(Line(at=_START + timedelta(seconds=3), topic="health", text="it is down", good=False))
        _show(screen)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "3.0 s health    it is down" in shown
    assert "  openai/gpt-6-luna           down     ██████ 12.3 of 10.2  ■■" in shown
    assert "▶ anthropic/claude-haiku-5-5  unknown  –" in shown
    assert "always openai/gpt-6-luna  –             –      50.0 %  –" in shown


def test_piped_output_is_plain() -> None:
    """Off a terminal every line is one timestamped line without escape codes, and there is no table."""
    stream = io.StringIO()
    with Screen(stream, started_at=_START) as screen:
        screen.say(Line(_START, "demo", "starting"), *introduction(_START, SCENES[0], page="http://127.0.0.1:8501"))
        screen.say(Line(at=_START + timedelta(seconds=12.34), topic="health", text="[bold]it[/bold] is down"))
        _show(screen)
    lines = stream.getvalue().splitlines()
    assert lines[1] == "   0.0 s  demo      the scene: outage: one provider fails half of its requests"
    assert lines[3] == "   0.0 s  demo      the page: http://127.0.0.1:8501"
    assert lines[-1] == "  12.3 s  health    [bold]it[/bold] is down"
    assert "\x1b" not in stream.getvalue()


def test_text_of_a_provider_cannot_steer_the_terminal() -> None:
    """Control characters become spaces, and a line has an end."""
    stream = io.StringIO()
    with Screen(stream, started_at=_START) as screen:
        screen.say(Line(_START, "probe", "\x1b[2J\x1b]0;title\x07 boom\r\n\u202e" + "x" * 5000))
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert "boom" in line
    assert len(line) <= 1000 + len("   0.0 s  probe     ")


def test_a_stream_that_cannot_show_every_character_gets_the_others() -> None:
    """What Slack is told holds symbols that an old terminal or pipe has no code for; that ends no demo."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with Screen(stream, started_at=_START) as screen:
        screen.say(Line(at=_START, topic="slack", text="new message: 🔴 down"))
    stream.seek(0)
    assert stream.read() == "   0.0 s  slack     new message: ? down\n"
