"""A provider on a raw socket, which answers chat completions or fails as a `Reply` says, and notes who came when."""

import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from benchmarks.client_faults.faults import ANSWER, QUESTION, WELL, Reply

_REASONS: Final = {200: "OK", 400: "Bad Request", 429: "Too Many Requests", 500: "Error", 503: "Service Unavailable"}
_LONGEST_SILENCE_S: Final = 120.0
_USAGE: Final = {"prompt_tokens": 12, "completion_tokens": 80, "total_tokens": 92}
_LARGEST_REQUEST: Final = 1 << 20


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

    def _answer(self, connection: socket.socket, request: dict[str, Any]) -> bool:
        """Answer one request; whether the connection can take another."""
        reply, messages = self._next_reply(request), request["messages"]
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
            error = {"error": {"message": reply.message, "type": reply.code, "code": reply.code, "param": None}}
            retry_after = [f"Retry-After: {reply.retry_after}"] if reply.retry_after else []
            connection.sendall(_head(reply.status, len(body := json.dumps(error).encode()), retry_after) + body)
            return True
        if not request.get("stream"):
            text = ANSWER if _is_application(request) else str(messages[-1]["content"])
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = json.dumps(self._event([choice], "chat.completion") | {"usage": _USAGE}).encode()
            connection.sendall(_head(200, len(body)) + body)
            return True
        return self._stream(connection, reply)

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

    def _stream(self, connection: socket.socket, reply: Reply) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self._closing.wait(reply.first_token_after_s):
            return False
        for event in self._events(reply):
            connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
            self._closing.wait(reply.piece_s)
        if reply.then == "silent":
            self._closing.wait(_LONGEST_SILENCE_S)
        if reply.then in {"silent", "cut"}:
            return False
        connection.sendall(b"0\r\n\r\n")
        return True

    def _events(self, reply: Reply) -> Iterator[bytes]:
        words = [f"{word} " for word in ANSWER.split()][: reply.words]
        for number, word in enumerate(words, start=1):
            if number == reply.broken_event:
                yield b'data: {"id": "chatcmpl-1", "choices": [{"delta": {"con\n\n'
            yield _data(self._event([{"index": 0, "delta": {"role": "assistant", "content": word}}]))
        if reply.words is not None:
            return
        yield _data(self._event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        yield _data(self._event([]) | {"usage": _USAGE})
        if reply.then == "done":
            yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], kind: str = "chat.completion.chunk") -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": self.model, "choices": choices}


def _is_application(request: dict[str, Any]) -> bool:
    return any(QUESTION in str(message.get("content")) for message in request["messages"])


def _data(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _head(status: int, length: int, more: Sequence[str] = ()) -> bytes:
    lines = (f"HTTP/1.1 {status} {_REASONS[status]}", "Content-Type: application/json", f"Content-Length: {length}")
    return "\r\n".join((*lines, *more, "", "")).encode()


def _read_request(connection: socket.socket) -> dict[str, Any] | None:
    """The body of the next request; None when there is no other. Raises ValueError when it is none."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part or len(received) > _LARGEST_REQUEST:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = min(int(fields[b"content-length"]), _LARGEST_REQUEST)
    while len(body) < length:
        body += connection.recv(65536)
    request = json.loads(body)
    return request if isinstance(request, dict) else None
