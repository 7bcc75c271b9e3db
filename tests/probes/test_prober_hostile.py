"""A hostile provider costs its deadline and a mebibyte, and delays nobody else's probe."""

import asyncio
import gzip
import json
import random
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from probes.observation import Observation
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check, Timeouts
from probes.transport.sockets import Address
from tests.support.servers import (
    ANSWER,
    CHUNKED,
    HEAD,
    KEY,
    PATIENT,
    STREAM,
    Behaviour,
    always,
    answering,
    new_prober,
    request_of,
    sending,
    serving,
    target,
)

#: A mebibyte, and what the sockets of both sides may hold beside it.
BOUND = 1024 * 1024 + 12 * 1024 * 1024
#: Long enough that setting up a hundred probes is no large part of it.
LIMITS = Timeouts(connect_s=3, first_token_s=3, total_s=3)
#: Calls of functions in one turn of the event loop, for which other probes wait. The most that is seen is 16,000; where
#: 64 KiB of a body are read at once, 170,000. Unlike a time, a count is the same on any machine.
MOST_CALLS_IN_A_TURN = 50_000


@pytest.fixture(scope="module")
def prober() -> Prober:
    """One for all tests, as in the service."""
    return new_prober()


def endless(head: bytes, piece: bytes) -> Behaviour:
    """Sends the same for as long as anybody takes it."""
    return sending(head, piece, then="repeat")


def chunked(piece: bytes, count: int) -> bytes:
    """So many chunks of the chunked transfer encoding."""
    return b"%x\r\n%s\r\n" % (len(piece), piece) * count


@contextmanager
def calls_of_turns() -> Iterator[list[int]]:
    """How many functions each turn of the event loop calls, those of libraries and of the interpreter included."""
    turns = [0]

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event in {"call", "c_call"}:
            turns[-1] += 1

    async def watch() -> None:
        while True:
            await asyncio.sleep(0)
            turns.append(0)

    task = asyncio.create_task(watch())
    sys.setprofile(count)
    try:
        yield turns
    finally:
        sys.setprofile(None)
        task.cancel()


def nested(depth: int) -> bytes:
    """JSON that is deeper than it is long."""
    return b'{"choices": ' + b"[" * depth


LONG_LINE = b"data: " + b"x" * 10_000_000
SMALL_EVENT = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
HOSTILE: dict[str, tuple[Check, Behaviour, Outcome]] = {
    "ten megabytes in one line of a stream": (Check.STREAM, sending(STREAM, LONG_LINE), Outcome.BROKEN_STREAM),
    "ten megabytes in one line of JSON": (
        Check.CHAT,
        sending(HEAD + b"\r\n", b'{"x": "' + LONG_LINE),
        Outcome.SERVER_ERROR,
    ),
    "tiny events without end": (Check.STREAM, endless(STREAM, SMALL_EVENT * 200), Outcome.BROKEN_STREAM),
    "empty events without end": (Check.STREAM, endless(STREAM, b"data:\n\n" * 1000), Outcome.BROKEN_STREAM),
    "line ends without end": (Check.STREAM, endless(STREAM, b"\n" * 10_000), Outcome.BROKEN_STREAM),
    "keep-alives without end": (Check.STREAM, endless(STREAM, b": ping\n\n" * 1000), Outcome.BROKEN_STREAM),
    "chunks of one byte": (
        Check.CHAT,
        endless(CHUNKED, chunked(b"x", 2000)),
        Outcome.SERVER_ERROR,
    ),
    "events in chunks of one byte": (
        Check.STREAM,
        endless(CHUNKED, chunked(b"\n", 2000)),
        Outcome.BROKEN_STREAM,
    ),
    "a compressed bomb": (
        Check.CHAT,
        sending(HEAD + b"content-encoding: gzip\r\n\r\n", gzip.compress(b"[" * (50 * 1024 * 1024))),
        Outcome.SERVER_ERROR,
    ),
    "a compressed bomb of tiny events": (
        Check.STREAM,
        sending(STREAM[:-2] + b"content-encoding: gzip\r\n\r\n", gzip.compress(SMALL_EVENT * 400_000)),
        Outcome.BROKEN_STREAM,
    ),
    "headers without end": (
        Check.CHAT,
        endless(b"HTTP/1.1 200 OK\r\n", b"x-more: yes\r\n" * 500),
        Outcome.SERVER_ERROR,
    ),
    "a header without end": (
        Check.CHAT,
        endless(b"HTTP/1.1 200 OK\r\nx-long: ", b"x" * 10_000),
        Outcome.SERVER_ERROR,
    ),
    "to be continued, without end": (
        Check.CHAT,
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
        Outcome.SERVER_ERROR,
    ),
    "deep JSON": (Check.CHAT, answering(nested(500_000)), Outcome.SERVER_ERROR),
    "an error with a long message": (
        Check.CHAT,
        answering(json.dumps({"error": {"message": f"{KEY} " * 40_000}}).encode(), head="500 Oops"),
        Outcome.SERVER_ERROR,
    ),
    "a web page of a mebibyte": (
        Check.CHAT,
        answering(b"<title>" * 140_000, content_type="text/html"),
        Outcome.SERVER_ERROR,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_provider_delays_no_other_probe(case: str, prober: Prober) -> None:
    """Whatever it sends, it ends in its outcome, and no turn of the event loop does too much for another's probes."""
    check, behave, outcome = HOSTILE[case]
    async with serving(behave) as hostile, serving(answering()) as good:
        with calls_of_turns() as turns:
            probe = asyncio.create_task(prober.probe(target(hostile, timeouts=PATIENT), check))
            others: list[Observation] = []
            while not probe.done() or not others:
                others.append(await prober.probe(target(good, timeouts=PATIENT), Check.CHAT))
            seen = await probe

    assert seen.outcome is outcome, seen.detail
    assert {other.outcome for other in others} == {Outcome.OK}
    assert max(turns) < MOST_CALLS_IN_A_TURN


async def test_a_hostile_provider_costs_a_mebibyte(prober: Prober) -> None:
    """What is read of an endless answer is bounded, headers and framing included."""
    taken = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        await request_of(reader)
        writer.transport.set_write_buffer_limits(0)
        writer.write(CHUNKED)
        while True:
            writer.write(chunked(b"x" * 1000, 64))
            await writer.drain()
            taken += 64 * 1000

    async with serving(behave) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert (seen.outcome, "more than 1024 KiB without an end" in seen.detail) == (Outcome.SERVER_ERROR, True)
    assert taken < BOUND


@pytest.mark.slow
async def test_a_resolver_that_hangs_costs_the_deadline_and_one_thread() -> None:
    """A name whose lookup takes 30 s holds up its own probes until their deadline, and no probe of another name."""
    asked: list[str] = []
    over = threading.Event()

    async with serving(answering()) as url:

        def resolve(host: str, port: int) -> Sequence[Address]:
            asked.append(host)
            if host == "slow.invalid":
                over.wait(30)
            return always(url)(host, port)

        prober = new_prober(resolve=resolve)
        hanging = [
            asyncio.create_task(prober.probe(target("http://slow.invalid", timeouts=LIMITS), Check.CHAT))
            for _ in range(100)
        ]
        good = await prober.probe(target("http://good.invalid"), Check.CHAT)  # while `over` is not set
        late = await asyncio.gather(*hanging)
        before = asked.count("slow.invalid")
        over.set()
        better = await prober.probe(target("http://slow.invalid"), Check.CHAT)

    assert (good.outcome, better.outcome) == (Outcome.OK, Outcome.OK)
    assert {(seen.outcome, seen.detail) for seen in late} == {
        (Outcome.TIMEOUT, "no connection to slow.invalid within 3 s")
    }
    assert {seen.resolved_s for seen in late} == {None}
    assert before == 1


async def test_a_resolver_that_fails_is_told(prober: Prober) -> None:
    """What the resolver says stands in the sentence; whatever else goes wrong there is no provider's fault."""

    def refuse(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def break_down(host: str, port: int) -> Sequence[Address]:
        raise ZeroDivisionError

    refused = await new_prober(resolve=refuse).probe(target("http://llm.invalid"), Check.CHAT)
    broken = await new_prober(resolve=break_down).probe(target("http://llm.invalid"), Check.CHAT)
    impossible = await prober.probe(target(f"http://{'x' * 64}.invalid"), Check.CHAT)

    said = "the name of llm.invalid does not resolve: Temporary failure in name resolution"
    assert (refused.outcome, refused.detail) == (Outcome.UNREACHABLE, said)
    assert broken.outcome is Outcome.BAD_REQUEST
    assert impossible.outcome in {Outcome.UNREACHABLE, Outcome.BAD_REQUEST}


async def test_a_reset_before_the_answer_is_read_whole_keeps_what_came(prober: Prober) -> None:
    """An error whose connection is reset right behind it is still that error."""
    body = b'{"error": {"code": "insufficient_quota"}}'
    head = b"HTTP/1.1 429 No\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with serving(sending(head + body, then="reset")) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.outcome in {Outcome.QUOTA, Outcome.UNREACHABLE}


@pytest.mark.slow
async def test_many_at_once_are_all_answered(prober: Prober) -> None:
    """Two hundred probes that begin together all end well, each over a connection of its own."""
    async with serving(answering(ANSWER)) as url:
        seen = await asyncio.gather(*(prober.probe(target(url), Check.CHAT) for _ in range(200)))

    assert {one.outcome for one in seen} == {Outcome.OK}
    assert all(one.fresh for one in seen)


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.slow
async def test_cancelled_probes_leave_no_connection_behind(prober: Prober) -> None:
    """Deadlines and the end of the service stop probes anywhere; two hundred stopped ones cost not one descriptor."""

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for piece in (HEAD, b"\r\n", ANSWER[:20], ANSWER[20:]):
            await asyncio.sleep(0.005)
            writer.write(piece)
            await writer.drain()

    dice = random.Random(7)
    async with serving(slowly) as url:
        await prober.probe(target(url), Check.CHAT)
        await asyncio.sleep(0.05)
        before = descriptors()
        probes = [asyncio.create_task(prober.probe(target(url), Check.CHAT)) for _ in range(200)]
        loop = asyncio.get_running_loop()
        for probe in probes:
            loop.call_later(dice.random() * 0.3, probe.cancel)
        ended = await asyncio.gather(*probes, return_exceptions=True)
        async with asyncio.timeout(20):  # the server, in this process too, takes its time to see who has gone
            while descriptors() > before:  # noqa: ASYNC110 - nothing tells when a descriptor is given back
                await asyncio.sleep(0.05)

    assert any(isinstance(one, asyncio.CancelledError) for one in ended)
