"""That the database cannot be written is told past it, once."""

import asyncio
from collections.abc import Iterator

from controller.alerts.direct_notice import DirectNotice
from controller.alerts.slack.channel import SlackChannel
from monitor.config.alert_settings import SlackSettings
from probes.target import Secret
from tests.support.alert_world import NOON
from tests.support.slack_server import Fault, FaultKind, SlackServer


async def test_people_are_told_once_and_a_failed_try_is_repeated() -> None:
    """As soon as it has lasted long enough, and still does a moment later; after that nobody is told again."""
    lasting = "I still watch and route. database x is locked"
    reasons: Iterator[str | None] = iter([None, "a leader that was paused", None, lasting, lasting])
    with SlackServer() as server:
        server.fail(Fault(kind=FaultKind.SERVER_ERROR))
        slack = SlackSettings(token=Secret(server.token), channel=server.channel, api_url=server.url)
        channel = SlackChannel(slack, in_thread=asyncio.to_thread, timeout_s=1.0)
        notice = DirectNotice(
            *([channel], lambda: next(reasons), lambda: NOON), name="hotspare.db", apart_s=0.0, sure_s=0.0
        )
        await notice.run()
        [message] = server.messages
    assert message.versions[-1].text.startswith("⚠️ Database unusable: hotspare.db")
    shown = str(message.versions[-1].blocks)
    assert "I still watch and route. database x is locked. Incidents are reported once" in shown
