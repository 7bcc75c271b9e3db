"""Sockets that record when each phase was reached and bound what is read.

Bytes are time-stamped as the event loop delivers them, before anything processes them, so that the work of other
probes does not count. They are passed on in small chunks, one per turn of the loop, up to a limit in all: whatever a
server sends, it neither delays other probes nor fills the memory.
"""

import asyncio
import errno
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

from probes.transport.shared_calls import SharedCalls
from probes.transport.stream import CHUNK, ConnectError, ReadError, Stream, TlsStream

#: Family and socket address, as `socket.connect` takes it.
Address: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
#: Returns all addresses of a host name and a port, the best first; may block; raises OSError.
Resolve: TypeAlias = Callable[[str, int], Sequence[Address]]

#: Reading pauses while more bytes than this wait to be read.
_MOST_BUFFERED = 64 * 1024
#: How long one address may take before the next is tried beside it (RFC 8305).
_HEAD_START_S = 0.25
#: Errors that say more about this machine than about an address; raised only where there is no other.
_NO_ROUTE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH})


class ResponseTooLargeError(Exception):
    """The other side has sent more bytes than the limit allows."""


def resolve_by_system(host: str, port: int) -> Sequence[Address]:
    """Asks the system's resolver; blocks for as long as that is configured to wait; raises OSError."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
    return [(family, address) for family, _, _, _, address in infos]


class Resolver:
    """Looks up names by `resolve`, once at a time for each name: one that hangs costs one thread."""

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


@dataclass(slots=True)
class SocketTimings:
    """When each phase was reached, by the monotonic clock; None: not yet. Of a phase reached twice, the last."""

    resolved_at: float | None = None
    tcp_at: float | None = None
    connected_at: float | None = None
    """TCP, and TLS where there is any."""
    received_at: float | None = None
    """When the bytes that were read last arrived; once the end was read, when that did."""


class TimedSockets:
    """Makes the connections of one probe; reads at most `limit` bytes from them, then raises ResponseTooLargeError.

    No deadline is kept here: that of the probe cancels it.
    """

    def __init__(
        self, resolver: Resolver, timings: SocketTimings, *, limit: int, monotonic: Callable[[], float]
    ) -> None:
        self._resolver = resolver
        self.remaining = limit
        self.timings = timings
        self.monotonic = monotonic

    async def connect(self, host: str, port: int) -> Stream:
        """A connection to the first address of the host that accepts one; raises ConnectError."""
        try:
            addresses = await self._resolver.addresses(host, port)
            self.timings.resolved_at = self.monotonic()
            connected = await first_connected(addresses)
            self.timings.tcp_at = self.timings.connected_at = self.monotonic()
            _, stream = await asyncio.get_running_loop().create_connection(lambda: TcpStream(self), sock=connected)
        except OSError as error:
            raise ConnectError(str(error)) from error
        return stream

    async def start_tls(self, below: Stream, context: ssl.SSLContext, server_hostname: str) -> Stream:
        """The encrypted connection over that one, which is not used any more; raises ConnectError."""
        stream = TlsStream(below, context, server_hostname)
        await stream.shake_hands()
        self.timings.connected_at = self.monotonic()
        return stream


async def first_connected(addresses: Sequence[Address]) -> socket.socket:
    """A TCP connection to the first address that accepts one, each with a head start on the next; raises OSError."""
    untried, errors = alternate_families(addresses), list[OSError]()
    pending: set[asyncio.Task[socket.socket]] = set()
    if len(untried) == 1:
        return await _connect(untried[0])
    try:
        while untried or pending:
            if untried:
                pending.add(asyncio.create_task(_connect(untried.pop(0))))
            head_start_s = _HEAD_START_S if untried else None
            done, _ = await asyncio.wait(pending, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                pending.discard(task)
                error = task.exception()
                if error is None:
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
    finally:
        for task in pending:
            task.cancel()
            task.add_done_callback(_close)
    raise next((error for error in errors if error.errno not in _NO_ROUTE), errors[0])


def alternate_families(addresses: Sequence[Address]) -> list[Address]:
    """IPv6 and IPv4 addresses in turn, so that a family without a route costs one head start (RFC 8305, section 4)."""
    first = [address for address in addresses if address[0] is addresses[0][0]]
    others = [address for address in addresses if address[0] is not addresses[0][0]]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]


async def _connect(address: Address) -> socket.socket:
    family, socket_address = address
    new = socket.socket(family, socket.SOCK_STREAM)
    try:
        new.setblocking(False)
        await asyncio.get_running_loop().sock_connect(new, socket_address)
    except BaseException:
        new.close()
        raise
    return new


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Closes a connection that was established although it was no longer needed."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


class _Room(threading.local):
    """Where the bytes of one read are until they are copied, before the next one: one for each thread."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(2 * CHUNK))


_room = _Room()


class TcpStream(Stream, asyncio.BufferedProtocol):
    """One connection, whose bytes are time-stamped and buffered until they are read.

    It is read into a small buffer that all of a thread share: asyncio would take 256 KiB for each read.
    """

    def __init__(self, sockets: TimedSockets) -> None:
        self._sockets = sockets
        self._transport: Any = None
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._buffered = 0
        self._ended_at: float | None = None
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: write at once, and tell when all is written."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        """Called by asyncio: where to put what comes next."""
        return _room.view

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio: note when the bytes came."""
        at, data = self._sockets.monotonic(), bytes(_room.view[:nbytes])
        self._chunks.extend((at, data[start : start + CHUNK]) for start in range(0, len(data), CHUNK))
        self._buffered += len(data)
        if self._buffered > _MOST_BUFFERED and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._arrival)

    def eof_received(self) -> None:
        """Called by asyncio: note when the other side ended."""
        self._ended_at = self._sockets.monotonic()
        _wake(self._arrival)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: who waits for something gets the error."""
        # By this asyncio's transport refers to itself, so that thousands would wait for the collector of garbage.
        vars(self._transport).pop("_read_ready_cb", None)
        self._ended_at = self._ended_at or self._sockets.monotonic()
        self._error = exc
        _wake(self._arrival)
        _wake(self._writable)

    def pause_writing(self) -> None:
        """Called by asyncio: the system takes no more for now."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Called by asyncio: the system has taken all."""
        _wake(self._writable)

    async def read(self, most: int = CHUNK) -> bytes:
        """The next chunk of at most `most` bytes, empty at the end; raises ReadError, or what broke the connection."""
        if self._chunks:
            await asyncio.sleep(0)  # a backlog must not keep other probes from reading theirs
        while not self._chunks:
            if isinstance(self._error, OSError):
                raise ReadError(str(self._error)) from self._error
            if self._error is not None:
                raise self._error
            if self._ended_at is not None:
                self._sockets.timings.received_at = self._ended_at
                return b""
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        at, chunk = self._chunks.popleft()
        if len(chunk) > most:
            self._chunks.appendleft((at, chunk[most:]))
            chunk = chunk[:most]
        self._sockets.timings.received_at = at
        self._buffered -= len(chunk)
        if self._buffered <= _MOST_BUFFERED:
            self._transport.resume_reading()  # which does nothing where reading was not paused
        self._sockets.remaining -= len(chunk)
        if self._sockets.remaining < 0:
            raise ResponseTooLargeError
        return chunk

    async def write(self, data: bytes) -> None:
        """Waits until the operating system has accepted all that was written."""
        self._transport.write(data)
        if self._writable is not None:
            await self._writable

    def close(self) -> None:
        """Closes the connection at once, whatever is on its way."""
        self._transport.abort()


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
