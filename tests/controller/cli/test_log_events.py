"""The log's events: every one has a name that is documented, and no name is of nothing."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli.log_events import EVENTS
from controller.cli.main import main
from controller.routing.override_text import begun_event, ended_event
from controller.routing.overrides import Override, OverrideKind
from tests.support.builders import T0
from tests.support.paths import ROOT

SOURCES = [path for top in ("probes", "monitor", "controller", "ui") for path in (ROOT / top).rglob("*.py")]
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}
_REPORTING = {"event", "add_event", "submit", "refuse", "notify", "end", "_expect"}


def logged(path: Path) -> Iterator[str]:
    """The names of the events that a file logs or reports, as far as they stand there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        is_log = isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
        if is_log and node.func.attr in {"log", *_LOGGING} and texts and not texts[0].startswith("%s"):
            yield texts[0].partition(":")[0].partition(" ")[0]
        elif node.func.attr in _REPORTING:
            yield from (text for text in texts[:2] if "_" in text and text.isidentifier())


def test_every_event_is_documented() -> None:
    """`hotspare run --log-events` prints it."""
    assert {name for path in SOURCES for name in logged(path)} - EVENTS.keys() == set()


@pytest.mark.parametrize("kind", OverrideKind)
def test_what_operators_do_is_documented(kind: OverrideKind) -> None:
    """These names are made of the override's kind."""
    override = Override(kind=kind, subject="chat", author="ana", reason="r", at=T0, until=T0)
    began, ended = begun_event(override, ()), ended_event(replace(override, ended_at=T0, ended_by="ana"))
    assert {began.kind, ended.kind, f"{kind}_expired", f"{kind}_ignored"} <= EVENTS.keys()


def test_every_documented_event_exists() -> None:
    """Its name stands somewhere in the source, but for those that are made of a kind."""
    made = {f"{kind}_{what}" for kind in OverrideKind for what in ("expired", "ignored")}
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name != "log_events.py")
    assert [name for name in EVENTS if name not in source and name not in made] == []


def test_the_events_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "--log-events"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EVENTS)
