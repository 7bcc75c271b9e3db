"""What the neutral endpoints say about our own network."""

import asyncio
import ssl

from probes.transport.connectivity import answered


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
