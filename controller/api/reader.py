"""Reads the read model for all requests together: seldom, on a thread of its own, and with a bound on who waits."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from controller.api.snapshot import Snapshot
from controller.status.overview import Overview

T = TypeVar("T")

#: A reading serves all requests for so long; of the machine's time all readings together take a fifth at most.
_FRESH_S: Final = 1.0
_REST: Final = 4.0
_WAIT_S: Final = 5.0
_MOST_WAITING: Final = 16


class BusyError(Exception):
    """What was asked for cannot be read in time; the text is for the one who asks."""


class ReadModel:
    """Reads by `read`, from one event loop; anew where `version` has changed since. What it raises, requests get."""

    def __init__(self, read: Callable[[], Overview], version: Callable[[], object]) -> None:
        self._read = read
        self._version = version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-reader")
        self._current: Snapshot | None = None
        self._current_version: object = None
        self._fresh_until_s = 0.0
        self._reading: asyncio.Task[Snapshot] | None = None
        self._waiting = 0

    async def current(self) -> Snapshot:
        """What is known now, to within a second; raises BusyError, and what reading raises."""
        is_fresh = time.monotonic() < self._fresh_until_s and self._version() is self._current_version
        if self._current and is_fresh:
            return self._current
        if self._reading is None:
            self._reading = asyncio.create_task(self._renew())
        try:
            return await asyncio.wait_for(asyncio.shield(self._reading), _WAIT_S)
        except TimeoutError:
            raise BusyError(f"the database has not been read within {_WAIT_S:g} s") from None

    async def run(self, call: Callable[[], T]) -> T:
        """The result of another reading; raises BusyError where too many wait for one."""
        if self._waiting >= _MOST_WAITING:
            raise BusyError("too many ask at once; ask again in a second")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await asyncio.wait_for(loop.run_in_executor(self._thread, call), _WAIT_S)
        except TimeoutError:
            raise BusyError(f"the database has not been read within {_WAIT_S:g} s") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Start no more readings; the one under way may end later."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _renew(self) -> Snapshot:
        try:
            version, began_s = self._version(), time.monotonic()
            loop = asyncio.get_running_loop()
            self._current = await loop.run_in_executor(self._thread, lambda: Snapshot.of(self._read()))
            took_s = time.monotonic() - began_s
            self._current_version = version
            self._fresh_until_s = time.monotonic() + max(_FRESH_S, _REST * took_s)
            return self._current
        finally:
            self._reading = None
