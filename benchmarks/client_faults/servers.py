"""A provider on a raw socket, which answers in the dialect it is asked in, or fails as a `Reply` says.

It notes who came when, and with which headers.
"""

import json
import random
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from benchmarks.client_faults.faults import ANSWER, QUESTION, WELL, Reply
from benchmarks.client_faults.wire import Chat, Messages

_LONGEST_SILENCE_S: Final = 120.0
_LARGEST_REQUEST: Final = 1 << 20


class Request(NamedTuple):
    """What somebody asked."""

    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: dict[str, Any]


class Provider:
    """One server on a port of its own. `model` is what it says that it is.

    Where it is well `well_after_s`, a `share` of the requests fails until then, and it answers the others by `well`.
    """

    def __init__(
        self,
        model: str,
        replies: tuple[Reply, ...] = (WELL,),
        *,
        well_after_s: float | None = None,
        refuses_prefill: bool = False,
        share: float = 1.0,
        well: Reply = WELL,
    ) -> None:
        self.model = model
        self.asked: list[tuple[float, str]] = []
        """The applications' requests, without probes: when, in monotonic seconds, and of which `user`."""
        self.last: Request | None = None
        """The last request of all."""
        self._began_at: float | None = None
        self._replies = replies
        self._well = well
        self._share = share
        self._dice = random.Random("provider")
        self._well_after_s = well_after_s
        self._refuses_prefill = refuses_prefill
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, as an SDK wants it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    @property
    def asked_at(self) -> list[float]:
        """When the applications asked."""
        return [at for at, _ in self.asked]

    def begin(self) -> None:
        """From now on it fails, where it is to be well later."""
        self._began_at = time.monotonic()

    def close(self) -> None:
        """Take no more connections, and end the silent ones."""
        self._closing.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(OSError, ValueError, KeyError):
            while (request := _read_request(connection)) is not None:
                if not self._answer(connection, request):
                    return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Answer one request; whether the connection can take another."""
        self.last = request
        wire = (Messages if request.path.endswith("/messages") else Chat)(self.model)
        reply, messages = self._next_reply(request.body), request.body["messages"]
        self._closing.wait(reply.answer_after_s)
        if reply.resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if reply.silent:
            self._closing.wait(_LONGEST_SILENCE_S)
            return False
        if self._refuses_prefill and messages[-1]["role"] == "assistant":
            reply = Reply(status=400, code="invalid_request_error", message="This model does not support prefill")
        if reply.status != WELL.status:
            retry_after = [f"Retry-After: {reply.retry_after}"] if reply.retry_after else []
            _send(connection, reply.status, wire.error(reply), retry_after)
            return True
        if not request.body.get("stream"):
            text = ANSWER if _is_application(request.body) else str(messages[-1]["content"])
            functions = [tool["function"]["name"] for tool in request.body.get("tools", ()) if "function" in tool]
            _send(connection, 200, wire.answer(text, functions))
            return True
        return self._stream(connection, reply, wire)

    def _next_reply(self, request: dict[str, Any]) -> Reply:
        """What happens to this request, which is noted if it is an application's."""
        now = time.monotonic()
        with self._lock:
            number = len(self.asked)
            if _is_application(request):
                self.asked.append((now, str(request.get("user"))))
            fails = self._dice.random() < self._share
        if self._well_after_s is None:
            return self._replies[min(number, len(self._replies) - 1)]
        failing = self._began_at is not None and now < self._began_at + self._well_after_s
        return self._replies[0] if failing and fails else self._well

    def _stream(self, connection: socket.socket, reply: Reply, wire: Chat | Messages) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self._closing.wait(reply.first_token_after_s):
            return False
        for event in wire.events(reply):
            connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
            self._closing.wait(reply.piece_s)
        if reply.then == "silent":
            self._closing.wait(_LONGEST_SILENCE_S)
        if reply.then in {"silent", "cut"}:
            return False
        connection.sendall(b"0\r\n\r\n")
        return True


def _is_application(request: dict[str, Any]) -> bool:
    return any(QUESTION in str(message.get("content")) for message in request["messages"])


def _send(connection: socket.socket, status: int, body: dict[str, Any], more: Sequence[str] = ()) -> None:
    content = json.dumps(body).encode()
    head = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: application/json")
    lines = (*head, f"Content-Length: {len(content)}", *more, "", "")
    connection.sendall("\r\n".join(lines).encode() + content)


def _read_request(connection: socket.socket) -> Request | None:
    """The next request; None when there is no other. Raises ValueError when it is none."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part or len(received) > _LARGEST_REQUEST:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = min(int(headers["content-length"]), _LARGEST_REQUEST)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return None
        body += part
    request = json.loads(body)
    return Request(first.split()[1], headers, request) if isinstance(request, dict) else None
