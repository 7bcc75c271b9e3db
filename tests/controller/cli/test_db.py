"""`hotspare db` on a real database."""

import json
from pathlib import Path

import pytest

from controller.cli.main import main
from monitor.config.database_url import shown_url
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support.builders import observation
from tests.support.configurations import write
from tests.support.postgres import PostgresServer


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration with a database."""
    engine = open_writer(f"sqlite:///{tmp_path}/h.db")
    Store(engine).record([observation(at_s=n) for n in range(10)])
    engine.dispose()
    return str(write(tmp_path, database=f"sqlite:///{tmp_path}/h.db"))


def test_every_action_answers(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people and for scripts, with the options on either side."""
    assert main(["db", "info", "-c", config]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["observations", "10"] in [row[:2] for row in rows]
    assert main(["db", "-c", config, "--json", "info"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["tables"]["observations"]["rows"] == 10
    assert main(["db", "backup", str(tmp_path / "copy.db"), "--json", "-c", config]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == (tmp_path / "copy.db").stat().st_size
    assert main(["db", "backup", str(tmp_path / "copy.db"), "-c", config]) == 2
    assert "nothing was overwritten" in capsys.readouterr().err
    assert main(["db", "check", "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"faults": []}
    assert main(["db", "vacuum", "-c", config]) == 0
    assert "before" in capsys.readouterr().out


def test_of_postgresql_there_is_the_size(
    tmp_path: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """By table, partitions included; what its own tools do is said."""
    url = postgres.new_database()
    engine = open_writer(url)
    Store(engine).record([observation(at_s=n) for n in range(10)])
    engine.dispose()
    config = str(write(tmp_path, database=url))
    assert main(["db", "info", "-c", config]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["observations", "10"] in [row[:2] for row in rows]
    assert main(["db", "info", "-c", config, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["path"], document["unused_bytes"]) == (shown_url(url), None)
    assert document["tables"]["observations"] == {"rows": 10, "bytes": document["tables"]["observations"]["bytes"]}
    assert document["bytes"] > document["tables"]["observations"]["bytes"] > 0
    for action, tool in (("check", "pg_amcheck"), ("vacuum", "autovacuum"), ("backup", "pg_dump")):
        assert main(["db", action, *(["copy"] if action == "backup" else []), "-c", config]) == 2
        assert tool in capsys.readouterr().err


def test_damage_is_bad_news(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status says it, and the faults are printed."""
    with (tmp_path / "h.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_960)
    assert main(["db", "check", "-c", config]) == 1
    assert capsys.readouterr().out.strip()
