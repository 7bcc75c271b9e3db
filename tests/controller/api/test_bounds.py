"""Clients that are slow, large, many or silent: bounded, told, and nobody else waits for them."""

import asyncio
import contextlib
import gc
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trustme
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from controller.api.bounds import (
    MOST_BODY,
    PATIENCE,
    BoundedListener,
    Patience,
    RefusedClients,
)
from controller.api.protocol import bounded
from monitor.config.api_settings import ApiSettings
from monitor.config.settings import Settings
from tests.controller.api.conftest import TOKENS, ApiLab, serving

pytestmark = pytest.mark.slow

IMPATIENT = Patience(request_s=0.3, idle_s=0.4, unread_s=0.3)
HEAD = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n"


@asynccontextmanager
async def connected(lab: ApiLab) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of a client that does as it likes."""
    host, port = lab.server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What came until the other side closed; a reset is an end, too."""
    try:
        return await asyncio.wait_for(reader.read(1_000_000), 5)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "sent", [b"", b"GET /v1", HEAD, b"POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_who_never_finishes_a_request_is_cut_off(settings: Settings, sent: bytes) -> None:
    """A slow-loris client, and one that says nothing at all."""
    async with serving(settings, IMPATIENT) as lab, connected(lab) as (reader, writer):
        writer.write(sent)
        assert b" 200 " not in await ended(reader)
        assert (await lab.client.get("/healthz")).status_code == 200


async def test_who_drips_is_cut_off(settings: Settings) -> None:
    """A byte now and then does not buy more time."""
    async with serving(settings, IMPATIENT) as lab, connected(lab) as (reader, writer):
        dripping = asyncio.create_task(drip(writer))
        assert await ended(reader) == b""
        dripping.cancel()
        assert lab.server.refused.counts["api_slow_request"] == 1


async def drip(writer: asyncio.StreamWriter) -> None:
    """A header that never ends."""
    writer.write(HEAD + b"X: ")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("head", [b"Content-Length: 1000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_body_of_a_gigabyte_is_not_read(api: ApiLab, head: bytes) -> None:
    """Announced or not: it costs its first kilobytes. Where the refusal of the method comes first, it ends by that."""
    for _ in range(5):
        async with connected(api) as (reader, writer):
            writer.write(b"POST /v1/status HTTP/1.1\r\nHost: localhost\r\n" + head)
            for _ in range(1000):
                writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                if writer.transport.is_closing():
                    break
                await asyncio.sleep(0)
            assert b" 200 " not in await ended(reader)
    assert api.server.refused.counts["api_request_too_large"] >= 1


async def test_an_endless_header_is_not_read(api: ApiLab) -> None:
    """It ends after some kilobytes."""
    async with connected(api) as (reader, writer):
        writer.write(HEAD + b"X: " + b"y" * (MOST_BODY + 40_000))
        assert b" 200 " not in await ended(reader)
        assert (await api.client.get("/healthz")).status_code == 200


async def test_who_never_reads_is_cut_off(settings: Settings) -> None:
    """A scraper that asks again and again, and leaves the answers lying."""
    async with serving(settings, IMPATIENT) as lab, connected(lab) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined] # what a stopped client does
        for _ in range(3000):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(100):
            if lab.server.refused.counts:
                break
            await asyncio.sleep(0.05)
        assert lab.server.refused.counts.keys() <= {"api_unread", "api_too_many_ahead"}
        assert lab.server.refused.counts


def test_an_attack_does_not_fill_the_log() -> None:
    """One line in ten seconds for each kind, with how many there were."""
    told, now = list[str](), [0.0]
    refused = RefusedClients(tell=lambda event, text: told.append(f"{event}: {text}"), monotonic=lambda: now[0])
    for _ in range(1000):
        refused.refuse("api_slow_request", "10.0.0.1: too slow")
    now[0] = 11.0
    refused.refuse("api_slow_request", "10.0.0.2: too slow")
    assert told == ["api_slow_request: 10.0.0.1: too slow", "api_slow_request: 10.0.0.2: too slow (1000 times)"]


@asynccontextmanager
async def answering(
    most: int, over: asyncio.Event, **files: Path
) -> AsyncIterator[tuple[tuple[str, int], RefusedClients]]:
    """A server for so many connections at once, its address and whom it refused; `/busy` waits until all is `over`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/busy":
            await over.wait()
        await PlainTextResponse("well")(scope, receive, send)

    refused = RefusedClients(tell=lambda *_: None)
    protocol = bounded(refused, PATIENCE)
    listener = BoundedListener(socket.AF_INET, most=most, make_room=protocol.make_room)
    protocol.ready = listener.ready
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(answer, http=protocol, ws="none", lifespan="off", log_config=None, **files)  # type: ignore[arg-type] # files of TLS
    server = uvicorn.Server(config)
    serving_it = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname(), refused
    server.should_exit = True
    over.set()
    await serving_it


async def test_the_longest_idle_gives_way() -> None:
    """Beyond the bound, one that asks is answered; where all are busy, the next is closed."""
    async with answering(3, asyncio.Event()) as (address, refused):
        clients = [await asyncio.open_connection(*address) for _ in range(3)]
        await ask(*clients[0], "/")  # it is idle again, the shortest
        clients.append(await asyncio.open_connection(*address))
        assert await ask(*clients[3], "/")
        assert await ended(clients[1][0]) == b""
        assert [reader.at_eof() for reader, _ in clients] == [False, True, False, False]
        for number in (0, 2, 3):
            clients[number][1].write(b"GET /busy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.2)
        clients.append(await asyncio.open_connection(*address))
        assert await ended(clients[4][0]) == b""
        assert refused.counts == {"api_too_many_connections": 2}
        for _, writer in clients:
            writer.close()


async def test_who_never_begins_to_encrypt_gives_way(tmp_path: Path) -> None:
    """Silent connections to a port of TLS keep nobody out, though no protocol knows of them yet."""
    authority = trustme.CA()
    files = {"ssl_certfile": tmp_path / "certificate.pem", "ssl_keyfile": tmp_path / "key.pem"}
    write_certificate(authority, *files.values())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with answering(3, asyncio.Event(), **files) as (address, _):
        silent = [await asyncio.open_connection(*address) for _ in range(6)]
        await asyncio.sleep(0.2)
        asking = []
        for _ in range(5):
            asking.append(await asyncio.open_connection(*address, ssl=trusting, server_hostname="127.0.0.1"))
            assert await ask(*asking[-1], "/")
        assert [await ended(reader) for reader, _ in silent[:4]] == [b""] * 4
        for _, writer in silent + asking:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_closed_connection_counts_no_longer() -> None:
    """However long its memory is kept: many more come and go than may be open at once."""
    gc.disable()
    try:
        async with answering(4, asyncio.Event()) as (address, refused):
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*address)
                assert await ask(reader, writer, "/")
                writer.close()
                await writer.wait_closed()
                await asyncio.sleep(0.01)
            assert not refused.counts
    finally:
        gc.enable()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bool:
    """Whether the answer is 200."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return (await reader.readuntil(b"well")).startswith(b"HTTP/1.1 200")


async def test_a_taken_port_stops_nothing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once; two services on one machine go on."""
    async with serving(settings) as first:
        taken = first.server.url.removeprefix("http://")
        async with serving(settings, listen=taken) as second:
            assert [event for event, _ in second.told] == ["api_not_listening"]
            assert taken in second.told[0][1]
        assert (await first.client.get("/healthz")).status_code == 200


async def test_where_it_listens_is_logged(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """With who may ask."""
    with caplog.at_level(logging.INFO):
        async with serving(settings) as lab:
            assert f"api_listening at={lab.server.url}: for this machine alone, reading takes no token" in caplog.text


async def test_it_speaks_https_with_a_certificate(settings: Settings, tmp_path: Path) -> None:
    """Of the files that the configuration names."""
    authority = trustme.CA()
    write_certificate(authority, tmp_path / "certificate.pem", tmp_path / "key.pem")
    async with serving(settings, certificate=tmp_path / "certificate.pem", private_key=tmp_path / "key.pem") as lab:
        assert lab.server.url.startswith("https://")
        assert (await lab.client.get("/healthz")).status_code == 200
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        host, port = lab.server.url.removeprefix("https://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=trusting, server_hostname=host)
        writer.close()


async def test_another_configuration_cuts_nothing(settings: Settings) -> None:
    """A long poll goes on and hears of the next table; who may ask is decided by the new settings at once."""
    async with serving(settings) as lab:
        tag = (await lab.client.get("/v1/routing")).headers["etag"]
        waiting = asyncio.create_task(lab.client.get("/v1/routing?wait=20s", headers={"If-None-Match": tag}))
        await asyncio.sleep(0.2)
        lab.server.reconfigure(replace(lab.settings, api=replace(lab.settings.api, tokens=TOKENS)))
        assert (await lab.client.get("/v1/status")).status_code == 401
        await asyncio.sleep(0.2)
        assert not waiting.done()
        table = json.loads(settings.routing_file.read_bytes())
        settings.routing_file.write_text(json.dumps({**table, "generation": 77}), encoding="utf-8")
        assert (await waiting).json()["generation"] == 77


async def test_another_address_is_listened_on(settings: Settings) -> None:
    """Those that wait get what there is; a taken address is told once however often the rest is configured anew."""
    async with serving(settings) as other, serving(settings) as lab:
        tag = (await lab.client.get("/v1/routing")).headers["etag"]
        waiting = asyncio.create_task(lab.client.get("/v1/routing?wait=20s", headers={"If-None-Match": tag}))
        await asyncio.sleep(0.2)
        taken = replace(lab.settings, api=ApiSettings(listen=other.server.url.removeprefix("http://")))
        for _ in range(3):
            lab.server.reconfigure(taken)
            await until(lambda: bool(lab.told))
        assert (await waiting).status_code == 304
        assert [event for event, _ in lab.told] == ["api_not_listening"]
        before = lab.server.url
        lab.server.reconfigure(lab.settings)
        await until(lambda: lab.server.url != before)
        async with httpx.AsyncClient(base_url=lab.server.url, trust_env=False) as client:
            assert (await client.get("/healthz")).status_code == 200
        lab.server.reconfigure(replace(lab.settings, api=ApiSettings(listen="none")))
        with pytest.raises(httpx.ConnectError):
            await until_refused(lab.server.url)


async def test_a_renewed_certificate_is_used(settings: Settings, tmp_path: Path) -> None:
    """By itself, once certificate and key fit each other; connections go on."""
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    first, second = trustme.CA(), trustme.CA()
    write_certificate(first, *files)
    async with serving(settings, certificate=files[0], private_key=files[1]) as lab:
        trusting = ssl.create_default_context()
        second.configure_trust(trusting)
        async with httpx.AsyncClient(base_url=lab.server.url, trust_env=False, verify=trusting) as client:
            assert (await lab.client.get("/healthz")).status_code == 200
            key = files[1].read_bytes()
            write_certificate(second, *files)
            renewed = files[1].read_bytes()
            files[1].write_bytes(key)  # the certificate is there before its key
            lab.server.reconfigure(lab.settings)
            await asyncio.sleep(0.2)
            assert (await lab.client.get("/healthz")).status_code == 200
            files[1].write_bytes(renewed)
            lab.server.reconfigure(lab.settings)
            await asyncio.sleep(0.2)
            assert (await client.get("/healthz")).status_code == 200


def write_certificate(authority: trustme.CA, certificate: Path, key: Path) -> None:
    """One for this machine."""
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, ten seconds at most."""
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


async def until_refused(url: str) -> None:
    """Ask until nobody listens: then it raises ConnectError."""
    for _ in range(200):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await client.get("/healthz")
        await asyncio.sleep(0.05)
