"""Which channels a configuration has, and that no secret of it leaves through any of them."""

import asyncio
from dataclasses import replace
from pathlib import Path

from controller.alerts.channel import ChannelContext
from controller.alerts.registry import channels_of
from monitor.config.alert_settings import AlertSettings, SlackSettings
from monitor.config.settings import Settings
from probes.target import Secret
from probes.transport.http_transport import tls_context
from tests.support import builders
from tests.support import incident_builders as alerts


def configured(folder: Path) -> Settings:
    """Every kind of channel, each with secrets of its own."""
    return replace(
        builders.settings(folder, alerts.OPENAI),
        alerts=AlertSettings(
            slack=SlackSettings(token=Secret("xoxb-1"), channel="#a", app_token=Secret("xapp-2")),
            webhook_url=Secret("https://hook-3"),
            webhook_secret=Secret("secret-4"),
            apprise=(Secret("json://5"), Secret("json://6")),
            heartbeat_url=Secret("https://ping-7"),
        ),
    )


def test_channels_are_built_from_the_settings(tmp_path: Path) -> None:
    """Slack first, then the others in their order; none where none is configured."""
    tls = tls_context(None)
    context = ChannelContext(settings=configured(tmp_path), tls=tls, in_thread=asyncio.to_thread)
    assert [channel.name for channel in channels_of(context)] == ["slack", "webhook", "apprise 1", "apprise 2"]
    bare = ChannelContext(settings=builders.settings(tmp_path, alerts.OPENAI), tls=tls, in_thread=asyncio.to_thread)
    assert channels_of(bare) == ()


def test_every_secret_of_the_settings_is_hidden(tmp_path: Path) -> None:
    """Wherever it stands in them: a new channel's secret needs no list."""
    settings = configured(tmp_path)
    context = ChannelContext(settings=settings, tls=tls_context(None), in_thread=asyncio.to_thread)
    hidden = {secret.reveal() for secret in context.secrets}
    of_channels = {"xoxb-1", "xapp-2", "https://hook-3", "secret-4", "json://5", "json://6", "https://ping-7"}
    assert hidden >= of_channels | {provider.api_key.reveal() for provider in settings.providers}
