"""Runs an outbox in one process after the other, each killed after a moment; used by `test_outbox_kills`."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.client import SlackSender
from controller.alerts.slack.message_values import SINK
from controller.alerts.slack.outbox import Outbox
from monitor.settings import SlackSettings
from monitor.storage.database import open_writer
from probes.target import Secret
from tests.support.alert_world import TOKEN

T = TypeVar("T")


async def tell(database: str, slack: SlackSettings) -> None:
    """Deliver what is due, again and again; the waits after a fault are those of a clock that runs fast."""
    engine = open_writer(database)

    async def here(function: Callable[[], T], /) -> T:
        return function()

    fast = Outbox(
        DeliveryStore(engine, SINK),
        SlackSender(slack, timeout_s=2.0),
        slack,
        in_database=here,
        in_thread=here,
        monotonic=lambda: time.monotonic() * 100,
    )
    while True:
        await fast.deliver_once()
        await asyncio.sleep(0.002)


def main(database: str, url: str, seed: int) -> None:
    """One process for each line of standard input, killed before the answer; one that ends by itself is said."""
    slack = SlackSettings(token=Secret(TOKEN), channel="#llm-status", api_url=url, most_per_hour=3600)
    dice = random.Random(seed)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(tell(database, slack))
        time.sleep(dice.uniform(0.004, 0.06))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else "ended by itself\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
