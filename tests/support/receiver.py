"""A server of people's own, for what is posted to it: takes, refuses, hangs, resets, redirects, as it is told."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.servers import serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one request is answered."""

    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    body: bytes = b""
    instead: str = ""
    """`hang` (until released), `reset`: nothing is answered, although it was read. `hold`: it is, once released.
    `flood`: a body without end."""


TAKEN = Answer()
HANG = Answer(instead="hang")
RESET = Answer(instead="reset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, which is a JSON object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@dataclass(slots=True, kw_only=True)
class Receiver:
    """Remembers what came in; answers as listed, and with 200 once the list is used up."""

    url: str = ""
    answers: deque[Answer] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Once it is set, what hangs hangs up."""

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request and answer it."""
        request = await _request(reader)
        self.requests.append(request)
        answer = self.answers.popleft() if self.answers else TAKEN
        if answer.instead == "hang":
            await self.released.wait()
            return
        if answer.instead == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        if answer.instead == "hold":
            await self.released.wait()
        length = "" if answer.instead == "flood" else f"content-length: {len(answer.body)}\r\n"
        lines = "".join(f"{line}\r\n" for line in answer.headers)
        writer.write(f"HTTP/1.1 {answer.status}\r\n{length}{lines}connection: close\r\n\r\n".encode() + answer.body)
        while answer.instead == "flood":
            writer.write(b"x" * 65536)
            await writer.drain()
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        await reader.read()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method=method, path=path, headers=headers, body=body)


@asynccontextmanager
async def receiving(answers: Iterable[Answer] = ()) -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver(answers=deque(answers))
    async with serving(receiver.behave) as url:
        receiver.url = url
        yield receiver
