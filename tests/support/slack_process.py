"""Runs a delivery worker in one process after the other, each killed at a step; used by `test_delivery_kills`."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.slack.channel import SlackChannel
from controller.alerts.slack.planning_input import SINK
from monitor.config.alert_settings import SlackSettings
from monitor.storage.database import open_writer
from probes.target import Secret
from tests.support.alert_world import TOKEN

T = TypeVar("T")


class Steps:
    """Makes calls of the database and of Slack, and kills its own process as soon as so many have been made."""

    def __init__(self, left: int) -> None:
        self.left = left

    async def make(self, function: Callable[[], T], /) -> T:
        """One call."""
        result = function()
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


async def deliver(database: str, slack: SlackSettings, steps: Steps) -> None:
    """Deliver what is due, again and again, until the last step."""
    channel = SlackChannel(slack, in_thread=steps.make)
    worker = DeliveryWorker(channel, DeliveryStore(open_writer(database), SINK), in_database=steps.make)
    while True:
        await worker.deliver_once()


def main(database: str, url: str) -> None:
    """One process for each line of standard input, which says after how many steps it dies; how it ended is said."""
    slack = SlackSettings(token=Secret(TOKEN), channel="#llm-status", api_url=url, most_per_hour=3600)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(deliver(database, slack, Steps(int(line))))
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else "ended by itself\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
