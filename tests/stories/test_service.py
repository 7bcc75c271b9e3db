"""The service as people run it: a process of its own, real providers over HTTP, real signals."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llmock.chaos import ChaosSettings
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from monitor.storage.database import open_writer
from tests.support import status_pages
from tests.support.slack_server import SlackServer

pytestmark = pytest.mark.slow


PATIENCE_S = 90

#: An outage is over within seconds so; on a machine with other work a probe may miss its deadline.
PACE = "interval: 500ms, timeout: {connect: 400ms, first_token: 500ms, total: 500ms}, slow: 450ms"
CONFIGURATION = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{{pace}}}
providers:
  openai:
    {{dialect: openai-chat, base_url: "{first}/v1", api_key: "${{KEY}}", models: {{gpt-6-luna: {{}}}}}}
  anthropic:
    {{dialect: anthropic, base_url: "{second}/anthropic", api_key: "${{KEY}}", models: {{claude-haiku-5-5: {{}}}}}}
routes: {{chat: {{candidates: [openai/gpt-6-luna, anthropic/claude-haiku-5-5]}}}}
controller:
  {{min_outage: 1s, dwell: 1s, failback: {{hold: 2s}}, blips: {{per_day: 5, length: [50ms, 130ms], failure_rate: 90%}}}}
alerts: {{slack: {{token: "${{TOKEN}}", channel: "#llm-status", api_url: "{slack}"}}}}
connectivity: {{endpoints: ["{second}/health"]}}
"""


class Lab:
    """Two simulated providers, a Slack-shaped server, a folder, and services that can be started in it."""

    def __init__(self, folder: Path, first: LLMockServer, second: LLMockServer, slack: SlackServer) -> None:
        self.folder, self.first, self.second, self.slack = folder, first, second, slack
        self.config = folder / "hotspare.yaml"
        self.config.write_text(
            CONFIGURATION.format(folder=folder, first=first.url, second=second.url, slack=slack.url, pace=PACE),
            encoding="utf-8",
        )
        self.processes: list[subprocess.Popen[str]] = []

    def hotspare(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        started = subprocess.Popen(
            [sys.executable, "-m", "controller.cli.main", *words, "-c", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=kept | {"KEY": "sk-made-up-key-for-tests", "TOKEN": self.slack.token},
        )
        self.processes.append(started)
        return started

    def table(self) -> dict[str, Any]:
        """The routing file; empty while there is none."""
        path = self.folder / "routing.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def serving(self) -> str | None:
        """The target of the route."""
        target: str | None = self.table().get("routes", {}).get("chat", {}).get("target")
        return target

    def health(self, target: str) -> str | None:
        """The health of a target as the file says."""
        found: str | None = self.table().get("targets", {}).get(target, {}).get("health")
        return found

    def reloads(self) -> int:
        """How often the service has read its configuration anew."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/hotspare.db?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM events WHERE kind LIKE 'configuration_%'"
            return int(database.execute(query).fetchone()[0])

    def noted(self) -> bool:
        """Whether the journal knows that people were told of an incident."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/hotspare.db?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT 1 FROM incidents WHERE told_revision > 0").fetchone())

    def status(self) -> dict[str, Any]:
        """What `hotspare status --json` says."""
        asked = self.hotspare("status", "--json")
        said: dict[str, Any] = json.loads(asked.communicate(timeout=PATIENCE_S)[0])
        self.processes.remove(asked)
        return said

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until it holds; a service that ended meanwhile is the better message."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            for process in self.processes:
                assert process.poll() in {None, -signal.SIGKILL, 0}, process.communicate()
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
            time.sleep(0.05)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose processes and servers end with the test."""
    echo = MockResponseSettings(response_style="echo")
    with (
        LLMockServer(responses=echo, chaos=ChaosSettings(latency_ms=20)) as first,
        LLMockServer(responses=echo, chaos=ChaosSettings(latency_ms=20)) as second,
        SlackServer() as slack,
    ):
        made = Lab(tmp_path, first, second, slack)
        yield made
        for process in made.processes:
            process.kill()
            process.communicate()


OPENAI, ANTHROPIC = "openai/gpt-6-luna", "anthropic/claude-haiku-5-5"


def test_an_outage_is_noticed_survives_kill_9_and_is_undone(lab: Lab) -> None:
    """Half of the requests fail: the route moves, stays moved over a kill -9, comes back; Slack tells one story."""
    service = lab.hotspare("run")
    lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
    assert lab.serving() == OPENAI

    lab.first.state.chaos.error_rates = {500: 0.5}
    lab.until(lambda: lab.serving() == ANTHROPIC, "failover")
    generation = lab.table()["generation"]
    assert "is down" in lab.table()["routes"]["chat"]["reason"]
    lab.until(lambda: len(lab.slack.messages) == 1, "Slack told")
    # One who dies between telling and noting it tells twice: that is known, and not what this is about.
    lab.until(lab.noted, "noted that Slack was told")

    service.kill()
    service.communicate()
    again = lab.hotspare("run")
    lab.until(lambda: lab.health(OPENAI) in {"down", "recovering"}, "restarted")
    assert (lab.serving(), lab.table()["generation"]) == (ANTHROPIC, generation)

    lab.first.state.chaos.error_rates = {}
    lab.until(lambda: lab.serving() == OPENAI, "failback")
    lab.until(lambda: "Resolved" in str(lab.slack.messages[0].versions[-1]), "Slack told of the end")
    assert len(lab.slack.messages) == 1

    again.send_signal(signal.SIGTERM)
    output, errors = again.communicate(timeout=PATIENCE_S)
    assert (again.returncode, output) == (0, "")
    assert "Traceback" not in errors
    assert "sk-made-up-key-for-tests" not in errors

    status = lab.hotspare("status", "--json")
    said = json.loads(status.communicate(timeout=PATIENCE_S)[0])
    assert (status.returncode, said["service"]["life"]) == (1, "stopped"), "a stopped monitor is bad news"
    assert said["network"]["sight"] == "online", "the neutral endpoint was asked, and what it said was kept"


def test_what_a_vendor_says_is_shown_and_moves_nothing(lab: Lab) -> None:
    """Its page reports a major outage while its models answer: the route stays; of a real outage it knew first."""
    with status_pages.served(status_pages.incident_io("full_outage", status_pages.incident_io_incident())) as page:
        config = lab.config.read_text(encoding="utf-8")
        lab.config.write_text(
            config.replace("dialect: openai-chat,", f'dialect: openai-chat, status_page: "{page.url}",'),
            encoding="utf-8",
        )
        began = time.monotonic()
        service = lab.hotspare("run")
        lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
        lab.until(lambda: lab.status()["vendors"]["openai"]["state"] == "major_outage", "the page was read")
        assert lab.status()["vendors"]["openai"]["headline"] == "Elevated error rate"
        assert set(lab.status()["vendors"]) == {"openai"}, "a server of one's own has no page by default"
        assert (lab.serving(), lab.table()["generation"]) == (OPENAI, 1)

        lab.first.state.chaos.error_rates = {500: 1.0}
        lab.until(lambda: lab.serving() == ANTHROPIC, "failover by what the probes see")
        [incident] = lab.status()["open_incidents"]
        assert re.fullmatch(r"127\.0\.0\.1 said so .* s before us", incident["vendor"]["words"])
        lab.until(lambda: bool(lab.slack.messages), "Slack told")
        assert "127.0.0.1 said so" in str(lab.slack.messages[0].versions[-1])
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=PATIENCE_S)
        assert service.returncode == 0
    assert len(page.etags) <= 1 + (time.monotonic() - began) / 60, "at most once a minute"


def test_a_vendor_report_that_cannot_be_stored_stops_nothing(lab: Lab) -> None:
    """The log says so, and the service goes on."""
    database = f"sqlite:///{lab.folder}/hotspare.db"
    open_writer(database).dispose()
    with contextlib.closing(sqlite3.connect(lab.folder / "hotspare.db")) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON vendor_reports BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with status_pages.served(status_pages.incident_io("full_outage")) as page:
        config = lab.config.read_text(encoding="utf-8")
        lab.config.write_text(
            config.replace("dialect: openai-chat,", f'dialect: openai-chat, status_page: "{page.url}",'),
            encoding="utf-8",
        )
        service = lab.hotspare("run")
        lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
        lab.until(lambda: bool(page.etags), "the page was read")
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=PATIENCE_S)
    assert service.returncode == 0
    [lost] = [line for line in map(json.loads, errors.splitlines()) if line["event"] == "vendor_report_lost"]
    assert (lost["fields"], "disk full" in lost["text"]) == ({"page": page.url}, True)


def test_the_hand_of_an_operator_is_heeded_and_told(lab: Lab) -> None:
    """A pin by a process of its own moves the route; what expires goes back by itself; Slack hears of both."""
    service = lab.hotspare("run")
    lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
    pin = lab.hotspare("pin", "chat", ANTHROPIC, "--for", "4s", "--reason", "<!channel> a test", "--author", "ana")
    output, errors = pin.communicate(timeout=PATIENCE_S)
    assert (pin.returncode, errors) == (0, "")
    assert f"chat now points at {ANTHROPIC}; it was {OPENAI}" in output
    lab.until(lambda: lab.serving() == OPENAI, "back when it has expired")
    lab.until(lambda: len(lab.slack.messages) == 2, "Slack told")
    pinned, expired = (message.versions[-1].text for message in lab.slack.messages)
    assert pinned.startswith(f"✋ Pinned: chat\nana pinned chat to {ANTHROPIC} until ")
    assert "&lt;!channel&gt; a test" in pinned
    assert expired.startswith(f"⌛ Pin expired: chat\nthe pin of chat to {ANTHROPIC} by ana expired at ")
    service.send_signal(signal.SIGTERM)
    service.communicate(timeout=PATIENCE_S)
    assert service.returncode == 0


def test_a_database_that_is_deleted_moves_no_route(lab: Lab) -> None:
    """The service goes on in a new one, with all that it knows, and people are told."""
    service = lab.hotspare("run")
    lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
    lab.first.state.chaos.error_rates = {500: 1.0}
    lab.until(lambda: lab.serving() == ANTHROPIC, "failover")
    generation = lab.table()["generation"]
    for leftover in lab.folder.glob("hotspare.db*"):
        leftover.unlink()
    told = "was deleted or replaced by someone else: a new one was begun"
    lab.until(lambda: any(told in str(message.versions[-1]) for message in lab.slack.messages), "Slack told")
    [incident] = lab.status()["open_incidents"]
    assert incident["provider"] == "openai"
    assert (lab.serving(), lab.table()["generation"]) == (ANTHROPIC, generation)
    service.send_signal(signal.SIGTERM)
    _, errors = service.communicate(timeout=PATIENCE_S)
    assert service.returncode == 0
    assert "Traceback" not in errors


def test_a_second_instance_says_who_holds_the_lock(lab: Lab) -> None:
    """It exits with 2 and leaves the first one alone."""
    service = lab.hotspare("run")
    lab.until(lambda: lab.serving() == OPENAI, "started")
    second = lab.hotspare("run")
    _, errors = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2
    assert f"another hotspare (pid {service.pid} on " in errors
    assert "Traceback" not in errors
    lab.processes.remove(second)
    service.send_signal(signal.SIGINT)
    service.communicate(timeout=PATIENCE_S)
    assert service.returncode == 0


def test_once_and_check_ask_and_say(lab: Lab) -> None:
    """All well is 0; a provider that fails is 1, named with its outcome, in JSON as in the table."""
    # Each target is asked a single time, so that a late answer would be the result.
    unhurried = "interval: 60s, timeout: {connect: 10s, first_token: 30s, total: 30s}, slow: 20s"
    lab.config.write_text(lab.config.read_text().replace(PACE, unhurried))
    once = lab.hotspare("once", "--json")
    seen = json.loads(once.communicate(timeout=PATIENCE_S)[0])["observations"]
    assert once.returncode == 0
    assert [(one["target"], one["outcome"]) for one in seen] == [(OPENAI, "ok"), (ANTHROPIC, "ok")]
    assert seen[0]["input_tokens"] > 0
    assert seen[0]["cost_usd"] > 0
    lab.first.state.chaos.error_rates = {401: 1.0}
    check = lab.hotspare("check")
    output, errors = check.communicate(timeout=PATIENCE_S)
    assert check.returncode == 1
    assert errors == ""
    assert f"{OPENAI} chat auth" in " ".join(output.split())
    assert f"{OPENAI} (chat): the key in KEY was refused: HTTP 401" in output
    assert "\x1b" not in output, "no colours in a pipe"
    lab.processes.clear()


@pytest.mark.timeout(400)
def test_a_hundred_reloads_lose_no_probe_and_no_evidence(lab: Lab) -> None:
    """Good and bad ones in a row, through an outage: every request to a provider is stored, and the route moves once.

    Targets come and go meanwhile.
    """
    good = lab.config.read_text(encoding="utf-8")
    other = good.replace("models: {claude-haiku-5-5: {}}", "models: {claude-haiku-5-5: {}, claude-haiku-4-5: {}}")
    texts = (other, "providers: {}", good, good[:300], other + "\nbogus: 1\n")
    service = lab.hotspare("run")
    log: list[str] = []
    assert service.stderr
    reading = threading.Thread(target=lambda stream: log.append(stream.read()), args=[service.stderr])
    reading.start()  # so much is logged that a pipe that nobody reads would hold up the service
    lab.until(lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
    for number in range(100):
        lab.config.write_text(texts[number % len(texts)], encoding="utf-8")
        service.send_signal(signal.SIGHUP)
        if number == 30:
            lab.first.state.chaos.error_rates = {500: 1.0}
        lab.until(lambda number=number: lab.reloads() > number, "the signal is answered")  # type: ignore[misc]
    lab.until(lambda: lab.serving() == ANTHROPIC, "failover")
    assert lab.table()["generation"] == 2

    service.send_signal(signal.SIGTERM)
    assert service.wait(PATIENCE_S) == 0
    reading.join()
    [errors] = log
    assert "Traceback" not in errors
    with contextlib.closing(sqlite3.connect(lab.folder / "hotspare.db")) as database:
        [(stored,)] = database.execute("SELECT count(*) FROM observations WHERE http_status IS NOT NULL")
        [(timeouts,)] = database.execute("SELECT count(*) FROM observations WHERE http_status IS NULL")
        assert database.execute("SELECT count(*) FROM decisions").fetchone() == (2,)
    assert errors.count("configuration_loaded") >= 40
    assert errors.count("configuration_refused") >= 60
    made = sum(
        record.path != "/health" for server in (lab.first, lab.second) for record in server.state.journal.records()
    )
    assert stored <= made <= stored + timeouts


def test_what_is_refused_is_said_everywhere(lab: Lab) -> None:
    """By `reload`, `status` and Slack, with what helps; what is in force is named by its revision."""
    good = lab.config.read_text(encoding="utf-8")
    service = lab.hotspare("run")
    lab.until(lambda: lab.serving() == OPENAI and lab.status()["service"]["life"] == "running", "running")
    lab.config.write_text(good + "\nbogus: 1\n", encoding="utf-8")
    asked = lab.hotspare("reload")
    assert "bogus: unknown key" in asked.communicate(timeout=PATIENCE_S)[1]
    lab.config.write_text(good.replace("${KEY}", "${ABSENT}"), encoding="utf-8")
    asked = lab.hotspare("reload")
    assert "sees no new variable: restart it with ABSENT" in asked.communicate(timeout=PATIENCE_S)[1]
    assert [process.poll() for process in lab.processes[-2:]] == [2, 2]
    lab.processes = [service]
    refused = lab.status()
    assert "restart it with ABSENT" in refused["service"]["refused"]
    assert "the configuration was refused" in refused["action"]["sentence"]
    lab.until(lambda: any("ABSENT" in str(message.versions) for message in lab.slack.messages), "Slack told")
    lab.config.write_text(good + "\n# the last\n", encoding="utf-8")
    asked = lab.hotspare("reload", "--json")
    said, errors = asked.communicate(timeout=PATIENCE_S)
    assert errors == ""
    answer = json.loads(said)
    assert answer["answer"] in {"configuration_loaded", "configuration_unchanged"}, "it may have been noticed already"
    assert answer["revision"] == lab.status()["service"]["revision"]
    assert lab.status()["service"]["refused"] is None
    lab.processes = [service]
