"""What `hotspare run` logs on a terminal."""

import io
import logging

import pytest
from rich.console import Console

from controller.cli.run_log import TerminalHandler, plain_words


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
        Console(file=screen, force_terminal=True, color_system="standard", width=60, highlight=False)
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
