"""Sockets with a stopwatch, for httpcore: what it reads and writes goes through here, and is timed and bounded here.

Bytes are stamped as the event loop hands them over, before anything is done with them, so that what other probes make
of theirs does not count. They are given out in small pieces, one a turn of the loop, and not more than the limit in
all: whatever a server sends, it neither holds up the other probes nor fills the memory.
"""

import asyncio
import errno
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import httpcore

from probes.transport.dns import Address, Resolver
from probes.transport.errors import ResponseTooLargeError

_PIECE = 2048
_HELD = 64 * 1024
#: How long one address may take before the next is tried beside it (RFC 8305).
_HEAD_START_S = 0.25
#: TLS needs no deadline of its own: the probe's ends it.
_NO_DEADLINE_S = 86400.0
#: What says more about this machine than about an address; told only where there is nothing else to tell.
_NO_ROUTE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH})


@dataclass(slots=True)
class SocketTimings:
    """When the sockets of one probe got how far, by the probe's clock; None: not yet. Of what came twice, the last."""

    resolved_at: float | None = None
    tcp_at: float | None = None
    connected_at: float | None = None
    """TCP, and TLS where there is any."""
    received_at: float | None = None
    """When the bytes came in that were read last; when the end did, once that was read."""


class TimedBackend(httpcore.AsyncNetworkBackend):
    """Makes the connections of one probe; reads at most `limit` bytes from them, then raises ResponseTooLargeError."""

    def __init__(self, lookups: Resolver, marks: SocketTimings, *, limit: int, monotonic: Callable[[], float]) -> None:
        self._lookups = lookups
        self._left = limit
        self.marks = marks
        self.monotonic = monotonic

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the signature is httpcore's, the deadline the probe's
        local_address: str | None = None,  # noqa: ARG002 - the same
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of the host that takes one; raises httpcore.ConnectError."""
        try:
            addresses = await self._lookups.addresses(host, port)
            self.marks.resolved_at = self.monotonic()
            connected = await first_connected(addresses)
            self.marks.tcp_at = self.marks.connected_at = self.monotonic()
            receiver = _Receiver(self.monotonic)
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: receiver, sock=connected)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(transport, receiver, self)

    def count(self, received: int) -> None:
        """So many more bytes are read; raises ResponseTooLargeError past the limit."""
        self._left -= received
        if self._left < 0:
            raise ResponseTooLargeError


async def first_connected(addresses: Sequence[Address]) -> socket.socket:
    """A TCP connection to the first of the addresses that takes one, each with a head start; raises OSError."""
    waiting, errors = families_in_turn(addresses), list[OSError]()
    under_way: set[asyncio.Task[socket.socket]] = set()
    if len(waiting) == 1:
        return await _connected(waiting[0])
    try:
        while waiting or under_way:
            if waiting:
                under_way.add(asyncio.create_task(_connected(waiting.pop(0))))
            head_start_s = _HEAD_START_S if waiting else None
            done, _ = await asyncio.wait(under_way, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                under_way.discard(task)
                error = task.exception()
                if error is None:
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
    finally:
        for task in under_way:
            task.cancel()
            task.add_done_callback(_close)
    raise next((error for error in errors if error.errno not in _NO_ROUTE), errors[0])


def families_in_turn(addresses: Sequence[Address]) -> list[Address]:
    """IPv6 and IPv4 in turn, so that one that leads nowhere costs one head start (RFC 8305, 4)."""
    first = [address for address in addresses if address[0] is addresses[0][0]]
    others = [address for address in addresses if address[0] is not addresses[0][0]]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]


async def _connected(address: Address) -> socket.socket:
    family, place = address
    new = socket.socket(family, socket.SOCK_STREAM)
    try:
        new.setblocking(False)
        await asyncio.get_running_loop().sock_connect(new, place)
    except BaseException:
        new.close()
        raise
    return new


def _close(task: asyncio.Task[socket.socket]) -> None:
    """One that connected although it was no longer needed."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


class _Receiver(asyncio.Protocol):
    """Stamps and keeps what comes in until it is read."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._ended_at: float | None = None
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._unsent: asyncio.Future[None] | None = None

    def control(self, transport: asyncio.Transport) -> None:
        """Slows `transport` down where it is ahead of the reader, and wants to know when all is written."""
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # at 0, TLS would pause with nothing to write, and stay so

    def data_received(self, data: bytes) -> None:
        at = self._monotonic()
        self._pieces.extend((at, data[start : start + _PIECE]) for start in range(0, len(data), _PIECE))
        self._held += len(data)
        if self._held > _HELD and self._transport is not None:
            self._transport.pause_reading()
        _tell(self._news)

    def eof_received(self) -> None:
        self._ended_at = self._monotonic()
        _tell(self._news)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended_at = self._ended_at or self._monotonic()
        self._error = exc
        _tell(self._news)
        _tell(self._unsent)

    def pause_writing(self) -> None:
        self._unsent = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _tell(self._unsent)

    async def sent(self) -> None:
        """Waits until the system has taken all that was written."""
        if self._unsent is not None:
            await self._unsent

    async def next(self) -> tuple[float, bytes]:
        """When the next piece came in, and the piece, empty at the end; raises what broke the connection."""
        if self._pieces:
            await asyncio.sleep(0)  # what has piled up must not keep the other probes from theirs
        while not self._pieces:
            if self._ended_at is not None:
                if self._error is not None:
                    raise self._error
                return self._ended_at, b""
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        at, piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._held <= _HELD and self._transport is not None:
            self._transport.resume_reading()  # which does nothing where reading was not paused
        return at, piece


def _tell(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection in the shape that httpcore wants; deadlines are the probe's."""

    def __init__(self, transport: asyncio.Transport, receiver: _Receiver, sockets: TimedBackend) -> None:
        self._transport = transport
        self._receiver = receiver
        self._sockets = sockets
        receiver.control(transport)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109 - httpcore's
        try:
            at, piece = await self._receiver.next()
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        self._sockets.marks.received_at = at
        self._sockets.count(len(piece))
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - httpcore's
        self._transport.write(buffer)
        await self._receiver.sent()

    async def aclose(self) -> None:
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore's
    ) -> httpcore.AsyncNetworkStream:
        receiver = _Receiver(self._sockets.monotonic)
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport,
                receiver,
                ssl_context,
                server_hostname=server_hostname,
                ssl_handshake_timeout=_NO_DEADLINE_S,
            )
        except OSError as error:  # which those of ssl are
            raise httpcore.ConnectError(str(error)) from error
        if secured is None:
            raise httpcore.ConnectError("the connection ended with its handshake")
        self._sockets.marks.connected_at = self._sockets.monotonic()
        return _Stream(secured, receiver, self._sockets)

    def get_extra_info(self, info: str) -> Any:
        return self._transport.get_extra_info(info) if info == "ssl_object" else None
