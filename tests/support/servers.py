"""Providers over real sockets that do what they are told, and targets and probers to meet them."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from probes.observation import Observation
from probes.prober import Prober
from probes.target import Provider, Secret, Target, Timeouts
from probes.transport.sockets import Resolve, resolve_by_system

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

KEY = "sk-proj-Zx81mQp4vTe7LrW2"
NONCE = "k7f3q9x2"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
#: For what answers at once, however busy the machine, and for what costs its deadline.
PATIENT = Timeouts(connect_s=30, first_token_s=30, total_s=30)
QUICK = Timeouts(connect_s=1, first_token_s=0.8, total_s=1)
ANSWER = json.dumps(
    {
        "model": "m",
        "choices": [{"message": {"content": NONCE}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
).encode()
TOKEN = b'data: {"choices":[{"delta":{"content":"k7f3q9x2"},"finish_reason":null}]}\n\n'
DONE = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def target(base_url: str, *, dialect: str = "openai-chat", timeouts: Timeouts = PATIENT, key: str = KEY) -> Target:
    """A target at this address, with small deadlines."""
    provider = Provider(name="p", dialect=dialect, base_url=base_url, api_key=Secret(key), api_key_env="P_API_KEY")
    return Target(provider=provider, model="gpt-4o-mini", timeouts=timeouts)


def new_prober(
    ca_bundle: Path | None = None,
    *,
    proxy: str | None = None,
    resolve: Resolve = resolve_by_system,
    environment: Mapping[str, str] | None = None,
) -> Prober:
    """A prober whose every nonce is the same, and which sees nothing of this machine's proxies and certificates."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*PROXY_VARIABLES, *(one.lower() for one in PROXY_VARIABLES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
            patch.delenv(name, raising=False)
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        return Prober(proxy=proxy, ca_bundle=ca_bundle, clock=lambda: NOW, nonce=lambda: NONCE, resolve=resolve)


def always(url: str) -> Resolve:
    """A resolver for which every name leads to the server at this address."""
    port = int(url.rpartition(":")[2])
    return lambda _host, _port: [(socket.AF_INET, ("127.0.0.1", port))]


@asynccontextmanager
async def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server on loopback that does `behave` with every connection; gives its base URL."""
    busy: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with suppress(ConnectionError, EOFError, asyncio.CancelledError, ssl.SSLError):
            await behave(reader, writer)
        writer.transport.abort()
        busy.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """The whole request: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def answering(body: bytes = ANSWER, *, head: str = "200 OK", content_type: str = "application/json") -> Behaviour:
    """Sends one well-formed response, then closes in good order."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        typed = f"content-type: {content_type}\r\n" if content_type else ""
        writer.write(f"HTTP/1.1 {head}\r\n{typed}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        if writer.can_write_eof():  # TLS cannot
            writer.write_eof()
        await reader.read()

    return behave


def sending(*pieces: bytes, then: str = "close", pause_s: float = 0.0) -> Behaviour:
    """Sends raw bytes, then closes, resets or hangs; or sends the last piece for ever."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        while then == "repeat":
            writer.write(pieces[-1])
            await writer.drain()
            await asyncio.sleep(pause_s)
        if then == "hang":
            await asyncio.Event().wait()
        if then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return behave


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """A server's context with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes everything on, the end included."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def undisturbed(probe: Callable[[], Awaitable[Observation]], *, most_lag_s: float = 0.1) -> Observation:
    """The first of at most ten probes during which nothing else kept our event loop waiting for longer than that.

    On a busy machine the product itself says that a probe's timings are suspect; such a probe proves nothing.
    """
    for _ in range(9):
        observation = await probe()
        if observation.loop_lag_s <= most_lag_s and "this machine was too busy" not in observation.detail:
            return observation
    return await probe()


def in_order(seen: Observation) -> bool:
    """True when every phase that was reached follows the one before."""
    phases = (
        0.0,
        seen.resolved_s,
        seen.tcp_s,
        seen.connected_s,
        seen.sent_s,
        seen.first_byte_s,
        seen.first_token_s,
        seen.last_byte_s,
        seen.duration_s,
    )
    reached = [phase for phase in phases if phase is not None]
    return reached == sorted(reached)
