"""Runs what the configuration asks for, and that of the next one in its place."""

import asyncio
from collections.abc import Callable, Sequence

from controller.service.configured_parts import ConfiguredParts


class PartsRunner:
    """Runs the parts that are in force; traffic that stays the same is taken in without a break."""

    def __init__(self, in_force: Callable[[], ConfiguredParts]) -> None:
        self._in_force = in_force
        self._replaced = asyncio.Event()

    def replace(self) -> None:
        """End the parts that run, and begin those in force by now."""
        self._replaced.set()

    async def run(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """For ever; `stop` is handed on to them."""
        traffic = self._in_force().traffic
        running = tasks.create_task(traffic.run())
        while True:
            self._replaced.clear()
            parts = self._in_force()
            if parts.traffic is not traffic:
                await _end([running])
                traffic, running = parts.traffic, tasks.create_task(parts.traffic.run())
            others = [tasks.create_task(work) for work in parts.tasks(stop)]
            try:
                await self._replaced.wait()
            except asyncio.CancelledError:
                for task in (running, *others):
                    task.cancel()
                raise
            await _end(others)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
