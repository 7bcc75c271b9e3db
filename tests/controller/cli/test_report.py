"""`hotspare report` on a real database."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli.main import main
from controller.history.store import RouteHistory
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support.builders import T0, observation
from tests.support.configurations import ENVIRON, write


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with an objective, and a database in which its target failed half of three hours."""
    routes = {"chat": {"candidates": ["openai/gpt-6-luna"], "slo": "99.9%"}}
    path = write(tmp_path, database=f"sqlite:///{tmp_path}/h.db", routing_file=f"{tmp_path}/r.json", routes=routes)
    engine = open_writer(f"sqlite:///{tmp_path}/h.db")
    begin_s = (utc_now() - timedelta(hours=3) - T0).total_seconds()
    Store(engine).record([observation("x."[n % 2], at_s=begin_s + 30 * n) for n in range(360)])
    RouteHistory(engine, load(path, ENVIRON)).sum_up(utc_now())
    engine.dispose()
    return path


def test_a_missed_objective_is_bad_news(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In every form: the exit status says it too."""
    assert main(["report", "-c", str(config)]) == 1
    assert "50.0 %" in capsys.readouterr().out
    assert main(["report", "-c", str(config), "--json", "--since", "12h"]) == 1
    (route,) = json.loads(capsys.readouterr().out)["routes"]
    assert route["felt_s"] == pytest.approx(1.5 * 3_600, abs=60)
    assert main(["report", "-c", str(config), "--markdown"]) == 1
    assert "| `chat` | 50.0 % |" in capsys.readouterr().out


def test_without_a_database_nothing_can_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what is missing, and what to do."""
    assert main(["report", "-c", str(write(tmp_path, database=f"sqlite:///{tmp_path}/none.db"))]) == 2
    assert "is `hotspare run` running" in capsys.readouterr().err
