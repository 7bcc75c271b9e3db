"""A connection to a node on which everything has an end: looking up its name, connecting, each answer and its size."""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

from hotspare_client.reader import MAX_BYTES

_CONNECT_S = 5.0
_LOOK_UP_S = 5.0
_TICK_S = 1.0
_MOST_HEAD = 64 * 1024
#: A host that vanished without a word is noticed after so many seconds, and twice two more.
_SILENT_S = 5


class TooLargeError(Exception):
    """More came than any answer of a node has."""


class Connection:
    """An open connection, for one request after the other."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, tick: Callable[[], None]) -> None:
        """Connect within five seconds; `tick` is called once a second while its name is looked up. Raises OSError."""
        self._socket = _connect(host, port, tick)
        if tls:
            try:
                self._socket.settimeout(_CONNECT_S)
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
            except BaseException:
                self._socket.close()
                raise
        self._until = 0.0
        self._left = 0
        self._tick = tick

    def get(
        self, path: str, headers: dict[str, str], *, within_s: float, tick: Callable[[], None]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """The answer, with its whole body; `tick` is called once a second meanwhile. Path and headers are ASCII.

        Raises OSError, HTTPException, ValueError and TooLargeError. Where the answer has `will_close` it was the last.
        """
        self._until, self._left, self._tick = time.monotonic() + within_s, _MOST_HEAD, tick
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._socket.settimeout(within_s)
        self._socket.sendall("\r\n".join(lines).encode("ascii"))
        response = http.client.HTTPResponse(_AsSocket(self), method="GET")  # type: ignore[arg-type] # all it uses
        response.begin()
        self._left += MAX_BYTES
        body = response.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLargeError
        if not response.isclosed():
            raise http.client.IncompleteRead(body)
        return response, unpacked(response.getheader("content-encoding", ""), body)

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def receive(self, buffer: Any) -> int:
        """As much as is there. Raises TimeoutError when its time is over, and TooLargeError."""
        while True:
            self._tick()
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("it took too long")
            self._socket.settimeout(min(left_s, _TICK_S))
            try:
                count = self._socket.recv_into(buffer)
            except TimeoutError:
                continue
            self._left -= count
            if self._left < 0:
                raise TooLargeError
            return count


class _AsSocket:
    """As much of a socket as an `HTTPResponse` uses."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_AsFile(self._connection))


class _AsFile(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive(buffer)


def unpacked(encoding: str, body: bytes) -> bytes:
    """The body without its encoding. Raises ValueError and TooLargeError."""
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise ValueError(f"its encoding is {encoding!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"it is no gzip: {error}") from None
    if len(content) > MAX_BYTES:
        raise TooLargeError
    if not unpacker.eof:
        raise ValueError("it is gzip without an end")
    return content


def _connect(host: str, port: int, tick: Callable[[], None]) -> socket.socket:
    addresses = _look_up(host, port, tick)
    until = time.monotonic() + _CONNECT_S
    error: OSError = OSError("it has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(max(0.1, (until - time.monotonic()) / (len(addresses) - number)))
            one.connect(address)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _notice_silence(one)
        except OSError as failed:
            one.close()
            error = failed
        except BaseException:
            one.close()
            raise
        else:
            return one
    raise error


def _notice_silence(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", _SILENT_S), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 2)):
        if hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _look_up(host: str, port: int, tick: Callable[[], None]) -> list[Any]:
    """The addresses of a host, from a thread of its own: a resolver has no deadline, and hears no signal."""
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.put(error if isinstance(error, OSError) else OSError("its name is none"))

    threading.Thread(target=look_up, daemon=True, name="hotspare-look-up").start()
    until = time.monotonic() + _LOOK_UP_S
    while (left_s := until - time.monotonic()) > 0:
        tick()
        try:
            answer = found.get(timeout=min(left_s, _TICK_S))
        except queue.Empty:
            continue
        if isinstance(answer, OSError):
            raise answer
        return answer
    raise TimeoutError(f"its name was not found within {_LOOK_UP_S:g} s")
