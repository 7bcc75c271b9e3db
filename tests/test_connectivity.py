"""What the neutral endpoints say about our own network."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from probes.connectivity import Endpoints, Sight, answered

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
NONE: frozenset[str] = frozenset()
ONE = frozenset({"https://a"})


@pytest.mark.parametrize(
    ("ago", "answers", "sight"),
    [
        (None, ONE, Sight.ONLINE),
        (None, NONE, Sight.UNTRUSTED),
        (timedelta(minutes=59), NONE, Sight.BLIND),
        (timedelta(minutes=61), NONE, Sight.UNTRUSTED),
        (timedelta(minutes=61), ONE, Sight.ONLINE),
    ],
    ids=[
        "any answer is online",
        "silence that was never broken says nothing",
        "silence after a recent answer is blind",
        "an answer is trusted for an hour",
        "an answer is enough, however long ago the last",
    ],
)
def test_what_an_asking_means(ago: timedelta | None, answers: frozenset[str], sight: Sight) -> None:
    """Online, blind, or nothing to go by."""
    known = Endpoints() if ago is None else Endpoints().after(ONE, now=NOW - ago)

    assert known.sight(answers, now=NOW) is sight


def test_each_endpoint_is_remembered() -> None:
    """A later asking that one endpoint misses does not forget when it last answered."""
    known = Endpoints().after(frozenset({"a", "b"}), now=NOW).after(frozenset({"b"}), now=NOW + timedelta(hours=1))

    assert known.answered_at == {"a": NOW, "b": NOW + timedelta(hours=1)}


async def test_any_http_answer_counts_and_nothing_else() -> None:
    """A 500 is an answer; silence, noise, a refusal and nonsense for an address are none."""

    async def error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        await writer.drain()
        writer.close()

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail\r\n\r\n")
        await writer.drain()
        writer.close()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    servers = [await asyncio.start_server(behave, "127.0.0.1", 0) for behave in (error, noise, silence)]
    urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    nonsense = ["http://127.0.0.1:1", "no-scheme", "http://[", "http://x.invalid"]

    tls = ssl.create_default_context()
    assert await answered([*urls, *nonsense], timeout_s=0.5, tls=tls) == {urls[0]}
    assert await answered([], timeout_s=0.5, tls=tls) == frozenset()
    for server in servers:
        server.close()
