"""Resolves host names, each in a thread of its own: a lookup that hangs costs one, however many probes ask for it."""

import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from probes.transport.shared_calls import SharedCalls

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
        self._look_up = SharedCalls(resolve, thread_name="lookup")

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """All addresses of the host, the best first; a numeric one at once. Raises OSError when there is none."""
        return parse_numeric(host, port) or await self._look_up(host, port)


def parse_numeric(host: str, port: int) -> Sequence[Address]:
    """The address that `host` spells, as a list of one; empty where it is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return [(family, (host, port))]
    return []
