"""Relays what a database holds to a webhook, for ever: `python -m tests.support.channel_process DATABASE URL`."""

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

from controller.alerts.channels.webhook import WebhookChannel
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from monitor.storage.database import open_writer
from probes.target import Secret
from probes.transport.http_transport import tls_context

T = TypeVar("T")


async def _here(work: Callable[[], T], /) -> T:
    return work()


async def _relay(database: str, url: str) -> None:
    engine = open_writer(database)
    channel = WebhookChannel(Secret(url), Secret("0123456789abcdef0123"), tls=tls_context(None))
    await DeliveryWorker(channel, DeliveryStore(engine, channel.name), in_database=_here).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(_relay(sys.argv[1], sys.argv[2]))
