"""Relays what a database holds to a webhook, for ever: `python -m tests.support.channel_process DATABASE URL`."""

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

from controller.alerts.channel_store import RelayRows
from controller.alerts.channel_worker import Relay
from controller.alerts.channels.webhook import WebhookSink
from controller.alerts.delivery_store import Deliveries
from monitor.storage.database import open_writer
from probes.target import Secret

T = TypeVar("T")


async def _here(work: Callable[[], T], /) -> T:
    return work()


async def _relay(database: str, url: str) -> None:
    engine = open_writer(database)
    sink = WebhookSink(Secret(url), Secret("0123456789abcdef0123"))
    rows, state = RelayRows(engine, sink.name), Deliveries(engine, sink.name)
    await Relay(sink, rows, state, in_database=_here).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(_relay(sys.argv[1], sys.argv[2]))
