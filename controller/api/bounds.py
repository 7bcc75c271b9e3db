"""What bounds those who ask: how many, how much, how slowly; and the protocol that holds them to it."""

import asyncio
import socket
import time
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: So many connections at once, when the process may have that many open files beside those that it needs itself.
MOST_CONNECTIONS: Final = 12_000
_FILES_FOR_OTHERS: Final = 512
MOST_HEAD: Final = 32 * 1024
MOST_BODY: Final = 64 * 1024
#: So many connections may leave an answer unread at once, and send so many requests ahead.
_MOST_UNREAD: Final = 64
_MOST_AHEAD: Final = 16
_ACCEPTED_AT_ONCE: Final = 32
_TOO_LARGE: Final = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
#: A reason for refusing is told once in so long, with how often there was one.
_TOLD_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a connection may take, in seconds."""

    request_s: float = 10.0
    """For a whole request."""
    idle_s: float = 90.0
    """Without a request."""
    unread_s: float = 15.0
    """Without reading what was answered."""


PATIENCE: Final = Patience()


@dataclass(kw_only=True)
class RefusedClients:
    """Counts who was refused, and tells it now and then: an attack must not fill the log."""

    tell: Callable[[str, str], None]
    """Is given the event and a text."""
    monotonic: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    """By event, since the start."""
    _told: dict[str, tuple[float, int]] = field(default_factory=dict)

    def refuse(self, event: str, text: str) -> None:
        """Count it, and tell it unless that was just done."""
        self.counts[event] += 1
        told_s, told = self._told.get(event, (float("-inf"), 0))
        now_s = self.monotonic()
        if now_s - told_s < _TOLD_EVERY_S:
            return
        self._told[event] = now_s, self.counts[event]
        since = self.counts[event] - told
        self.tell(event, f"{text} ({since} times)" if since > 1 else text)


def most_connections(open_files: int) -> int:
    """How many connections there may be where the process may have so many open files: probes need some, too."""
    return max(16, min(MOST_CONNECTIONS, open_files - _FILES_FOR_OTHERS))


class _Connection(socket.socket):
    """Counts among `open_now` until it is closed, and no longer: collecting it as garbage may come much later."""

    def __init__(self, accepted: socket.socket, open_now: "weakref.WeakSet[socket.socket]") -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._open_now = open_now
        open_now.add(self)

    def close(self) -> None:
        self._open_now.discard(self)
        super().close()


class BoundedListener(socket.socket):
    """A listening socket for so many connections at once.

    Beyond them the longest idle one gives way to the next, so that who asks for its health gets an answer; where none
    is idle, the next is closed before anything is read or encrypted.
    """

    def __init__(self, family: socket.AddressFamily, *, most: int, protocol: "type[BoundedProtocol]") -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._batch = 0
        self.open_now: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.most, self.protocol = most, protocol

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection within the bound; raises BlockingIOError where there is none."""
        self._batch = (self._batch + 1) % _ACCEPTED_AT_ONCE
        if not self._batch:
            raise BlockingIOError  # the loop comes back, after those that ask already
        connection, address = super().accept()
        if len(self.open_now) < self.most or self._give_way(self.protocol):
            return _Connection(connection, self.open_now), address
        connection.close()
        raise BlockingIOError

    def _give_way(self, protocol: "type[BoundedProtocol]") -> bool:
        """Whether an idle connection could be closed."""
        idle = next(iter(protocol.idle), None)
        which = "the next are" if idle is None else "the longest idle one is"
        protocol.refused.refuse("api_too_many_connections", f"more than {self.most} connections: {which} closed")
        if idle is not None:
            idle.end("", "")
        return idle is not None


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines and sizes; `bounded` makes one for a server."""

    refused: RefusedClients
    patience: Patience
    unread: dict["BoundedProtocol", None]
    """Those whose answer is not read now, the oldest first."""
    idle: dict["BoundedProtocol", None]
    """Those without a request, the longest idle first."""

    _deadline: asyncio.TimerHandle | None = None
    _slow_reader: asyncio.TimerHandle | None = None
    _head = 0
    _body = 0
    _in_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self.idle[self] = None
        self._expect(self.patience.idle_s, "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        for timer in (self._deadline, self._slow_reader):
            if timer:
                timer.cancel()
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on within the bounds."""
        self.idle.pop(self, None)
        if not self._in_request:
            self._in_request, self._head, self._body = True, 0, 0
            self._expect(self.patience.request_s, "api_slow_request")
        self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_request and self._head - self._body > MOST_HEAD + MOST_BODY:
            self.end("api_request_too_large", "a request without an end")
        elif len(self.pipeline) > _MOST_AHEAD:
            self.end("api_too_many_ahead", "requests without waiting for answers")

    def on_body(self, body: bytes) -> None:
        """Take no more than any request of ours has."""
        self._body += len(body)
        if self._body > MOST_BODY:
            if self.transport.is_closing():
                return
            if not self.cycle.response_started:
                self.transport.write(_TOO_LARGE)
            self.end("api_request_too_large", f"a body of more than {MOST_BODY} bytes")
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._in_request = False
        if self._deadline:
            self._deadline.cancel()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not (self.transport.is_closing() or self._in_request or self.pipeline):
            self.idle[self] = None

    def pause_writing(self) -> None:
        """What was answered is not read."""
        super().pause_writing()
        self.unread[self] = None
        self._slow_reader = self.loop.call_later(
            self.patience.unread_s, self.end, "api_unread", "an answer that nobody reads"
        )
        if len(self.unread) > _MOST_UNREAD:
            next(iter(self.unread)).end("api_unread", "more answers than may lie unread at once")

    def resume_writing(self) -> None:
        """It is read after all."""
        super().resume_writing()
        self.unread.pop(self, None)
        if self._slow_reader:
            self._slow_reader.cancel()

    def _expect(self, seconds: float, event: str) -> None:
        if self._deadline:
            self._deadline.cancel()
        text = f"a request that is not complete after {seconds:g} s"
        self._deadline = self.loop.call_later(seconds, self.end, event, text)

    def end(self, event: str, text: str) -> None:
        """Break the connection off, for a reason that is told."""
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            return
        if event:
            client = self.client[0] if self.client else "unknown"
            self.refused.refuse(event, f"{client}: {text}; the connection was closed")
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        self.unread.pop(self, None)
        self.idle.pop(self, None)


def bounded(refused: RefusedClients, patience: Patience) -> type[BoundedProtocol]:
    """The protocol of one server, which counts what it refuses."""
    return type(
        "ServerProtocol", (BoundedProtocol,), {"refused": refused, "patience": patience, "unread": {}, "idle": {}}
    )
