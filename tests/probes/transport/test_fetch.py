"""Fetching a page over real sockets: what came back, what may not, and that nobody can hold it up."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest

from probes.transport.decoding import CAP
from probes.transport.fetch import FetchResult, ask_endpoints, fetch_page
from tests.support.servers import serving

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
TLS = ssl.create_default_context()


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """The address of a server that hands each request's head to `answer`, and then hangs up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await answer(head.lower(), writer)
        writer.close()
        await writer.wait_closed()

    async with serving(behave) as url:
        yield url


def reply(body: bytes = b"", *, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(body)}", *lines, "", ""]).encode() + body


async def get(url: str, *, etag: str | None = None, modified: str | None = None, timeout_s: float = 30) -> FetchResult:
    """The page at this address."""
    return await fetch_page(url, etag=etag, modified=modified, timeout_s=timeout_s, tls=TLS)


async def test_a_page_comes_with_its_validators_and_is_not_fetched_twice() -> None:
    """The second request carries them, and the server need only say that nothing has changed."""
    heads: list[str] = []

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        known = 'if-none-match: w/"1"' in head and "if-modified-since: sat, 21 nov 2026" in head
        writer.write(
            reply(status="304 Not Modified")
            if known
            else reply(b"{}", etag='W/"1"', last_modified="Sat, 21 Nov 2026 17:00:00 GMT")
        )

    async with served(answer) as url:
        page = await get(f"{url}/api/v2/summary.json")
        assert (page.status, page.body) == (200, b"{}")
        assert (page.validator("etag"), page.validator("last-modified")) == ('W/"1"', "Sat, 21 Nov 2026 17:00:00 GMT")
        again = await get(url, etag=page.validator("etag"), modified=page.validator("last-modified"))
        assert again.status == 304
    assert heads[0].startswith("get /api/v2/summary.json http/1.1")
    assert "user-agent: hotspare" in heads[0]
    assert "authorization" not in heads[0] + heads[1]
    assert "if-none-match" not in heads[0]


async def test_an_error_is_a_status_and_its_body() -> None:
    """What to make of it is the reader's affair."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"<html>no</html>", status="403 Forbidden"))

    async with served(answer) as url:
        page = await get(url)
    assert (page.status, page.body) == (403, b"<html>no</html>")


async def test_compression_is_undone() -> None:
    """Of the kind that we ask for; of another, nothing came back."""

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        assert "accept-encoding: gzip" in head
        writer.write(reply(gzip.compress(b"[]"), content_encoding="br" if "/other" in head else "gzip"))

    async with served(answer) as url:
        assert (await get(url)).body == b"[]"
        assert (await get(f"{url}/other")).error == "content encoding br, which was not requested"


@pytest.mark.parametrize("bomb", [False, True], ids=["ten megabytes", "a gzip bomb"])
async def test_no_page_is_read_past_a_mebibyte(bomb: bool) -> None:
    """It is marked as cut off."""
    body = gzip.compress(b"x" * 50_000_000) if bomb else b"x" * 10_000_000

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(body, content_encoding="gzip" if bomb else "identity"))

    async with served(answer) as url:
        page = await get(url)
    assert (len(page.body), page.truncated) == (CAP, True)


async def test_an_endless_page_ends_at_the_cap() -> None:
    """However small its pieces are."""
    sent = 0

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"2000\r\n" + b"x" * 8192 + b"\r\n")
            await writer.drain()
            sent += 8192

    async with served(answer) as url:
        assert (await get(url)).truncated
    assert sent < 50 * CAP


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"], ids=["silent", "stalled"])
async def test_a_server_that_never_ends_costs_the_deadline(begun: bytes) -> None:
    """And nothing more."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await writer.drain()
        await asyncio.Event().wait()

    async with served(answer) as url:
        assert await get(url, timeout_s=0.2) == FetchResult(error="no answer within 0.2 s")


async def test_redirects_are_followed_three_times() -> None:
    """Vendors move their pages; a circle ends."""
    numbers = count()

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        moved = int(head.split()[1].strip("/") or 0)
        next(numbers)
        writer.write(reply(status="301 Moved", location=f"/{moved - 1}") if moved else reply(b"here"))

    async with served(answer) as url:
        assert (await get(f"{url}/3")).body == b"here"
        assert await get(f"{url}/4") == FetchResult(error="more than 3 redirects")
        assert await get(f"{url}/99") == FetchResult(error="more than 3 redirects")
    assert next(numbers) == 4 + 4 + 4


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "//x.invalid/",
        "http://[",
        "",
        "javascript:1",
    ],
)
async def test_a_redirect_may_not_lead_everywhere(location: str) -> None:
    """Not to another host in the clear, to no other scheme, and never to a file."""
    asked = 0

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        port = writer.get_extra_info("sockname")[1]
        writer.write(reply(status="302 Found", location=location.format(port=port)))

    async with served(answer) as url:
        page = await get(url)
    assert (page.status or 0, page.body) in {(302, b""), (0, b"")}
    assert asked == 1


@pytest.mark.parametrize(
    "noise", [b"", b"220 mail\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n: x\r\n\r\n"]
)
async def test_what_is_no_http_is_nothing(noise: bytes) -> None:
    """Hanging up, another protocol, a broken head."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(noise)

    async with served(answer) as url:
        page = await get(url)
    assert page.status is None
    assert page.error


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://x.invalid", "no-scheme", "http://[", "", "ftp://x/y"])
async def test_an_address_that_leads_nowhere_is_nothing(url: str) -> None:
    """Never an exception."""
    page = await get(url, timeout_s=2)
    assert page.status is None
    assert page.error


async def test_a_validator_that_cannot_be_sent_back_is_left_out() -> None:
    """A header that holds anything else than plain characters, or a novel."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"x", etag="é", last_modified="y" * 600))

    async with served(answer) as url:
        page = await get(url)
    assert (page.validator("etag"), page.validator("last-modified")) == (None, None)


async def test_an_unreachable_proxy_is_nothing_and_not_asked_for_this_machine() -> None:
    """No proxy leads back to loopback."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"here"))

    async with served(answer) as url:
        page = await fetch_page(url, timeout_s=5, tls=TLS, proxy="http://127.0.0.1:1")
        assert page.body == b"here"
    page = await fetch_page("https://status.example", timeout_s=5, tls=TLS, proxy="http://127.0.0.1:1")
    assert (page.status, page.error) == (None, "it could not be reached (Connection refused)")
    page = await fetch_page("https://status.example", timeout_s=5, tls=TLS, proxy="socks5://127.0.0.1:1")
    assert page.status is None


async def test_to_be_cancelled_is_to_stop() -> None:
    """The one exception that goes through."""
    asked = asyncio.Event()

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with served(answer) as url:
        task = asyncio.create_task(get(url))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_any_http_answer_counts_and_nothing_else() -> None:
    """A 500 is an answer; silence, noise, a refusal and nonsense for an address are none."""

    async def error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        await writer.drain()

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail\r\n\r\n")
        await writer.drain()

    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    nonsense = ["http://127.0.0.1:1", "no-scheme", "http://[", "http://x.invalid"]
    async with serving(error) as broken, serving(noise) as noisy, serving(silence) as silent:
        assert await ask_endpoints([broken, noisy, *nonsense], timeout_s=30, tls=TLS) == {broken}
        assert await ask_endpoints([silent], timeout_s=0.2, tls=TLS) == frozenset()
    assert await ask_endpoints([], timeout_s=0.2, tls=TLS) == frozenset()
