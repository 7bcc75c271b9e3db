"""`hotspare alerts test` as people run it: a process, real servers, and what it says and returns."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import Answer, receiving
from tests.support.slack_server import SlackServer

TOKEN = "s3cr3t-t0ken-of-the-address"
ALERTS = """\
alerts:
  slack: {{token: "${{SLACK}}", channel: "#llm-status", channels: {{critical: "#oncall"}}, api_url: "{slack}"}}
  webhook_url: {url}/hook/${{TOKEN}}
  webhook_secret: ${{TOKEN}}
  apprise: ["json://{host}/apprise/${{TOKEN}}"]
  heartbeat_url: {url}/ping/${{TOKEN}}
"""


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    """Slack, so to say."""
    with SlackServer(others=["#oncall"]) as server:
        yield server


def configuration(folder: Path, alerts: str) -> Path:
    """A small configuration with these alerts, whose provider is never asked and whose database does not exist."""
    path = folder / "hotspare.yaml"
    path.write_text(
        f"database: sqlite:///{folder}/nowhere/hotspare.db\n"
        "providers:\n"
        "  p: {dialect: openai-chat, base_url: 'http://127.0.0.1:1/v1', api_key: k, models: {m: {}, n: {}}}\n"
        "routes: {chat: {candidates: [p/m, p/n]}}\n" + alerts,
        encoding="utf-8",
    )
    return path


async def hotspare(config: Path, *words: str, slack: str = "xoxb-none") -> tuple[int, str, str]:
    """Run `hotspare alerts test`; its exit status, what it printed, and what it complained of."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "controller.cli.main",
        "alerts",
        "test",
        "-c",
        str(config),
        *words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=kept | {"TOKEN": TOKEN, "SLACK": slack, "COLUMNS": "80"},
    )
    output, errors = await started.communicate()
    assert started.returncode is not None
    return started.returncode, output.decode(), errors.decode()


@pytest.mark.slow
async def test_everything_is_told_and_says_so(tmp_path: Path, slack: SlackServer) -> None:
    """One message in each channel of Slack, one document, one notification, one ping; without a database."""
    async with receiving() as receiver:
        alerts = ALERTS.format(slack=slack.url, url=receiver.url, host=receiver.url.removeprefix("http://"))
        status, output, errors = await hotspare(configuration(tmp_path, alerts), slack=slack.token)
    assert status == 0, output + errors
    assert output.splitlines() == [
        "✓ taken     slack #oncall (critical)",
        "✓ taken     slack #llm-status (warning, info)",
        "✓ taken     webhook (every change, as JSON)",
        "✓ taken     apprise 1 (opening, end, and what becomes critical)",
        "✓ taken     heartbeat (a sign of life while all is well)",
    ]
    texts = [message.versions[-1].text for message in slack.messages]
    assert len(texts) == 2
    assert all("this is a test" in text for text in texts)
    requests = {request.path.split("/")[1]: request for request in receiver.requests}
    assert set(requests) == {"hook", "apprise", "ping"}
    assert requests["hook"].json["kind"] == "test"
    assert "nobody has to act" in requests["apprise"].json["message"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.slow
async def test_what_is_refused_is_told_with_what_to_do(tmp_path: Path, slack: SlackServer) -> None:
    """1, a line for each that was not taken, and no secret in it; in `--json` one document."""
    refused = [Answer(status="404 Not Found")] * 6
    async with receiving(refused) as receiver:
        alerts = ALERTS.format(slack=slack.url, url=receiver.url, host=receiver.url.removeprefix("http://"))
        config = configuration(tmp_path, alerts)
        status, output, errors = await hotspare(config)
        again, document, _ = await hotspare(config, "--json")
    assert (status, again) == (1, 1)
    assert output.count("✗ not taken") == 5
    assert "set alerts.slack.token to the bot token (xoxb-…) of an installed app" in output
    assert "nothing is at that address: check alerts.webhook_url" in output
    assert "check alerts.heartbeat_url" in output
    assert TOKEN not in output + errors + document
    assert "Traceback" not in errors
    said: dict[str, Any] = json.loads(document)
    assert [(one["sink"], one["ok"]) for one in said["sinks"]] == [
        ("slack #oncall", False),
        ("slack #llm-status", False),
        ("webhook", False),
        ("apprise 1", False),
        ("heartbeat", False),
    ]


@pytest.mark.slow
async def test_nothing_configured_is_a_wrong_use(tmp_path: Path) -> None:
    """2, and what could be configured."""
    status, output, errors = await hotspare(configuration(tmp_path, ""))
    assert (status, output) == (2, "")
    assert "nothing to test: alerts has neither slack, webhook_url, apprise nor heartbeat_url" in errors
