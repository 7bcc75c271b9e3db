"""Connections to names with several addresses, and names that are looked up once."""

import asyncio
import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import trustme

from probes.transport.sockets import (
    Address,
    Resolver,
    SocketTimings,
    TimedSockets,
    alternate_families,
    first_connected,
    parse_numeric,
)
from tests.support.servers import server_tls


@contextmanager
def listening() -> Iterator[Address]:
    """An address that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield socket.AF_INET, server.getsockname()


@contextmanager
def refusing() -> Iterator[Address]:
    """An address that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield socket.AF_INET, taken.getsockname()


@contextmanager
def silent() -> Iterator[Address]:
    """An address that says nothing at all: its queue is full, and the system drops what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield socket.AF_INET, server.getsockname()
        for one in waiting:
            one.close()


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    """A name with several addresses is reachable while one of them is."""
    with refusing() as bad, listening() as good, await first_connected([bad, bad, good]) as connected:
        assert connected.getpeername() == good[1]


async def test_the_next_address_is_tried_beside_a_silent_one() -> None:
    """An address that leads nowhere costs its head start, not the deadline."""
    with silent() as bad, listening() as good:
        async with asyncio.timeout(20):
            connected = await first_connected([bad, good])
        with connected:
            assert connected.getpeername() == good[1]


def test_the_families_take_turns() -> None:
    """The first of the other family comes second: one family that leads nowhere costs one head start."""
    four: list[Address] = [(socket.AF_INET, (name, 1)) for name in "abc"]
    six: list[Address] = [(socket.AF_INET6, (name, 1)) for name in "xy"]

    assert [address[0] for _, address in alternate_families([*six, *four])] == ["x", "a", "y", "b", "c"]
    assert [address[0] for _, address in alternate_families(four)] == ["a", "b", "c"]


async def test_when_nobody_takes_it_the_address_is_told_and_not_this_machine() -> None:
    """No way to one address is our machine's; that the other refused is what matters."""
    unroutable: Address = (socket.AF_INET, ("224.0.0.1", 9))
    with refusing() as bad, pytest.raises(ConnectionRefusedError):
        await first_connected([unroutable, bad])


@pytest.mark.slow
async def test_a_deadline_leaves_no_socket_behind() -> None:
    """Cancelled while several addresses are tried, every socket is closed; a warning would be an error."""
    with silent() as bad:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await first_connected([bad, bad])
        await asyncio.sleep(0)


async def test_a_name_is_looked_up_once_at_a_time() -> None:
    """Those who ask while a lookup is under way share it; one who gives up takes it from nobody."""
    asked: list[tuple[str, int]] = []
    answer, found = threading.Event(), [(socket.AF_INET, ("127.0.0.1", 1))]

    def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append((host, port))
        assert answer.wait(30)
        return found

    lookups = Resolver(resolve)
    first, second = (asyncio.create_task(lookups.addresses("x.invalid", 1)) for _ in range(2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await lookups.addresses("x.invalid", 1)
    other_port = asyncio.create_task(lookups.addresses("x.invalid", 2))
    await asyncio.sleep(0)
    answer.set()

    for one in (first, second, other_port):
        assert await one == found
    assert sorted(asked) == [("x.invalid", 1), ("x.invalid", 2)]
    await lookups.addresses("x.invalid", 1)
    assert len(asked) == 3, "what was found is not kept"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1"])
def test_an_address_needs_no_lookup(host: str) -> None:
    """A numeric host is its own address."""
    assert parse_numeric(host, 443)[0][1] == (host, 443)


@pytest.mark.parametrize("host", ["llm.invalid", "127.1", "1", "", "\0", "::1%lo", "x" * 300])
def test_a_name_is_no_address(host: str) -> None:
    """Anything else is for the resolver."""
    assert parse_numeric(host, 443) == []


async def test_what_comes_early_does_not_hold_up_what_is_sent() -> None:
    """Over TLS, with tickets of the session read before anything was written, every write still goes out."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    heard = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"second")
        heard.set()
        writer.close()

    server = await asyncio.start_server(behave, "127.0.0.1", 0, ssl=server_tls(authority, "127.0.0.1"))
    sockets = TimedSockets(Resolver(), SocketTimings(), limit=10_000, monotonic=time.monotonic)
    plain = await sockets.connect("127.0.0.1", server.sockets[0].getsockname()[1])
    secured = await sockets.start_tls(plain, trusting, "127.0.0.1")
    await asyncio.sleep(0.1)  # the tickets come by themselves, and nothing tells of them
    async with asyncio.timeout(20):
        await secured.write(b"first")
        await secured.write(b"second")
        await heard.wait()
    secured.close()
    server.close()


def echo(listener: socket.socket, tls: ssl.SSLContext | None, length: int) -> None:
    """Take one connection and send so many bytes back, then close it without a word."""
    taken, _ = listener.accept()
    with tls.wrap_socket(taken, server_side=True) if tls else taken as peer:
        heard = b""
        while len(heard) < length:
            heard += peer.recv(65536)
        peer.sendall(heard)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_much_goes_both_ways_and_nothing_is_left_to_the_collector(*, encrypted: bool) -> None:
    """A record of TLS is larger than a chunk. What refers to itself would stay for minutes, with its buffers."""
    authority, sent, heard = trustme.CA(), bytes(range(256)) * 2_000, b""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    sockets = TimedSockets(Resolver(), SocketTimings(), limit=2 * len(sent), monotonic=time.monotonic)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tls = server_tls(authority, "127.0.0.1") if encrypted else None
        other_side = threading.Thread(target=echo, args=(listener, tls, len(sent)))
        other_side.start()
        gc.collect()
        with collecting_nothing():
            stream = await sockets.connect(*listener.getsockname())
            if encrypted:
                stream = await sockets.start_tls(stream, trusting, "127.0.0.1")
            await stream.write(sent)
            while chunk := await stream.read():
                heard += chunk
            stream.close()
            del stream
            await asyncio.sleep(0.1)  # asyncio closes it in the next turn
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = {
                type(each).__qualname__
                for each in gc.garbage
                if type(each).__module__.startswith(("asyncio", "probes"))
            }
        other_side.join()

    assert heard == sent
    assert not left


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """Collect no garbage meanwhile but when told to."""
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
