"""What a machine has probed while it led, and could not store: whoever leads by then stores it."""

import asyncio
from collections.abc import Sequence
from typing import Final

from controller.fleet.machine import Machine
from controller.fleet.report_buffer import ReportBuffer
from controller.fleet.report_sender import ReportSender
from controller.service.background import HOST
from monitor.config.settings import Settings
from monitor.storage.held_file import HeldFile, held_file_of
from monitor.storage.probe_report_store import ReportOutbox
from probes.observation import Observation

_EVERY_S: Final = 5.0


class Leftovers:
    """Of a machine without a region: what it hands over waits beside the routing file until the database takes it."""

    def __init__(self, settings: Settings, machine: Machine) -> None:
        self._engine = machine.reporter(settings.database)
        outbox, buffer = ReportOutbox(self._engine, region="", reporter=HOST), ReportBuffer(settings.routing_file)
        self._sender = ReportSender(outbox.send, buffer, monotonic=machine.monotonic, every_s=_EVERY_S)
        self._held: HeldFile = held_file_of(settings.routing_file)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what there is, until `stop`, and once more."""
        try:
            await self._sender.run(stop)
        finally:
            self._engine.dispose()

    async def report(self, observations: Sequence[Observation]) -> None:
        """Send these, or keep them; what is known already counts once."""
        if observations:
            self._sender.add(observations, None)
            await self._sender.report()

    async def report_held(self) -> None:
        """The good answers that waited on disk to be stored, by whichever service led here last."""
        await self.report(self._held.read())
        self._held.replace(())
