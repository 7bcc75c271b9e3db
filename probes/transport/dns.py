"""Names to addresses: a name is looked up once at a time, in a thread that nobody has to wait for.

A resolver that hangs costs one thread, however many probes ask for the same name, and neither holds up the lookups of
other names nor the end of the process.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

#: Family and socket address, as `socket.connect` takes it.
Address: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
#: All addresses of a host name and a port, the best first; blocks; raises OSError.
Resolve: TypeAlias = Callable[[str, int], Sequence[Address]]


def system(host: str, port: int) -> Sequence[Address]:
    """What the system's resolver says; blocks, for as long as the system is set up to wait; raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
    return [(family, address) for family, _, _, _, address in found]


class Resolver:
    """Looks names up by `resolve`."""

    def __init__(self, resolve: Resolve = system) -> None:
        self._resolve = resolve
        self._under_way: dict[tuple[str, int], Future[Sequence[Address]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """All addresses of the host, the best first; a numeric one at once. Raises OSError when there is none."""
        return numeric(host, port) or await asyncio.wrap_future(self._looking_up((host, port)))

    def _looking_up(self, place: tuple[str, int]) -> Future[Sequence[Address]]:
        future = self._under_way.get(place)
        if future is None:
            future = self._under_way[place] = Future()
            future.set_running_or_notify_cancel()  # one who no longer waits must not cancel it for the others
            self._begin(place, future)
        return future

    def _begin(self, place: tuple[str, int], future: Future[Sequence[Address]]) -> None:
        try:
            threading.Thread(target=self._look_up, args=(place, future), name="lookup", daemon=True).start()
        except RuntimeError:  # no more threads: the next one shall try again
            del self._under_way[place]
            raise

    def _look_up(self, place: tuple[str, int], future: Future[Sequence[Address]]) -> None:
        try:
            found = self._resolve(*place)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            del self._under_way[place]
            future.set_exception(error)
        else:
            del self._under_way[place]
            future.set_result(found)


def numeric(host: str, port: int) -> Sequence[Address]:
    """The address that `host` is itself, if it is one; else none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return [(family, (host, port))]
    return []
