"""Two machines on one PostgreSQL, as people run them: one leads, the other takes over, and nothing goes back."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from benchmarks.reliability.lab import CLOCK_SOURCE
from benchmarks.reliability.preload import build_library
from tests.stories.test_service import ANTHROPIC, OPENAI, PATIENCE_S, Lab, lab
from tests.support.postgres import PostgresServer, server_folder
from tests.support.postgres_network import Way, Wire

__all__ = ["lab"]
pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of its own, to be stopped."""
    made = PostgresServer(server_folder())
    yield made
    made.close()


class Machine:
    """A folder with a configuration, and the service that runs there."""

    def __init__(self, lab: Lab, url: str, name: str) -> None:
        self.lab, self.folder = lab, lab.folder / name
        self.folder.mkdir()
        self.config = self.folder / "hotspare.yaml"
        text = lab.config.read_text().replace(f"database: sqlite:///{lab.folder}/hotspare.db", f"database: '{url}'")
        self.config.write_text(text.replace(f"{lab.folder}/", f"{self.folder}/") + "api: {listen: none}\n")
        self.process = self.start()

    def start(self) -> "subprocess.Popen[str]":
        """The service, anew."""
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controller.cli.main", "run", "-c", str(self.config)],
                stdout=log,
                stderr=log,
                text=True,
                env=kept | {"KEY": "sk-made-up-key-for-tests", "TOKEN": self.lab.slack.token},
            )
        self.lab.processes.append(self.process)
        return self.process

    def table(self) -> dict[str, Any]:
        """Its routing file; empty while there is none."""
        path = self.folder / "routing.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def order(self) -> tuple[int, int]:
        """That of its table."""
        table = self.table()
        return table.get("epoch", 0), table.get("generation", 0)

    def serving(self) -> str | None:
        """The target of the route."""
        found: str | None = self.table().get("routes", {}).get("chat", {}).get("target")
        return found

    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text()


def decisions(url: str) -> list[tuple[int, int, str]]:
    """How many epochs there were by then, the generation and the target of each, oldest first."""
    query = "SELECT dense_rank() OVER (ORDER BY epoch), generation, target FROM decisions ORDER BY id"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(query).fetchall()


def test_a_machine_takes_over_from_one_that_was_killed(lab: Lab, server: PostgresServer) -> None:
    """Under the next epoch and the same generation; both publish one table, and Slack tells one story."""
    url = server.new_database()
    first = Machine(lab, url, "first")
    lab.until(lambda: first.serving() == OPENAI, "the first leads")
    second = Machine(lab, url, "second")
    lab.until(lambda: second.order() == first.order() > (1, 1), "the second publishes its table")
    assert "standing_by" in second.log()

    lab.first.state.chaos.error_rates = {500: 1.0}
    lab.until(lambda: first.serving() == ANTHROPIC, "failover")
    lab.until(lambda: second.order() == first.order(), "on both machines")
    lab.until(lambda: len(lab.slack.messages) == 1, "Slack told")

    first.process.kill()
    epoch, generation = first.order()
    lab.until(lambda: second.order()[0] > epoch, "takeover")
    assert (second.serving(), second.order()[1]) == (ANTHROPIC, generation)

    first.start()
    lab.until(lambda: first.order() == second.order(), "the first stands by")
    lab.first.state.chaos.error_rates = {}
    lab.until(lambda: second.serving() == OPENAI, "failback")
    lab.until(lambda: first.serving() == OPENAI, "on both machines")
    lab.until(lambda: "Resolved" in str(lab.slack.messages[0].versions[-1]), "Slack told of the end")
    assert len(lab.slack.messages) == 1
    assert [(epoch, target) for epoch, _, target in decisions(url)] == [(1, OPENAI), (1, ANTHROPIC), (2, OPENAI)]

    epoch = second.order()[0]
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE_S) == 0
    lab.until(lambda: first.order()[0] > epoch, "a lease that is given back is taken at once")
    assert "Traceback" not in first.log() + second.log()


def test_a_leader_that_was_paused_is_deposed(lab: Lab, server: PostgresServer) -> None:
    """It can commit nothing once it goes on, stands by, and publishes the table of the one that leads by then."""
    url = server.new_database()
    first = Machine(lab, url, "first")
    lab.until(lambda: first.serving() == OPENAI, "the first leads")
    second = Machine(lab, url, "second")
    lab.until(lambda: second.order() == first.order(), "the second publishes its table")
    first.process.send_signal(signal.SIGSTOP)
    lab.until(lambda: second.order() > first.order(), "takeover")
    lab.first.state.chaos.error_rates = {500: 1.0}
    lab.until(lambda: second.serving() == ANTHROPIC, "failover")
    first.process.send_signal(signal.SIGCONT)
    lab.until(lambda: first.order() == second.order(), "it publishes the other one's table")
    assert "deposed" in first.log()
    assert [(epoch, target) for epoch, _, target in decisions(url)] == [(1, OPENAI), (2, ANTHROPIC)]
    assert "Traceback" not in first.log() + second.log()


def test_what_a_deposed_leader_has_probed_is_not_lost(lab: Lab, server: PostgresServer) -> None:
    """Nothing of it reached the database before another machine led; whoever leads then stores it."""
    url = server.new_database()
    wire = Wire(url)
    first = Machine(lab, wire.url, "first")
    lab.until(lambda: first.serving() == OPENAI, "the first leads")
    second = Machine(lab, url, "second")
    lab.until(lambda: second.order() == first.order(), "the second publishes its table")
    wire.held, cut_s = Way.THERE, time.time()
    lab.until(lambda: second.order() > first.order(), "takeover")
    # A lease goes on for ten seconds at least: the second has probed nothing by then.
    window = (OPENAI, round(1000 * (cut_s + 3)), round(1000 * (cut_s + 8)))
    wanted = "SELECT count(*) FROM observations WHERE target = %s AND started_ms BETWEEN %s AND %s"

    def stored() -> int:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            return int((connection.execute(wanted, window).fetchone() or (0,))[0])

    assert stored() == 0
    wire.held = None
    lab.until(lambda: stored() >= 5, "what the first has probed")
    lab.until(lambda: first.order() == second.order(), "the first stands by")
    lab.until(lambda: not (first.folder / "routing.json.unreported").exists(), "nothing waits")
    assert "Traceback" not in first.log() + second.log()
    wire.close()


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_commands_go_by_the_clock_of_the_database(lab: Lab, server: PostgresServer) -> None:
    """An operator's machine whose clock is an hour off sees a service that runs, and pins for the time that it says."""
    machine = Machine(lab, server.new_database(), "first")
    lab.until(lambda: machine.serving() == OPENAI, "it leads")
    offset = lab.folder / "offset"
    offset.write_bytes(struct.pack("=q", 3600))
    off = {"LD_PRELOAD": str(build_library(CLOCK_SOURCE, lab.folder)), "CLOCK_OFFSET": str(offset)}

    def say(*words: str) -> str:
        command = [sys.executable, "-m", "controller.cli.main", *words, "-c", str(machine.config)]
        environment = os.environ | off | {"KEY": "x"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    assert json.loads(say("status", "--json"))["service"]["life"] == "running"
    assert "until" in say("pin", "chat", ANTHROPIC, "--for", "10m", "--reason", "a test", "--author", "me")
    lab.until(lambda: machine.serving() == ANTHROPIC, "the pin is in force, and not over already or not begun")


def test_nothing_is_decided_without_the_database(lab: Lab, server: PostgresServer) -> None:
    """The table stays as it is, and what was observed meanwhile is judged once the database is back."""
    url = server.new_database()
    first, second = Machine(lab, url, "first"), Machine(lab, url, "second")
    lab.until(lambda: first.serving() == second.serving() == OPENAI, "one table")
    before = first.order()
    server.stop()
    lab.first.state.chaos.error_rates = {500: 1.0}
    time.sleep(10.0)
    assert (first.order(), second.order()) == (before, before)
    assert (first.serving(), second.serving()) == (OPENAI, OPENAI)
    server.start()
    lab.until(lambda: first.serving() == second.serving() == ANTHROPIC, "failover")
    assert sorted(decisions(url)) == decisions(url)
    assert "Traceback" not in first.log() + second.log()
