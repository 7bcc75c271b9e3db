"""HTTP/1.1 within bounds: what of a connection is read, for how long, and what is answered where no request is."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from controller.api.bounds import MOST_BODY, MOST_HEAD, Patience, RefusedClients
from controller.api.snapshot import to_json

#: So many connections may leave an answer unread at once, and send so many requests ahead.
_MOST_UNREAD: Final = 64
_MOST_AHEAD: Final = 16
_MOST_BYTES_AHEAD: Final = 32 * 1024
_LONGEST_PARSED: Final = 8_000
#: What a refused client still sends is read for so long: closed at once, it would lose the answer that says why.
_LINGER_S: Final = 1.0


class _RefusedError(Exception):
    """Ends the parsing of what was refused."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines and sizes; `bounded` makes one for a server.

    A request's state holds `target`, as it was sent, and `left`, a future that is done once the client sends nothing
    more. An offer to upgrade is ignored (RFC 9110, 7.8). What is no request is answered as JSON, after all that came
    before it, and ends the connection.
    """

    refused: RefusedClients
    patience: Patience
    ready: Callable[[int], None]
    """Is given the number of the file of each connection that is there, encrypted where that is wanted."""
    unread: dict["BoundedProtocol", None]
    """Those whose answer is not read now, the oldest first."""
    idle: dict["BoundedProtocol", None]
    """Those without a request, the longest idle first."""

    _left: asyncio.Future[None]
    _deadline: asyncio.TimerHandle | None = None
    _slow_reader: asyncio.TimerHandle | None = None
    _head = 0
    _body = 0
    _ahead = 0
    """Bytes of requests that wait for the answer to another."""
    _due = 0
    """Requests that are not answered yet."""
    _sent_all = False
    """The client has closed its side."""
    _in_request = False
    _has_head = False
    """The head of the request that is read has come whole."""
    _last_answer: bytes | None = None
    """What ends the connection once all before it is answered; then nothing more is read."""

    @classmethod
    def make_room(cls, most: int) -> bool:
        """Whether an idle connection could be closed where there are `most`."""
        idle = next(iter(cls.idle), None)
        which = "the next are" if idle is None else "the longest idle one is"
        cls.refused.refuse("api_too_many_connections", f"more than {most} connections: {which} closed")
        if idle is not None:
            idle.end("", "")
        return idle is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self.ready(transport.get_extra_info("socket").fileno())
        self._left = self.loop.create_future()
        self.idle[self] = None
        self._expect(self.patience.idle_s, "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        for timer in (self._deadline, self._slow_reader):
            if timer:
                timer.cancel()
        self._forget()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's closes, whatever is due
        """Answer what is due; who waits for something gets what there is."""
        self._sent_all = True
        self._leave()
        if not self._due or self.scheme == "https":
            return False
        if self._last_answer is None:
            if self._in_request:
                return False
            self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Read on within the bounds."""
        if self._last_answer is not None:
            return
        self.idle.pop(self, None)
        self._begin()
        self._head += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing() or self._last_answer is not None:
            return
        if self._in_request and self._head - self._body > MOST_HEAD + MOST_BODY:
            status = 413 if self._has_head else 431
            self._refuse(status, "api_request_too_large", "a request without an end")

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._without_offer() + data[offer.args[0] :]
            except httptools.HttpParserError as error:
                self.send_400_response(str(error))
            else:
                return
            if self.transport.is_closing() or self._last_answer is not None:
                return

    def _without_offer(self) -> bytes:
        """The head of a request once more, to be read as if it offered no other protocol: its body then is one."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("CONNECT is for proxies")
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """A request begins, maybe right behind another."""
        super().on_message_begin()
        self._begin()
        self._has_head = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Part of the head; what follows the body belongs to no head (RFC 9110, 6.5.1)."""
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        if self.parser.should_upgrade():
            return
        if self._due:
            self._wait_ahead(len(self.url) + sum(len(name) + len(value) for name, value in self.headers))
        length = dict(self.headers).get(b"content-length", b"0")
        if not length.isdigit() or int(length[:12]) > MOST_BODY:
            self._refuse(413, "api_request_too_large", f"expected a body of at most {MOST_BODY} bytes")
            raise _RefusedError
        self.scope["state"] |= {"target": self.url, "left": self._left}
        if not self.url.startswith(b"/") or b"#" in self.url or len(self.url) > _LONGEST_PARSED:
            self.url = b"/"  # the application refuses the target, which need not be one that can be parsed
        super().on_headers_complete()
        self._has_head = True
        self._due += 1
        self.flow.resume_reading()  # a client that leaves is noticed; what it sends ahead is bounded

    def on_body(self, body: bytes) -> None:
        """Take no more than any request of ours has."""
        self._body += len(body)
        if self._body > MOST_BODY:
            self._refuse(413, "api_request_too_large", f"expected a body of at most {MOST_BODY} bytes")
            raise _RefusedError
        if self._due > 1:
            self._wait_ahead(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        if self.parser.should_upgrade():
            return
        self._in_request = self._has_head = False
        if self._deadline:
            self._deadline.cancel()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._due -= 1
        super().on_response_complete()
        if self.transport.is_closing() or self._due:
            return
        self._ahead = 0
        if self._last_answer is not None:
            self._say_last()
        elif not self._in_request:
            self.idle[self] = None

    def shutdown(self) -> None:
        """The server ends: who waits for something gets what there is."""
        self._leave()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, as uvicorn and the parser find."""
        self._refuse(400, "api_malformed_request", f"this is no HTTP request: {msg.lower()}")

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

    def end(self, event: str, text: str) -> None:
        """Break the connection off, for a reason that is told."""
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            return
        if event:
            self._tell(event, text)
        self._forget()
        self.transport.abort()

    def _refuse(self, status: int, event: str, text: str) -> None:
        """Answer what is being read with a problem, once all before it are answered, and read no more."""
        if self._last_answer is not None or self.transport.is_closing():
            return
        self._tell(event, text)
        self._last_answer = _problem(status, text)
        if self._deadline:
            self._deadline.cancel()
        if self._has_head:
            self._take_back()
        if not self._due:
            self._say_last()

    def _take_back(self) -> None:
        """Do not answer the request whose body is being read."""
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        elif self.cycle.response_started:
            self._last_answer = b""
            if self.cycle.response_complete:
                return
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self._due -= 1

    def _say_last(self) -> None:
        may_send_more = not self._sent_all and self.transport.can_write_eof()
        self._unset_keepalive_if_required()
        self._forget()
        self.transport.write(self._last_answer or b"")
        if may_send_more:
            self.transport.write_eof()
            self._deadline = self.loop.call_later(_LINGER_S, self.transport.abort)
        else:
            self.transport.close()

    def _begin(self) -> None:
        if not self._in_request:
            self._in_request, self._head, self._body = True, 0, 0
            self._expect(self.patience.request_s, "api_slow_request")

    def _expect(self, seconds: float, event: str) -> None:
        if self._deadline:
            self._deadline.cancel()
        text = f"a request that is not complete after {seconds:g} s"
        self._deadline = self.loop.call_later(seconds, self.end, event, text)

    def _wait_ahead(self, size: int) -> None:
        self._ahead += size
        if self._due > _MOST_AHEAD:
            self._refuse(429, "api_too_many_ahead", f"more than {_MOST_AHEAD} requests without waiting for answers")
        elif self._ahead > _MOST_BYTES_AHEAD:
            expected = f"expected at most {_MOST_BYTES_AHEAD} bytes behind a request that is not answered yet"
            self._refuse(413, "api_request_too_large", expected)
        else:
            return
        self._leave()
        raise _RefusedError

    def _tell(self, event: str, text: str) -> None:
        client = self.client[0] if self.client else "unknown"
        self.refused.refuse(event, f"{client}: {text}; the connection was closed")

    def _leave(self) -> None:
        if not self._left.done():
            self._left.set_result(None)

    def _forget(self) -> None:
        self._leave()
        self.unread.pop(self, None)
        self.idle.pop(self, None)


def bounded(refused: RefusedClients, patience: Patience) -> type[BoundedProtocol]:
    """The protocol of one server, which counts what it refuses."""
    return type(
        "ServerProtocol",
        (BoundedProtocol,),
        {"refused": refused, "patience": patience, "unread": {}, "idle": {}, "ready": staticmethod(lambda _: None)},
    )


def _problem(status: int, text: str) -> bytes:
    """A whole answer, as the application gives it."""
    body = to_json({"error": text})
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body
