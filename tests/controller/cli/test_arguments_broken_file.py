"""A file that was broken under a service that runs: what is said of both."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli.main import main
from monitor.clock import utc_now
from monitor.liveness import ServiceBeat
from monitor.storage.database import open_writer
from monitor.storage.store import Store

CONFIG = """\
database: sqlite:///{folder}/hotspare.db  # kept
routing_file: {folder}/routing.json
providers: {{a: {{dialect: openai-chat, base_url: "https://a.example/v1", api_key: x, models: {{m: {{}}}}}}}}
routes: {{chat: {{candidates: [a/m]}}}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a service whose sign of life is a second old."""
    engine, now = open_writer(f"sqlite:///{tmp_path}/hotspare.db"), utc_now()
    beat_at, loaded_at = now - timedelta(seconds=1), now - timedelta(minutes=5, seconds=30)
    beat = ServiceBeat(
        pid=1, host="h", version="1", started_at=loaded_at, beat_at=beat_at, revision="0123abc", loaded_at=loaded_at
    )
    Store(engine).beat(beat)
    engine.dispose()
    path = tmp_path / "hotspare.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


@pytest.mark.parametrize("command", [["status"], ["pin", "chat", "a/m", "--reason", "r"], ["check", "--offline"]])
@pytest.mark.parametrize("mistake", ["routes: [", "controller: {hold: 60}"])
def test_it_is_said_that_the_service_goes_on(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str], mistake: str
) -> None:
    """By which revision, and what every command needs; also where the file is no YAML."""
    config.write_text(f"{config.read_text()}{mistake}\n")
    assert main([*command, "-c", str(config)]) == 2
    runs, *problems = capsys.readouterr().err.splitlines()
    assert runs.startswith("the service goes on with revision 0123abc, read 5 min ")
    assert runs.endswith("; commands need a file without mistakes (-c FILE), and this one has some:")
    assert problems


def test_nothing_is_said_where_nothing_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor made: a database that is not there stays so."""
    (config.parent / "hotspare.db").unlink()
    config.write_text(f"{config.read_text()}routes: [\n")
    assert main(["status", "-c", str(config)]) == 2
    assert "goes on" not in capsys.readouterr().err
    assert not (config.parent / "hotspare.db").exists()
