"""What is HTTP/1.1 and what is not: each stream of bytes, however it is cut, ends in one outcome."""

import asyncio

import pytest

from probes.observation import Observation
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check
from tests.support.servers import (
    ANSWER,
    CHUNKED,
    DONE,
    HEAD,
    TOKEN,
    Behaviour,
    in_order,
    new_prober,
    request_of,
    serving,
    target,
)


@pytest.fixture(scope="module")
def prober() -> Prober:
    """One for all tests, as in the service."""
    return new_prober()


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """The pieces as chunks, and the end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


LENGTH = b"content-length: %d\r\n" % len(ANSWER)
IN_CHUNKS = b"transfer-encoding: chunked\r\n"
GOOD = HEAD + LENGTH + b"\r\n" + ANSWER
#: With what the head of a good answer goes on, before its length, and whether it is one all the same.
IN_THE_HEAD = {
    b"x-a: 1\r\n 2\r\n\t3\r\n": True,
    b"x-a: a\x01b\r\n": True,
    b"x-a: \xff\xfe\r\n": True,
    b"x-a:\r\n": True,
    b"upgrade: h2c\r\nconnection: upgrade\r\n": True,
    LENGTH: True,
    IN_CHUNKS: False,
    b"content-length: 7\r\n": False,
    b"content-length: +7\r\n": False,
    b"content-length: 99999999999999999999999\r\n": False,
    b"transfer-encoding: identity\r\n": False,
    b"transfer-encoding: gzip, chunked\r\n": False,
    b"x-a: a\0b\r\n": False,
    b"x-a: a\rb\r\n": False,
    b"x-a : b\r\n": False,
    b"x a: b\r\n": False,
    b"x\xe9: b\r\n": False,
    b": b\r\n": False,
    b"no colon\r\n": False,
    b"x: %s\r\n" % (b"y" * 90_000): True,
    b"x: %s\r\n" % (b"y" * 110_000): False,
    b"x: y\r\n" * 1_000: True,
    b"x: y\r\n" * 20_000: False,
}
BROKE = "127.0.0.1 broke the HTTP protocol"
SILENT = "127.0.0.1 closed the connection without an answer"
REPLIES: dict[str, tuple[bytes, Outcome, int | None, str]] = {
    "until the end": (HEAD + b"\r\n" + ANSWER, Outcome.OK, 200, ""),
    "HTTP/1.0": (GOOD.replace(b"1.1", b"1.0"), Outcome.OK, 200, ""),
    "without a reason": (GOOD.replace(b" OK", b""), Outcome.OK, 200, ""),
    "bare line ends": (GOOD.replace(b"\r\n", b"\n"), Outcome.OK, 200, ""),
    "more behind it": (GOOD + b"garbage\r\n\r\n", Outcome.OK, 200, ""),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, Outcome.OK, 200, ""),
    "103 twice before it": (b"HTTP/1.1 103 Early\r\nlink: </x>\r\n\r\n" * 2 + GOOD, Outcome.OK, 200, ""),
    "chunks": (HEAD + IN_CHUNKS + b"\r\n" + chunked(ANSWER[:30], ANSWER[30:]), Outcome.OK, 200, ""),
    "chunks and a length": (HEAD + IN_CHUNKS + LENGTH + b"\r\n" + chunked(ANSWER), Outcome.OK, 200, ""),
    "chunks and a trailer": (
        HEAD + IN_CHUNKS + b"\r\n" + chunked(ANSWER, end=b"0\r\nx-trailer: 1\r\n\r\n"),
        Outcome.OK,
        200,
        "",
    ),
    "a long trailer": (
        HEAD + IN_CHUNKS + b"\r\n" + chunked(ANSWER, end=b"0\r\n" + b"x: y\r\n" * 30_000),
        Outcome.SERVER_ERROR,
        200,
        BROKE,
    ),
    "a chunk of no size": (HEAD + IN_CHUNKS + b"\r\n-5\r\n" + ANSWER, Outcome.SERVER_ERROR, 200, BROKE),
    "a chunk of an absurd size": (HEAD + IN_CHUNKS + b"\r\n" + b"f" * 25 + b"\r\n", Outcome.SERVER_ERROR, 200, BROKE),
    "a chunk that goes on": (
        HEAD + IN_CHUNKS + b"\r\n" + chunked(ANSWER).replace(b"}\r\n", b"}XX", 1),
        Outcome.SERVER_ERROR,
        200,
        BROKE,
    ),
    "chunks without an end": (HEAD + IN_CHUNKS + b"\r\n" + chunked(ANSWER, end=b""), Outcome.SERVER_ERROR, 200, BROKE),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", Outcome.SERVER_ERROR, 204, "HTTP 204 with an empty body"),
    "a body where none may be": (
        b"HTTP/1.1 304 Not Modified\r\n" + LENGTH + b"\r\n" + ANSWER,
        Outcome.UNREACHABLE,
        304,
        "HTTP 304 redirected to nowhere",
    ),
    "status 999": (GOOD.replace(b"200", b"999"), Outcome.SERVER_ERROR, 999, "HTTP 999"),
    "status 000": (GOOD.replace(b"200", b"000"), Outcome.SERVER_ERROR, None, BROKE),
    "status 99": (GOOD.replace(b"200", b"99"), Outcome.SERVER_ERROR, None, BROKE),
    "101": (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n" + GOOD, Outcome.SERVER_ERROR, None, BROKE),
    "HTTP/0.9": (ANSWER, Outcome.UNREACHABLE, None, SILENT),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Outcome.SERVER_ERROR, None, BROKE),
    "TLS": (b"\x15\x03\x01\0\x02\x02\x46", Outcome.SERVER_ERROR, None, BROKE),
    "a header before the status": (b"x-a: b\r\n" + GOOD, Outcome.SERVER_ERROR, None, BROKE),
    "a head without an end": (HEAD, Outcome.UNREACHABLE, None, SILENT),
    "100 and no more": (b"HTTP/1.1 100 Continue\r\n\r\n", Outcome.UNREACHABLE, None, SILENT),
}


def cut_at(place: int, data: bytes) -> Behaviour:
    """Sends the bytes up to the place and, once they can have been read, the others."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for piece in (data[:place], data[place:]):
            writer.write(piece)
            await writer.drain()
            for _ in range(4):
                await asyncio.sleep(0)

    return behave


async def seen_of(prober: Prober, data: bytes, *, cut: int = 0, check: Check = Check.CHAT) -> Observation:
    """What the prober makes of these bytes; without the port of the server."""
    async with serving(cut_at(cut, data)) as url:
        return await prober.probe(target(url), check)


@pytest.mark.parametrize("line", IN_THE_HEAD, ids=lambda line: repr(line[:40]))
async def test_a_head_is_read_as_clients_read_it(line: bytes, prober: Prober) -> None:
    """What they accept is an answer, even where it is no good style; what may be read in two ways is none."""
    seen = await seen_of(prober, HEAD + line + LENGTH + b"\r\n" + ANSWER)

    assert (seen.outcome is Outcome.OK) is IN_THE_HEAD[line], seen.detail
    assert seen.outcome in {Outcome.OK, Outcome.SERVER_ERROR}


@pytest.mark.parametrize("case", REPLIES)
async def test_a_reply_ends_in_one_outcome(case: str, prober: Prober) -> None:
    """With the status, where there is one, and a sentence that says what was wrong."""
    data, outcome, status, said = REPLIES[case]
    seen = await seen_of(prober, data)

    assert (seen.outcome, seen.http_status, in_order(seen)) == (outcome, status, True), seen.detail
    assert all(word in seen.detail for word in said.split()), seen.detail


CUT = ("until the end", "100 before it", "chunks and a trailer", "bare line ends", "a chunk of no size", "101")


@pytest.mark.slow
@pytest.mark.parametrize("case", CUT)
async def test_where_a_reply_is_cut_does_not_matter(case: str, prober: Prober) -> None:
    """The same outcome, with the same words, as if all had come at once."""
    data, outcome, status, _ = REPLIES[case]
    for place in range(1, len(data)):
        seen = await seen_of(prober, data, cut=place)
        assert (seen.outcome, seen.http_status) == (outcome, status), (place, seen.detail)


@pytest.mark.slow
async def test_where_a_stream_is_cut_does_not_matter(prober: Prober) -> None:
    """Inside a chunk, its size, an event or a letter."""
    data = CHUNKED + chunked(TOKEN, DONE)
    for place in range(1, len(data)):
        seen = await seen_of(prober, data, cut=place, check=Check.STREAM)
        assert (seen.outcome, seen.first_token_s is not None) == (Outcome.OK, True), (place, seen.detail)
