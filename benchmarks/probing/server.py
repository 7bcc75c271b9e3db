"""A provider with known delays, in a process of its own: it answers when it is told to, and says when it did.

`POST /<id>/<first ms>/<rest ms>/…` is answered with what was asked: the headers and half of the body after the first
delay, the rest after the second one more. `GET /truth` gives `{id: [s to the first byte, s to the last byte]}`, both by
the server's own clock since it had the connection, and forgets them. After `GET /hang` those whose id begins with
`hangs` are accepted and not answered any more.
"""

import asyncio
import json
import time

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_truth: dict[str, tuple[float, float]] = {}
_hanging: set[str] = set()


class _Conversation(asyncio.Protocol):
    """One connection. A second request over it is timed from its own first byte."""

    def __init__(self) -> None:
        self._got = b""
        self._began: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._began = time.monotonic()

    def data_received(self, data: bytes) -> None:
        began = self._began = self._began or time.monotonic()
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if separator and len(body) >= _length(head):
            self._got, self._began = b"", None
            self._answer(head.split(b" ", 2)[1].decode(), body, began)

    def _answer(self, path: str, body: bytes, began: float) -> None:
        if path == "/truth":
            truth = json.dumps(_truth).encode()
            _truth.clear()
            self._transport.write(_HEAD % len(truth) + truth)
            return
        if path == "/hang":
            _hanging.add("hangs")
            self._transport.write(_HEAD % 0)
            self._transport.close()
            return
        _, name, first_ms, rest_ms, *_ = path.split("/")
        if name.startswith("hangs") and _hanging:
            return
        reply = _reply(body)
        asyncio.get_running_loop().call_later(
            int(first_ms) / 1000, self._first, name, began, int(rest_ms) / 1000, reply
        )

    def _first(self, name: str, began: float, rest_s: float, reply: bytes) -> None:
        half = len(reply) // 2
        self._transport.write(_HEAD % len(reply) + reply[:half])
        first_s = time.monotonic() - began
        asyncio.get_running_loop().call_later(rest_s, self._rest, name, began, first_s, reply[half:])

    def _rest(self, name: str, began: float, first_s: float, rest: bytes) -> None:
        self._transport.write(rest)
        _truth[name] = first_s, time.monotonic() - began


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)


def _reply(body: bytes) -> bytes:
    """A reply that repeats the question, so that the nonce is in it."""
    question = json.loads(body)["messages"][-1]["content"]
    choice = {"message": {"role": "assistant", "content": question}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 40, "completion_tokens": 8}}).encode()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Conversation, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
