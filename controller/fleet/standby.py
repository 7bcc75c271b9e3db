"""What a machine does that does not lead: it publishes the leader's table, answers the API, and waits."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any, Final

from controller.alerts.service_health import STUCK_S
from controller.api.server import ApiServer
from controller.fleet.lease_keeper import LeaseKeeper
from controller.fleet.machine import THIS, Machine
from controller.fleet.shared_clock import SharedClock
from controller.routing.published_state import order_of
from controller.routing.routing_file import RoutingFile, RoutingFileError
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import HeldLease
from monitor.storage.shared_table_store import SharedTable, SharedTableStore

log = logging.getLogger(__name__)

_STATEMENT_S: Final = 5.0


class Standby:
    """From one `run` to the next; without the database the routing file stays as it is, and becomes stale."""

    def __init__(
        self,
        settings: Settings,
        file: RoutingFile,
        keeper: LeaseKeeper,
        clock: SharedClock,
        machine: Machine = THIS,
    ) -> None:
        self._machine = machine
        self._settings = settings
        self._file = file
        self._keeper = keeper
        self._clock = clock
        self._engine = machine.reporter(settings.database, statement_s=_STATEMENT_S)
        self._tables = SharedTableStore(self._engine)
        self._known: SharedTable | None = None
        self._leader = ""
        self._failed = ""
        """What failed last; it is logged once."""

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    async def run(self, stop: asyncio.Event) -> HeldLease | None:
        """Until this machine has the lease, which is returned; None by `stop`. Raises nothing."""
        api = ApiServer(
            settings=self._settings,
            content=lambda: self._file.content,
            stuck=lambda: None,
            trouble=self.trouble,
            clock=self._clock,
            notify=lambda event, text: log.warning("%s: %s", event, text),
        )
        answering = asyncio.create_task(api.run())
        try:
            while not stop.is_set():
                lease = await self._look()
                if lease:
                    return lease
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._machine.look_s):
                        await stop.wait()
            return None
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    def trouble(self) -> str | None:
        """That the leader's table is not known any more, in a few words; None while it is."""
        elapsed_s = self._machine.monotonic() - self._keeper.answered_s
        return f"the database has not answered for {format_elapsed(elapsed_s)}" if elapsed_s > STUCK_S else None

    async def _look(self) -> HeldLease | None:
        """Publish what is new, and take the lease if it is over; what fails is logged once."""
        try:
            lease = await self._keeper.thread.run(self._keeper.take, order_of(self._file.read_table())[0])
            if lease is None:
                self._tell_leader()
                await self._keeper.thread.run(self._publish)
            self._report("")
            return lease
        except (DatabaseError, RoutingFileError) as error:
            self._report(str(error))
            return None

    def _publish(self) -> None:
        unlike = None if self._file.find_tampering() else self._known
        try:
            found = self._tables.read("", unlike=unlike)
        except DatabaseError:
            self._engine.dispose()
            raise
        if found is None:
            return
        table: dict[str, Any] = json.loads(found.content)
        there = order_of(self._file.read_table())
        if (found.epoch, found.generation) < there:
            raise RoutingFileError(
                f"the database has a routing table of epoch {found.epoch}, generation {found.generation}, and"
                f" {self._settings.routing_file} is of {there[0]}, {there[1]}: an older database was put in place?"
                " Remove the file to take the older table"
            )
        self._file.publish(table)
        self._known = found

    def _tell_leader(self) -> None:
        reading = self._keeper.reading
        leads = f"{reading.holder} leads (epoch {reading.epoch})" if reading and reading.holder else "nobody leads yet"
        if leads != self._leader:
            log.info("standing_by: %s", leads)
        self._leader = leads

    def _report(self, failed: str) -> None:
        if failed and failed != self._failed:
            log.warning("standby_behind: %s", failed)
        elif self._failed and not failed:
            log.warning("standby_current: the leader's table is published again")
        self._failed = failed
