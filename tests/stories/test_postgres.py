"""The service on PostgreSQL, as people run it: its routes stay while the database is gone, and it catches up."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.stories.test_service import ANTHROPIC, OPENAI, PATIENCE_S, Lab, lab
from tests.support.postgres import PostgresServer, server_folder

__all__ = ["lab"]
pytestmark = pytest.mark.slow

SECRET = "made/up:p@ss"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of its own, which asks the service's user for a password."""
    made = PostgresServer(server_folder())
    made.admin(f"CREATE ROLE hotspare LOGIN PASSWORD '{SECRET}'")
    made.admin("CREATE DATABASE hotspare OWNER hotspare")
    made.guard("hotspare")
    yield made
    made.close()


def say(lab: Lab, *words: str, status: int | None = 0) -> dict[str, Any]:
    """What a command says as JSON."""
    asked = lab.hotspare(*words, "--json")
    output, errors = asked.communicate(timeout=PATIENCE_S)
    lab.processes.remove(asked)
    assert status in {None, asked.returncode}, errors
    assert "p@ss" not in output + errors
    assert "p%40ss" not in output + errors
    said: dict[str, Any] = json.loads(output) if output else {"errors": errors}
    return said


def test_a_route_stays_while_postgresql_is_gone(lab: Lab, server: PostgresServer, tmp_path: Path) -> None:
    """An outage ends while the database is stopped: the route goes back, and the incident ends, once it is back."""
    (tmp_path / "secret").write_text("made%2Fup%3Ap%40ss\n")
    address = (
        make_url(server.url("hotspare")).set(username="hotspare", password="@").render_as_string(hide_password=False)
    )
    url = address.replace("%40", "${file:" + str(tmp_path / "secret") + "}")
    config = lab.config.read_text().replace(f"database: sqlite:///{tmp_path}/hotspare.db", f"database: '{url}'")
    lab.config.write_text(config.replace("hold: 2s", "hold: 5s"))
    assert say(lab, "check", status=None)["machine"] == []
    service = lab.hotspare("run")
    lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
    lab.first.state.chaos.error_rates = {500: 1.0}
    lab.until(lambda: lab.serving() == ANTHROPIC, "failover")
    lab.until(lambda: len(say(lab, "status", status=1)["open_incidents"]) == 1, "the incident is there to read")

    server.stop()
    lab.first.state.chaos.error_rates = {}
    time.sleep(10)
    assert lab.serving() == ANTHROPIC
    assert not (tmp_path / "routing.json.unjournalled").exists()
    assert "cannot be reached" in say(lab, "status", status=2)["errors"]

    server.start()
    lab.until(lambda: lab.serving() == OPENAI, "failback")
    lab.until(lambda: not say(lab, "status", status=0)["open_incidents"], "the end of the incident, too")
    assert say(lab, "replay", "--since", "1h")["database"].startswith("postgresql+psycopg://hotspare:***@")
    assert say(lab, "incidents")
    assert say(lab, "report")
    info = say(lab, "db", "info")
    assert info["tables"]["observations"]["rows"] > 0
    assert info["tables"]["decisions"]["rows"] == 3
    service.send_signal(signal.SIGTERM)
    output, errors = service.communicate(timeout=PATIENCE_S)
    assert (service.returncode, output) == (0, "")
    assert "Traceback" not in errors
    assert "p@ss" not in errors
    assert "p%40ss" not in errors
