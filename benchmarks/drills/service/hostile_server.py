"""Providers, a Slack, a status page and a webhook on one port, which answer in every way that nobody should."""

import base64
import gzip
import json
import random
import re
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final
from urllib.parse import quote

from tests.support.oddities import HEADERS, STATUSES, TOKENS

#: Nobody is answered for longer.
_LONGEST_S: Final = 40.0
_FLOOD: Final = b"x" * 65536
_BOMB: Final = gzip.compress(b"0" * 100_000_000)
_DEEP: Final = b"[" * 200_000


class HostileServer(socketserver.ThreadingTCPServer):
    """Answers well under `/good` and `/neutral`, and badly everywhere else; `/slack` answers well every second time."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, seed: int, keys: Collection[str], *, only_echoes: bool = False) -> None:
        """`keys`: what is echoed where a request carries it, in whichever header or parameter.

        `only_echoes`: every bad answer has a key in it that it was asked with.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.dice = random.Random(seed)
        self.ways = (_echo, _echo_in_answer) if only_echoes else _WAYS
        self.keys = tuple(key.encode() for key in keys)
        self.good_at: list[float] = []
        """When the good provider was asked (monotonic)."""
        self.told: list[bytes] = []
        """All that was sent to Slack and the webhook."""
        self.answers = 0
        self.asked = Counter[str]()
        """How often each first part of a path was asked for."""
        self.carried = Counter[bytes]()
        """How often a request that is answered badly carried each key; of several, the one that was echoed."""
        self.closing = False
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who was treated badly has left."""

    def take_key(self, head: bytes) -> bytes:
        """The key to echo: of those that the request carries, the one that came back least."""
        key = min((key for key in self.keys if key in head), key=self.carried.__getitem__, default=b"none")
        self.carried[key] += 1
        return key


class _Handler(socketserver.StreamRequestHandler):
    server: HostileServer
    timeout = _LONGEST_S

    def handle(self) -> None:
        began = time.monotonic()
        head = b"".join(takewhile(lambda line: line not in {b"\r\n", b""}, iter(self.rfile.readline, None)))
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = self.rfile.read(int(length[1])) if length else b""
        path = head.split(b" ", 2)[1] if head.count(b" ") > 1 else b"/"
        kind = path.decode("latin-1").partition("?")[0].split("/")[1]
        self.server.asked[kind] += 1
        if kind in {"good", "neutral"}:
            if kind == "good":
                self.server.good_at.append(began)
            self.wfile.write(_answer(_reply(body)))
            return
        if kind in {"slack", "webhook"}:
            self.server.told.append(body)
        if kind == "slack" and self.server.dice.random() < 0.5:
            stamp = f"{time.time():.6f}"
            self.wfile.write(_answer(json.dumps({"ok": True, "channel": "C1", "ts": stamp, "messages": []}).encode()))
            return
        self.server.answers += 1
        asked = _Asked(dice=self.server.dice, key=self.server.take_key(head), body=body)
        with suppress(OSError):
            for piece in self.server.dice.choice(self.server.ways)(asked):
                self.wfile.write(piece)
                if self.server.closing or time.monotonic() - began > _LONGEST_S:
                    break
            if self.server.dice.random() < 0.2:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a bad answer is made of."""

    dice: random.Random
    key: bytes
    body: bytes


def _reply(asked: bytes) -> bytes:
    nonce = re.search(rb"word: (\w{8})", asked)
    content = nonce[1].decode() if nonce else ""
    return json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()


def _answer(body: bytes, status: str = "200 OK", headers: bytes = b"content-type: application/json\r\n") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n".encode() + headers + b"\r\n" + body


def _echo(asked: "_Asked") -> Iterator[bytes]:
    """The key, in a form and a place of its own, perhaps cut in two."""
    text, form = asked.key.decode("latin-1"), _form(asked)
    message = json.dumps({"error": {"message": f"Incorrect API key provided: {form}", "code": form, "type": form}})
    headers = f"content-type: application/json\r\nx-request-id: {form}\r\nlocation: https://x/{form}?k={form}\r\n"
    status = asked.dice.choice(("401 Unauthorized", "500 Error", "200 OK", f"429 {text}", "404 Not Found"))
    answer = _answer(message.encode(), status, headers.encode())
    cut = asked.dice.randrange(len(answer))
    yield answer[:cut]
    time.sleep(asked.dice.choice((0.0, 0.05)))
    yield answer[cut:]


def _form(asked: "_Asked") -> str:
    text = asked.key.decode("latin-1")
    return asked.dice.choice(
        (text, quote(text, safe=""), base64.b64encode(asked.key).decode(), f"Bearer {text}", "\\u0073" + text[1:])
    )


def _echo_in_answer(asked: "_Asked") -> Iterator[bytes]:
    """What the model says is the key, whole or in pieces of a stream."""
    form = _form(asked)
    if b'"stream":true' not in asked.body.replace(b" ", b""):
        yield _answer(json.dumps(_in_every_dialect(form, asked.dice)).encode())
        return
    yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    for piece in re.findall(r".{1,9}", form):
        yield b"data: " + json.dumps({"choices": [{"delta": {"content": piece}}]}).encode() + b"\n\n"
    yield asked.dice.choice((b"data: [DONE]\n\n", b"data: " + form.encode() + b"\n\n", b""))


def _in_every_dialect(text: str, dice: random.Random) -> dict[str, Any]:
    """A reply in the shapes of all dialects at once; two of them differ in what `output` is."""
    blocks = [{"type": "text", "text": text}]
    output = dice.choice(({"message": {"content": [{"text": text}]}}, [{"type": "message", "content": blocks}]))
    return {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "content": blocks,
        "message": {"content": blocks},
        "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}],
        "output": output,
        "model": text,
    }


def _drip(asked: "_Asked") -> Iterator[bytes]:
    """A good answer, a byte at a time; or its head alone, or blank lines for ever."""
    head = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9999
    answer = asked.dice.choice((_answer(_reply(asked.body)), head, b"\r\n" * 9999))
    for byte in answer:
        yield bytes([byte])
        time.sleep(0.1)


def _flood(asked: "_Asked") -> Iterator[bytes]:
    """A body, a head, or informational answers without an end."""
    begin, more = asked.dice.choice(
        (
            (b"HTTP/1.1 200 OK\r\n\r\n", _FLOOD),
            (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", b"data: {}\n\n" * 5000),
            (b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"y" * 8000 + b"\r\n"),
            (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n{\r\n" * 9000),
        )
    )
    yield begin
    while True:
        yield more


def _odd(asked: "_Asked") -> Iterator[bytes]:
    """A status, headers and bytes that nobody expects."""
    names = asked.dice.sample(HEADERS, 4)
    headers = "".join(f"{name}: {value}\r\n" for name, value in names).encode("utf-8", "surrogateescape")
    good = _reply(asked.body)
    place = asked.dice.randrange(len(good))
    text = asked.dice.choice((good[:place] + asked.dice.choice(TOKENS) + good[place:], good[:place], _DEEP, b""))
    length = asked.dice.choice((len(text), len(text) + 7, 10**12, -1))
    begin = f"HTTP/1.1 {asked.dice.choice(STATUSES)} Odd\r\ncontent-length: {length}\r\n"
    yield begin.encode() + headers + b"\r\n" + text


def _bomb(_: "_Asked") -> Iterator[bytes]:
    """A hundred megabytes in a few hundred bytes."""
    yield _answer(_BOMB, headers=b"content-encoding: gzip\r\n")


def _silence(_: "_Asked") -> Iterator[bytes]:
    """Nothing for long."""
    for _second in range(int(_LONGEST_S * 5)):
        time.sleep(0.2)
        yield b""


def _nothing(asked: "_Asked") -> Iterator[bytes]:
    """The end of the connection, or bytes that are no HTTP."""
    yield asked.dice.choice((b"", b"\0" * 999, asked.dice.randbytes(999), b"SSH-2.0-x\r\n", b"HTTP/1.1"))


_WAYS: Final[tuple[Callable[["_Asked"], Iterator[bytes]], ...]] = (
    *(_echo, _echo, _echo_in_answer, _drip, _flood, _odd, _odd, _odd, _bomb, _silence, _nothing),
)
