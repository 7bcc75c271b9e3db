"""Resolves host names, each in a thread of its own.

A lookup that hangs costs one thread, however many probes ask for the same name, and delays neither other names nor the
end of the process.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

#: Family and socket address, as `socket.connect` takes it.
Address: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
#: Returns all addresses of a host name and a port, the best first; may block; raises OSError.
Resolve: TypeAlias = Callable[[str, int], Sequence[Address]]


def resolve_by_system(host: str, port: int) -> Sequence[Address]:
    """Asks the system's resolver; blocks for as long as that is configured to wait; raises OSError."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
    return [(family, address) for family, _, _, _, address in infos]


class Resolver:
    """Looks up names by `resolve`, once at a time for each name."""

    def __init__(self, resolve: Resolve = resolve_by_system) -> None:
        self._resolve = resolve
        self._pending: dict[tuple[str, int], Future[Sequence[Address]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """All addresses of the host, the best first; a numeric one at once. Raises OSError when there is none."""
        return parse_numeric(host, port) or await asyncio.wrap_future(self._look_up_once((host, port)))

    def _look_up_once(self, host_and_port: tuple[str, int]) -> Future[Sequence[Address]]:
        future = self._pending.get(host_and_port)
        if future is None:
            future = self._pending[host_and_port] = Future()
            future.set_running_or_notify_cancel()  # a cancelled waiter must not cancel it for the others
            self._start(host_and_port, future)
        return future

    def _start(self, host_and_port: tuple[str, int], future: Future[Sequence[Address]]) -> None:
        try:
            threading.Thread(target=self._look_up, args=(host_and_port, future), name="lookup", daemon=True).start()
        except RuntimeError:  # no more threads: the next lookup tries again
            del self._pending[host_and_port]
            raise

    def _look_up(self, host_and_port: tuple[str, int], future: Future[Sequence[Address]]) -> None:
        try:
            addresses = self._resolve(*host_and_port)
        except Exception as error:  # noqa: BLE001 - raised in those who wait
            del self._pending[host_and_port]
            future.set_exception(error)
        else:
            del self._pending[host_and_port]
            future.set_result(addresses)


def parse_numeric(host: str, port: int) -> Sequence[Address]:
    """The address that `host` spells, as a list of one; empty where it is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return [(family, (host, port))]
    return []
