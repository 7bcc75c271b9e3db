"""The service as people run it, with somebody to tell besides Slack: documents, notifications, the heartbeat."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.controller.alerts.channels.test_webhook import SCHEMA
from tests.repository.test_alerts_docs import block
from tests.stories import test_service
from tests.stories.test_service import ANTHROPIC, OPENAI, PATIENCE_S, Lab
from tests.support.receiver import HANG, Answer, Receiver, receiving

pytestmark = pytest.mark.slow


lab = test_service.lab
SECRET = "0123456789abcdef0123"


def tell(lab: Lab, hook: Receiver, others: Receiver) -> None:
    """Add to the lab's configuration whom to tell."""
    config = lab.config.read_text(encoding="utf-8")
    more = (
        f', webhook_url: "{hook.url}/hook", webhook_secret: "{SECRET}", heartbeat_url: "{others.url}/ping",'
        f' heartbeat_every: 10s, apprise: ["json://{others.url.removeprefix("http://")}/apprise"]}}'
    )
    lines = [line[:-1] + more if line.startswith("alerts: ") else line for line in config.splitlines()]
    lab.config.write_text("\n".join(lines), encoding="utf-8")


async def until(lab: Lab, holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds; the receivers answer meanwhile."""
    await asyncio.to_thread(lab.until, holds, what)


async def test_an_outage_is_told_everywhere_and_a_receiver_that_hangs_delays_nobody(lab: Lab) -> None:
    """The webhook hangs at first: Slack is told all the same; then it gets the story, signed, in order; and Apprise."""
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - what the documentation tells receivers to do
    async with receiving([HANG, Answer(status="503 Later")]) as hook, receiving() as others:
        tell(lab, hook, others)
        service = lab.hotspare("run")
        await until(lab, lambda: lab.health(OPENAI) == lab.health(ANTHROPIC) == "up", "both up")
        await until(lab, lambda: any(one.path == "/ping" for one in others.requests), "a heartbeat")
        lab.first.state.chaos.error_rates = {500: 1.0}
        await until(lab, lambda: bool(lab.slack.messages and hook.requests), "Slack told, and the webhook asked")
        assert len(hook.requests) == 1, "it hangs, and nothing else waits for it"
        hook.released.set()
        await until(lab, lambda: len(hook.requests) >= 3, "tried again until it was taken")
        await until(lab, lambda: any(one.path == "/apprise" for one in others.requests), "Apprise told")
        lab.first.state.chaos.error_rates = {}
        await until(lab, lambda: hook.requests[-1].json["kind"] == "incident_resolved", "told of the end")
        await until(lab, lambda: "success" in str(others.requests[-1].body), "Apprise told of the end")
        service.send_signal(signal.SIGTERM)
        _, errors = await asyncio.to_thread(service.communicate, timeout=PATIENCE_S)
    assert service.returncode == 0
    assert SECRET not in errors
    assert "/hook" not in errors
    documents = [one.json for one in hook.requests]
    assert [one["kind"] for one in documents[2:]] == [
        "incident_opened",
        *["incident_changed"] * (len(documents) - 4),
        "incident_resolved",
    ]
    revisions = [one["incident"]["revision"] for one in documents]
    assert revisions == sorted(revisions)
    for request in hook.requests:
        jsonschema.Draft202012Validator(SCHEMA).validate(request.json)
        signed = request.headers["x-hotspare-signature"]
        assert names["is_from_hotspare"](request.body, signed, SECRET, window_s=600)
    types = [one.json["type"] for one in others.requests if one.path == "/apprise"]
    assert types == ["warning", "success"]
