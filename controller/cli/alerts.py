"""`hotspare alerts test`: one harmless message through everything that is configured, and what became of it."""

import argparse
import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
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
from monitor.storage.columns import to_ms
from probes.transport.tls import tls_context

_NOTHING: Final = (
    "nothing to test: alerts has neither slack, webhook_url, apprise nor heartbeat_url; docs/alerts.md says how"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedChannel:
    """One way to tell somebody."""

    name: str
    """`slack #llm-status`, `webhook`, `apprise 1`, `heartbeat`."""
    note: str
    """What goes there."""
    send: Callable[[], Awaitable[str | None]]
    """Sends the test; None when it was taken, else why not and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What became of one test."""

    name: str
    note: str
    error: str | None


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
    found = list(outlets(settings, alert))
    if not found:
        output.complain(_NOTHING)
        return output.WRONG
    results = asyncio.run(_send_all(found))
    if args.json:
        output.print_document(document(results, alert, now))
    else:
        print_results(results)
    return output.BAD_NEWS if any(one.error for one in results) else output.OK


def document(results: list[TestResult], alert: Alert, now: datetime) -> dict[str, Any]:
    """The results as JSON for scripts."""
    return {
        "at": instant(now),
        "id": alert.id,
        "sinks": [{"sink": one.name, "gets": one.note, "ok": one.error is None, "error": one.error} for one in results],
    }


def print_results(results: list[TestResult], console: Console | None = None) -> None:
    """For people, on standard output by default."""
    console = console or output.terminal()
    for one in results:
        taken = one.error is None
        head = Text(f"{'✓ taken     ' if taken else '✗ not taken '}", style="green" if taken else "bold red")
        console.print(Text.assemble(head, (one.name, "bold"), f" ({one.note})"))
        if one.error:
            console.print(Text(f"  {one.error}"))


def outlets(settings: Settings, alert: Alert) -> Iterator[TestedChannel]:
    """All that is configured, Slack first."""
    tls = tls_context(settings.network.ca_bundle)
    for channel in channels_of(context_of(settings, tls=tls, in_thread=asyncio.to_thread)):
        for test_message in channel.tests(alert):
            send = _through(channel, test_message.message, alert.at)
            yield TestedChannel(name=test_message.name, note=test_message.gets, send=send)
    if ping := heartbeat_ping(settings, tls=tls):
        yield TestedChannel(name="heartbeat", note="a sign of life while all is well", send=ping)


def _through(channel: AlertChannel, message: PlannedMessage, at: datetime) -> Callable[[], Awaitable[str | None]]:
    async def send() -> str | None:
        try:
            await channel.deliver(message, at)
        except DeliveryError as error:
            return str(error)
        return None

    return send


async def _send_all(found: list[TestedChannel]) -> list[TestResult]:
    """All at once: one that hangs holds up no other."""
    errors = await asyncio.gather(*(one.send() for one in found))
    return [TestResult(name=one.name, note=one.note, error=why) for one, why in zip(found, errors, strict=True)]
