"""What `hotspare check` finds out about the channels of alerts, without telling anybody."""

from pathlib import Path

import pytest

from controller.cli.main import main
from controller.cli.reachability import Reachability, reach_channels
from monitor.config.loader import load
from monitor.config.settings import Settings
from tests.support.configurations import write
from tests.support.receiver import Answer, receiving
from tests.support.slack_server import SlackServer

TOKEN = "s3cr3t-t0ken-of-the-address"


def settings(folder: Path, alerts: dict[str, object]) -> Settings:
    """A small configuration with these alerts."""
    environ = {"OPENAI_API_KEY": "sk-made-up", "SLACK": "xoxb-none", "TOKEN": TOKEN}
    return load(write(folder, alerts=alerts), environ)


async def test_what_answers_is_reached_and_nobody_is_told(tmp_path: Path) -> None:
    """Slack by `auth.test`, the webhook by any answer to HEAD; Apprise could only be tried by a message."""
    with SlackServer() as slack:
        async with receiving([Answer(status="405 Method Not Allowed")]) as receiver:
            alerts: dict[str, object] = {
                "slack": {"token": slack.token, "channel": "#llm-status", "api_url": slack.url},
                "webhook_url": f"{receiver.url}/hook/{TOKEN}",
                "apprise": [f"json://{receiver.url.removeprefix('http://')}/{TOKEN}"],
            }
            bot, webhook, apprise = await reach_channels(settings(tmp_path, alerts))
        assert (bot.sink, bot.error) == ("slack", None)
        assert (bot.reached or "").startswith("the bot is ")
        assert webhook == Reachability(sink="webhook", reached="something answers there")
        assert apprise == Reachability(sink="apprise 1")
        assert slack.messages == []
    assert [request.method for request in receiver.requests] == ["HEAD"]


async def test_slack_by_webhook(tmp_path: Path) -> None:
    """A webhook that Slack knows refuses an empty message; one that it does not know says so."""
    with SlackServer() as slack:
        known, other = slack.webhook_url, slack.webhook_url + "x"
        for url, reached in ((known, "Slack knows the webhook"), (other, None)):
            [channel] = await reach_channels(settings(tmp_path, {"slack": {"webhook_url": url}}))
            assert channel.reached == reached
            assert reached or "make a new webhook" in (channel.error or "")
        assert slack.messages == []


async def test_what_is_wrong_is_told_without_a_secret(tmp_path: Path) -> None:
    """A token that Slack does not know, something that is not Slack, floods, and a closed port."""
    with SlackServer() as slack:
        alerts: dict[str, object] = {
            "slack": {"token": "xoxb-wrong-token", "channel": "#llm-status", "api_url": slack.url},
            "webhook_url": f"http://127.0.0.1:1/{TOKEN}",
        }
        bot, webhook = await reach_channels(settings(tmp_path, alerts))
    assert "set alerts.slack.token to the bot token" in (bot.error or "")
    assert "the webhook did not answer: it could not be reached" in (webhook.error or "")
    assert TOKEN not in str((bot, webhook))
    async with receiving([Answer(instead="flood"), Answer(body=b"[" * 20_000), Answer(body=b"\xff")]) as receiver:
        for _ in range(3):
            slack_settings = {"token": "xoxb-x", "channel": "#a", "api_url": receiver.url}
            [bot] = await reach_channels(settings(tmp_path, {"slack": slack_settings}))
            assert "something that is not Slack answered" in (bot.error or "")


def test_offline_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the provider nor the webhook, which do not exist: 0 for what is valid; warnings are shown."""
    path = write(tmp_path, alerts={"webhook_url": f"http://127.0.0.1:1/{TOKEN}"})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up")
    assert main(["check", "--offline", "-c", str(path)]) == 0
