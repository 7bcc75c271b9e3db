"""What comes over a socket: ambiguous, malformed, with offers, ahead of answers, from a client that left."""

import asyncio
import json
import socket
from typing import Any

import pytest

from controller.api.bounds import MOST_BODY
from tests.controller.api.conftest import OPERATOR, TOKENS, ApiLab, serving

pytestmark = pytest.mark.slow

OK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = (
    f"POST /v1/pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
    "Content-Type: application/json\r\n"
).encode()
BODY = b'{"subject": "nothing", "reason": "a test"}'


async def answers(lab: ApiLab, *sent: bytes, half_closed: bool = True) -> list[tuple[int, Any]]:
    """The status and the JSON of each answer to what was sent, until the connection ends."""
    host, port = lab.server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(sent))
    if half_closed:
        writer.write_eof()
    whole = await asyncio.wait_for(reader.read(-1), 15)
    writer.close()
    return [_answer(part) for part in whole.split(b"HTTP/1.1 ")[1:]]


def _answer(part: bytes) -> tuple[int, Any]:
    head, _, body = part.partition(b"\r\n\r\n")
    assert not body or b"application/json" in head
    return int(head[:3]), json.loads(body) if body else None


@pytest.mark.parametrize(
    "sent",
    [
        OK.replace(b"\r\n\r\n", b"\r\nHost: localhost\r\n\r\n"),
        OK.replace(b"\r\n\r\n", b"\r\nOrigin: http://localhost\r\nOrigin: http://localhost\r\n\r\n"),
        OK.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer a\r\nauthorization: Bearer a\r\n\r\n"),
        POST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://hsk_token/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz#part HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        OK.replace(b"\r\n\r\n", b"\r\nX : y\r\n\r\n"),
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n",
    ],
)
async def test_what_may_mean_several_things_is_refused_and_counted(api: ApiLab, sent: bytes) -> None:
    """Whoever finds it, the answer has one shape, and what came before it is answered first."""
    assert [(status, list(said)) for status, said in await answers(api, OK, OK, sent)] == [
        (200, ["status"]),
        (200, ["status"]),
        (400, ["error"]),
    ]
    assert api.server.refused.counts == {"api_malformed_request": 1}


async def test_what_is_too_large_is_answered_before_the_connection_ends(api: ApiLab) -> None:
    """Also to a client that first sends all it has."""
    body = b"x" * 3_000_000
    announced = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body
    assert [status for status, _ in await answers(api, announced, half_closed=False)] == [413]
    assert [status for status, _ in await answers(api, OK, chunked, half_closed=False)] == [200, 413]
    endless = OK[:-2] + b"X: " + b"y" * (MOST_BODY + 40_000)
    assert [status for status, _ in await answers(api, endless, half_closed=False)] == [431]
    assert [status for status, _ in await answers(api, b"GET /" + b"x" * 70_000 + OK[12:])] == [414]
    assert api.server.refused.counts["api_request_too_large"] == 4


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_an_offer_to_upgrade_is_ignored(api: ApiLab, protocol: bytes) -> None:
    """Bodies are read as such, and the next request is answered as well."""
    async with serving(api.settings, tokens=TOKENS) as lab:
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABk\r\n" % protocol
        post = POST + offer + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        got = await answers(lab, OK[:-2] + offer + b"\r\n", post, OK)
    assert [status for status, _ in got] == [200, 400, 200]
    assert "nothing" in got[1][1]["error"]


async def test_a_trailer_is_no_header(api: ApiLab) -> None:
    """What comes after the body does not say who asks."""
    async with serving(api.settings, tokens=TOKENS) as lab:
        post = POST.replace(b"Authorization", b"X-Other") + b"Transfer-Encoding: chunked\r\n\r\n"
        trailer = b"Authorization: Bearer %s\r\n\r\n" % OPERATOR.encode()
        got = await answers(lab, post, b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY), trailer, OK)
    assert [status for status, _ in got] == [401, 200]


async def test_a_long_poll_ends_when_its_client_leaves(api: ApiLab) -> None:
    """Who has closed, or closed half, holds nothing until the time is over; requests behind it are answered."""
    tag = (await api.client.get("/v1/routing")).headers["etag"]
    poll = f"GET /v1/routing?wait=60s HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n".encode()
    began = asyncio.get_running_loop().time()
    assert [status for status, _ in await answers(api, poll, poll, OK)] == [304, 304, 200]
    assert asyncio.get_running_loop().time() - began < 30


async def test_requests_ahead_are_bounded_and_answered(api: ApiLab) -> None:
    """What waits for another answer is held in memory."""
    tag = (await api.client.get("/v1/routing")).headers["etag"]
    poll = f"GET /v1/routing?wait=60s HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n".encode()
    large = POST + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000
    assert [status for status, _ in await answers(api, poll, large, half_closed=False)] == [304, 413]
    assert [status for status, _ in await answers(api, OK * 40, half_closed=False)] == [200] * 17 + [429]
    assert api.server.refused.counts == {"api_request_too_large": 1, "api_too_many_ahead": 1}


async def test_a_client_that_breaks_off_leaves_nothing_behind(api: ApiLab) -> None:
    """A reset in the middle of anything."""
    host, port = api.server.url.removeprefix("http://").split(":")
    for sent in (b"GET /v1", POST + b"Content-Length: 9\r\n\r\nabc", OK * 3, OK + b"hello\r\n\r\n"):
        client = socket.create_connection((host, int(port)))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.sendall(sent)
        client.close()
    assert (await api.client.get("/healthz")).status_code == 200
