"""Three machines in two regions on one PostgreSQL, as people run them: each probes for whoever leads."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest
from llmock.chaos import ChaosSettings
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from tests.stories.test_fleet import Machine, server
from tests.stories.test_service import ANTHROPIC, OPENAI, Lab, lab
from tests.support.postgres import PostgresServer

__all__ = ["lab", "server"]
pytestmark = pytest.mark.slow


class RegionalMachine(Machine):
    """One that probes its region; what it finds at the first provider's address is its own."""

    def __init__(self, lab: Lab, url: str, name: str, first: LLMockServer) -> None:
        self.region, self.first = name[:2], first
        super().__init__(lab, url, name)

    def start(self) -> "subprocess.Popen[str]":
        """The service, anew."""
        text = self.config.read_text().replace(f"{self.lab.first.url}/v1", "${OPENAI_URL}/v1")
        self.config.write_text(text if "regions:" in text else f"{text}regions: [eu, us]\n")
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        keys = {"KEY": "sk-made-up-key-for-tests", "TOKEN": self.lab.slack.token, "OPENAI_URL": self.first.url}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controller.cli.main", "run", "-c", str(self.config), "--region", self.region],
                stdout=log,
                stderr=log,
                text=True,
                env=kept | keys,
            )
        self.lab.processes.append(self.process)
        return self.process

    def points_at(self) -> str | None:
        """Where its own file points those that ask for `chat`: it has the routes of its region, by plain names."""
        route = self.table().get("routes", {}).get("chat", {})
        return route.get("target") if self.table().get("region") == self.region else None


@pytest.fixture
def us_provider() -> Iterator[LLMockServer]:
    """The first provider, as the machines in the us see it."""
    echo = MockResponseSettings(response_style="echo")
    with LLMockServer(responses=echo, chaos=ChaosSettings(latency_ms=20)) as made:
        yield made


def probes_between(url: str, target: str, begin_s: float, end_s: float) -> int:
    """How many of a target are stored that began between these epoch seconds."""
    wanted = "SELECT count(*) FROM observations WHERE target = %s AND started_ms BETWEEN %s AND %s"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute(wanted, (target, round(1000 * begin_s), round(1000 * end_s))).fetchone()
    assert row
    return int(row[0])


def healths(url: str) -> dict[str, str]:
    """Those of all targets in the table that the leader shared last; none before."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT content FROM published_tables WHERE region = ''").fetchone()
    targets = json.loads(row[0])["targets"] if row else {}
    return {name: target["health"] for name, target in targets.items()}


def events(url: str) -> list[str]:
    """The kinds of those about regions."""
    wanted = "SELECT kind || ' ' || subject FROM events WHERE kind LIKE 'region_%' ORDER BY id"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return [kind for (kind,) in connection.execute(wanted)]


def test_each_region_is_seen_by_its_own_machines(lab: Lab, server: PostgresServer, us_provider: LLMockServer) -> None:
    """One of two takes over; what one region sees moves its routes; nothing is lost while the database is away."""
    url = server.new_database()
    eu = RegionalMachine(lab, url, "eu", lab.first)
    lab.until(lambda: eu.points_at() == OPENAI, "one leads")
    us = RegionalMachine(lab, url, "us1", us_provider)
    lab.until(lambda: "region_lease_taken" in us.log(), "the us are probed")
    spare = RegionalMachine(lab, url, "us2", us_provider)
    lab.until(lambda: spare.order() == eu.order(), "a third machine stands by")

    us_provider.state.chaos.error_rates = {500: 1.0}
    lab.until(lambda: us.points_at() == spare.points_at() == ANTHROPIC, "failover in the us")
    assert eu.points_at() == OPENAI
    us.process.kill()
    lab.until(lambda: "region_lease_taken" in spare.log(), "the other machine of the us takes over")
    us_provider.state.chaos.error_rates = {}
    lab.until(lambda: spare.points_at() == OPENAI, "failback by what the other one sees")
    assert eu.points_at() == OPENAI

    server.stop()
    away_s = time.time()
    lab.until((spare.folder / "routing.json.unreported").exists, "probes are kept on disk")
    time.sleep(5.0)
    spare.process.kill()
    back_s = time.time()
    spare.start()
    server.start()
    lab.until(lambda: probes_between(url, f"{OPENAI}@us", away_s + 1.0, back_s) >= 5, "what was kept is reported")
    lab.until(lambda: probes_between(url, f"{OPENAI}@us", back_s, time.time()) >= 5, "and probed again")
    lab.until(lambda: not (spare.folder / "routing.json.unreported").exists(), "nothing waits any more")
    assert events(url) == []
    assert "Traceback" not in eu.log() + us.log() + spare.log()


def test_a_region_that_is_silent_is_unknown_and_moves_no_route(
    lab: Lab, server: PostgresServer, us_provider: LLMockServer
) -> None:
    """People are told, once, and again when it is back."""
    url = server.new_database()
    eu = RegionalMachine(lab, url, "eu", lab.first)
    lab.until(lambda: eu.points_at() == OPENAI, "one leads")
    us = RegionalMachine(lab, url, "us", us_provider)
    lab.until(lambda: healths(url).get(f"{OPENAI}@us") == "up", "the us are seen")
    us.process.kill()
    lab.until(lambda: events(url) == ["region_silent us"], "a region is silent")
    assert {name: healths(url)[name] for name in (f"{OPENAI}@eu", f"{OPENAI}@us")} == {
        f"{OPENAI}@eu": "up",
        f"{OPENAI}@us": "unknown",
    }
    assert eu.points_at() == us.points_at() == OPENAI
    us.start()
    lab.until(lambda: events(url) == ["region_silent us", "region_reports_again us"], "and back")
    assert "Traceback" not in eu.log() + us.log()


def test_each_machine_reads_its_configuration_anew(lab: Lab, server: PostgresServer, us_provider: LLMockServer) -> None:
    """A model that is added is probed from both regions, whoever leads."""
    url = server.new_database()
    eu = RegionalMachine(lab, url, "eu", lab.first)
    lab.until(lambda: bool(eu.table()), "one leads")
    us = RegionalMachine(lab, url, "us", us_provider)
    lab.until(lambda: "region_lease_taken" in us.log(), "the us are probed")
    for machine in (eu, us):
        text = machine.config.read_text()
        machine.config.write_text(text.replace("gpt-6-luna: {}", "gpt-6-luna: {}, gpt-6-nova: {}"))
    added = ("openai/gpt-6-nova@eu", "openai/gpt-6-nova@us")
    lab.until(lambda: all(probes_between(url, name, 0.0, time.time()) for name in added), "it is probed")
    assert "Traceback" not in eu.log() + us.log()
