"""What `hotspare run` logs on a terminal."""

import io
import json
import logging
from pathlib import Path

import pytest
from rich.console import Console

from controller.cli.run_log import JsonFormatter, Mask, TerminalHandler, TextFormatter, plain_words, secrets_in
from monitor.config.loader import load
from probes.target import Secret
from tests.support.configurations import ENVIRON, write


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        (
            "probe_failed target=openai/m outcome=timeout: no answer within 30 s",
            "probe failed openai/m timeout: no answer within 30 s",
        ),
        (
            "health_changed before=suspect after=down: openai/m is down: 4 of 4 probes failed",
            "health changed: openai/m is down: 4 of 4 probes failed",
        ),
        ("slack_told key='incident 7' sink=slack id=incident-7-1", "slack told incident 7 slack"),
        (
            "slack_not_told key='a b' sink=slack retry_in_s=30: no answer",
            "slack not told a b slack: no answer (again in 30 s)",
        ),
        ("service_started: Hotspare 0.1.0 started", "service started: Hotspare 0.1.0 started"),
        ("Uncaught: what a library says a=b", "Uncaught: what a library says a=b"),
    ],
)
def test_a_terminal_shows_no_machine_keys(logged: str, shown: str) -> None:
    """What they say stands in words, once."""
    assert plain_words(logged) == shown


def test_levels_have_colours() -> None:
    """A warning is yellow and says so, an error red; hostile text is no markup; a traceback follows."""
    screen = io.StringIO()
    handler = TerminalHandler(
        Console(file=screen, force_terminal=True, color_system="standard", width=60, highlight=False), Mask()
    )
    handler.setFormatter(logging.Formatter())
    try:
        raise ValueError("a cause")
    except ValueError as error:
        cause = (type(error), error, error.__traceback__)
    for level, text, exc_info in (
        (logging.INFO, "a_b: [red]" + "word " * 30 + "\x1b]0;owned\x07", None),
        (logging.WARNING, "c_d: e", None),
        (logging.ERROR, "f_g: h", cause),
    ):
        handler.emit(logging.LogRecord("x", level, "", 0, text, (), exc_info))
    told, warned, failed, *trace = screen.getvalue().splitlines()
    assert "a b: [red]word" in told
    assert "\x07" not in told
    assert "\x1b[33mwarning: c d: e" in warned
    assert "\x1b[1;31merror: f g: h" in failed
    assert trace[-1] == "ValueError: a cause"


KEY = "sk-openai-0123456789"


def record(text: str, *, cause: BaseException | None = None) -> logging.LogRecord:
    """A warning of 18:00 UTC, with a traceback perhaps."""
    exc_info = (type(cause), cause, None) if cause else None
    made = logging.LogRecord("x", logging.WARNING, "", 0, text, (), exc_info)
    made.created, made.msecs = 1_795_284_000.0, 7.0
    return made


def test_a_line_for_scripts_is_the_same_in_both_forms() -> None:
    """Event, keys and text; a message of a library has no event of ours; each is one line."""
    text = "probe_failed target=openai/m outcome='server error': HTTP 500\nmore"
    assert TextFormatter(Mask()).format(record(text)) == f"2026-11-21T18:00:00.007Z WARNING {text}"
    line = JsonFormatter(Mask()).format(record(text))
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "2026-11-21T18:00:00.007Z",
        "level": "warning",
        "event": "probe_failed",
        "fields": {"target": "openai/m", "outcome": "server error"},
        "text": "HTTP 500\nmore",
    }
    assert json.loads(JsonFormatter(Mask()).format(record("Something else")))["event"] == "library"


def test_no_secret_of_the_configuration_is_logged(tmp_path: Path) -> None:
    """Not in the text, not in an address, not in a traceback."""
    settings = load(write(tmp_path, alerts={"slack": {"token": "${SLACK_BOT_TOKEN}", "channel": "#c"}}), ENVIRON)
    secrets = list(secrets_in(settings))
    assert Secret(KEY) in secrets
    assert Secret(ENVIRON["SLACK_BOT_TOKEN"]) in secrets
    for made in (TextFormatter(Mask(secrets)), JsonFormatter(Mask(secrets))):
        line = made.format(record(f"a_b c={KEY}: {KEY}", cause=ValueError(KEY)))
        assert KEY not in line
        assert line.count("***") == 3
