"""`hotspare alerts test`: sends one harmless message through everything that is configured, and prints the results."""

import argparse
import asyncio
import os
import socket
from collections.abc import Awaitable, Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from controller.alerts.alert import Alert, make_test_alert
from controller.alerts.channel import AlertChannel, ChannelContext, DeliveryError
from controller.alerts.delivery import PlannedMessage
from controller.alerts.registry import channels_of, heartbeat_ping
from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from controller.routing.operator_requests import RefusedError
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.formatting import instant
from monitor.storage.column_conversions import to_ms
from probes.transport.http_transport import tls_context


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
    results = asyncio.run(_send_all(settings, alert))
    if not results:
        known = "neither slack, webhook_url, apprise nor heartbeat_url"
        raise RefusedError(f"nothing to test: alerts has {known}; docs/alerts.md says how")
    sinks = [{"sink": name, "gets": gets, "ok": error is None, "error": error} for name, gets, error in results]
    output.print_answer(args, {"at": instant(now), "id": alert.id, "sinks": sinks}, _print_results, results)
    return output.BAD_NEWS if any(error for _, _, error in results) else output.OK


def _print_results(results: Sequence[tuple[str, str, str | None]], console: Console) -> None:
    for name, gets, error in results:
        head = Text("✗ not taken " if error else "✓ taken     ", style="bold red" if error else "green")
        console.print(Text.assemble(head, (name, "bold"), f" ({gets})"))
        if error:
            console.print(Text(f"  {error}"))


async def _send_all(settings: Settings, alert: Alert) -> list[tuple[str, str, str | None]]:
    """Send to all at once, so that one that hangs delays no other, Slack first.

    Returns for each its name, what it receives, and why the test failed and what to do; None where it was taken.
    """
    tls = tls_context(settings.network.ca_bundle)
    tests: list[tuple[str, str, Awaitable[str | None]]] = [
        (name, gets, _deliver(channel, message, alert.at))
        for channel in channels_of(ChannelContext(settings=settings, tls=tls, in_thread=asyncio.to_thread))
        for name, gets, message in channel.tests(alert)
    ]
    if ping := heartbeat_ping(settings, tls=tls):
        tests.append(("heartbeat", "a sign of life while all is well", ping()))
    errors = await asyncio.gather(*(sending for _, _, sending in tests))
    return [(name, gets, error) for (name, gets, _), error in zip(tests, errors, strict=True)]


async def _deliver(channel: AlertChannel, message: PlannedMessage, at: datetime) -> str | None:
    try:
        await channel.deliver(message, at)
    except DeliveryError as error:
        return str(error)
    return None
