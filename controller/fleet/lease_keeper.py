"""Keeps the lease of who decides: takes it when it is over, renews it, gives it back."""

import asyncio
import logging
import os
import secrets
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from controller.fleet.machine import THIS, Machine
from controller.fleet.shared_clock import SharedClock
from controller.fleet.succession import may_take
from controller.service.background import WorkerThread
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import LEADER, HeldLease, LeaseFence
from monitor.storage.lease_store import RENEW_S, LeaseReading, LeaseStore
from monitor.storage.lock import HeldError
from monitor.storage.writer import writer_database

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
_STATEMENT_S: Final = 2.0


def holder_name(routing_file: Path) -> str:
    """Who this process is: the machine, the process, the place (`succession.place_of`) and a name of its own."""
    host = socket.gethostname()[:64]
    place = zlib.crc32(f"{host} {routing_file.absolute()}".encode())
    return f"{host} pid {os.getpid()} {place:08x}.{secrets.token_hex(4)}"


class LeaseKeeper:
    """The lease of one process, on a thread and a connection of their own: nothing else delays a renewal."""

    def __init__(self, url: str, holder: str, clock: SharedClock, machine: Machine = THIS) -> None:
        self._url = url
        self._monotonic = machine.monotonic
        self.holder = holder
        self._clock = clock
        self._engine = machine.reporter(url, statement_s=_STATEMENT_S)
        self._store = LeaseStore(self._engine, LEADER, monotonic=machine.monotonic)
        self.thread = WorkerThread("lease")
        """Whoever else asks the database while this process does not lead asks on this thread."""
        self._is_there = False
        """Whether the database had leases when it was last asked."""
        self._refused = ""
        """Why tables could not be made, as it was logged last."""
        self._last: tuple[int, int] | None = None
        self._unchanged_since_s = 0.0
        self.answered_s = self._monotonic()
        """When the database answered last (monotonic)."""
        self.reading: LeaseReading | None = None
        """The lease as it was read last."""

    def close(self) -> None:
        """Close the connection."""
        self.thread.shutdown(cancel_futures=True)
        self._engine.dispose()

    def take(self, above: int) -> HeldLease | None:
        """The lease where it is over, under an epoch above `above`; raises DatabaseError. On `thread`."""
        try:
            return self._take(above)
        except DatabaseError:
            self._is_there = False
            self._engine.dispose()
            raise

    def _take(self, above: int) -> HeldLease | None:
        self._is_there = self._is_there or self._store.is_there() or self._make_tables()
        if not self._is_there:
            return None
        self.reading = reading = self._store.read()
        self.answered_s = now_s = self._monotonic()
        self._clock.learn(reading.time)
        if self._last != (reading.epoch, reading.until_ms):
            self._last, self._unchanged_since_s = (reading.epoch, reading.until_ms), now_s
        if not may_take(reading, holder=self.holder, unchanged_s=now_s - self._unchanged_since_s):
            return None
        lease = self._store.take(self.holder, reading, above=above, early=True)
        if lease:
            log.info("lease_taken epoch=%d from=%r", lease.epoch, reading.holder)
        return lease

    def _make_tables(self) -> bool:
        """In a new database, or one of an older version that nobody uses; whether they are there now."""
        database = writer_database(self._url)
        try:
            database.open()
        except HeldError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.warning("standing_by: %s", error)
            return False
        except DatabaseError:
            # Another machine may have taken the lease meanwhile, and thrown this one out.
            if not self._store.is_there():
                raise
        finally:
            database.close()
        return True

    async def keep(self, fence: LeaseFence, stuck: Callable[[], str | None]) -> None:
        """Renew it until it is lost. While the service is `stuck` it is not renewed: another machine may do better."""
        due_s, failing = 0.0, False
        while fence.deposed is None:
            if self._monotonic() >= due_s:
                try:
                    if why := stuck():
                        raise DatabaseError(why)
                    await self.thread.run(self._renew, fence)
                    due_s, failing = self._monotonic() + RENEW_S, False
                except DatabaseError as error:
                    if not failing:
                        log.warning("lease_not_renewed epoch=%d: %s", fence.lease.epoch, error)
                    failing = True
            await asyncio.sleep(_LOOK_S)
        log.error("deposed: %s; this machine stands by", fence.deposed)

    def _renew(self, fence: LeaseFence) -> None:
        try:
            asked_s = self._monotonic()
            measured = self._store.renew(fence.lease)
            if measured:
                fence.renewed(asked_s)
                self._clock.learn(measured)
                self.answered_s = self._monotonic()
                return
            reading = self._store.read()
        except DatabaseError:
            self._engine.dispose()
            raise
        if reading.epoch >= fence.lease.epoch:
            fence.depose(reading.holder, reading.epoch)
        else:
            raise DatabaseError("the database does not know the lease: it is a new one, or an older one")

    def release(self, fence: LeaseFence) -> None:
        """Give it back, so that another machine leads at once; where that fails it runs out by itself. On `thread`."""
        if fence.deposed:
            return
        try:
            self._store.release(fence.lease)
        except DatabaseError as error:
            self._engine.dispose()
            log.warning("lease_not_released epoch=%d: %s", fence.lease.epoch, error)
