"""`hotspare alerts test`: sends one harmless message through everything that is configured, and prints the results."""

import argparse
import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.text import Text

from controller.alerts.alert import Alert, make_test_alert
from controller.alerts.channel import AlertChannel, DeliveryError
from controller.alerts.delivery import PlannedMessage
from controller.alerts.registry import channels_of, context_of, heartbeat_ping
from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from monitor.clock import utc_now
from monitor.formatting import instant
from monitor.settings import Settings
from monitor.storage.conversions import to_ms
from probes.transport.http_transport import tls_context

_NOTHING: Final = (
    "nothing to test: alerts has neither slack, webhook_url, apprise nor heartbeat_url; docs/alerts.md says how"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTest:
    """A channel to test, or the heartbeat."""

    name: str
    """`slack #llm-status`, `webhook`, `apprise 1`, `heartbeat`."""
    note: str
    """What it receives."""
    send: Callable[[], Awaitable[str | None]]
    """Sends the test; returns None on success, else why it failed and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `alerts`."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("action", choices=["test"], help="what to do")


def run(args: argparse.Namespace) -> int:
    """Send and print; 1 when something was not taken, 2 when nothing is configured.

    It needs no database, and changes nothing that a running service relies on.
    """
    settings, now = load_settings(args.config), utc_now()
    alert = make_test_alert(f"test-{os.getpid()}-{to_ms(now):x}", at=now, where=socket.gethostname())
    channels = list(_channels(settings, alert))
    if not channels:
        output.print_error(_NOTHING)
        return output.WRONG
    errors = asyncio.run(_send_all(channels))
    if args.json:
        sinks = [
            {"sink": channel.name, "gets": channel.note, "ok": error is None, "error": error}
            for channel, error in zip(channels, errors, strict=True)
        ]
        output.print_document({"at": instant(now), "id": alert.id, "sinks": sinks})
    else:
        console = output.terminal()
        for channel, error in zip(channels, errors, strict=True):
            head = Text("✗ not taken " if error else "✓ taken     ", style="bold red" if error else "green")
            console.print(Text.assemble(head, (channel.name, "bold"), f" ({channel.note})"))
            if error:
                console.print(Text(f"  {error}"))
    return output.BAD_NEWS if any(errors) else output.OK


def _channels(settings: Settings, alert: Alert) -> Iterator[ChannelTest]:
    """Everything that is configured, Slack first."""
    tls = tls_context(settings.network.ca_bundle)
    for channel in channels_of(context_of(settings, tls=tls, in_thread=asyncio.to_thread)):
        for test_message in channel.tests(alert):
            send = _through(channel, test_message.message, alert.at)
            yield ChannelTest(name=test_message.name, note=test_message.gets, send=send)
    if ping := heartbeat_ping(settings, tls=tls):
        yield ChannelTest(name="heartbeat", note="a sign of life while all is well", send=ping)


def _through(channel: AlertChannel, message: PlannedMessage, at: datetime) -> Callable[[], Awaitable[str | None]]:
    async def send() -> str | None:
        try:
            await channel.deliver(message, at)
        except DeliveryError as error:
            return str(error)
        return None

    return send


async def _send_all(channels: list[ChannelTest]) -> list[str | None]:
    """Send to all at once, so that one that hangs delays no other; returns their errors."""
    return await asyncio.gather(*(channel.send() for channel in channels))
