"""What the prober measures: the phases of a probe, and what it makes of an event loop that stands still."""

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from probes.observation import Observation
from probes.outcome import Blame, Outcome
from probes.prober import Prober
from probes.target import Check, Target, Timeouts
from probes.transport.sockets import Address
from tests.support.servers import (
    ANSWER,
    DONE,
    HEAD,
    NONCE,
    NOW,
    QUICK,
    STREAM,
    TOKEN,
    Behaviour,
    always,
    answering,
    in_order,
    new_prober,
    request_of,
    sending,
    server_tls,
    serving,
    target,
    undisturbed,
)


@pytest.fixture(scope="module")
def prober() -> Prober:
    """One for all tests, as in the service."""
    return new_prober()


def pausing(*pieces: bytes, pause_s: float) -> Behaviour:
    """Sends the pieces with a pause before each but the first."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for number, piece in enumerate(pieces):
            await asyncio.sleep(pause_s if number else 0)
            writer.write(piece)
            await writer.drain()

    return behave


def blocking(for_s: float, then: bytes) -> Behaviour:
    """Keeps the event loop from everything for so long once the request is there, then answers; or never."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        time.sleep(for_s)  # noqa: ASYNC251 - a computation that does not yield
        writer.write(then)
        await writer.drain()
        if not then:
            await asyncio.Event().wait()

    return behave


async def test_every_phase_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    """Over TLS and by name, each phase of a stream has its own time, in order, and the connection was a fresh one."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    async with serving(sending(STREAM, TOKEN, DONE), server_tls(authority, "llm.invalid")) as url:

        def resolve(host: str, port: int) -> Sequence[Address]:
            time.sleep(0.05)
            return always(url)(host, port)

        seen = await new_prober(bundle, resolve=resolve).probe(target("https://llm.invalid"), Check.STREAM)

    assert seen.outcome is Outcome.OK, seen.detail
    assert in_order(seen)
    times = (seen.tcp_s, seen.connected_s, seen.sent_s, seen.first_byte_s, seen.first_token_s, seen.last_byte_s)
    assert None not in times
    assert (seen.resolved_s or 0) >= 0.05
    assert (seen.connected_s or 0) > (seen.tcp_s or 0), "TLS takes its time"
    assert seen.duration_s == seen.last_byte_s
    assert seen.fresh


@pytest.mark.slow
@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_request_is_sent_once_the_system_has_taken_it(
    over_tls: bool, authority: trustme.CA, tmp_path: Path
) -> None:
    """A server that is slow to read holds up the sending of a long request, and loses nothing of it."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    lengths: list[int] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        lengths.append(len(await request_of(reader)))
        writer.write(HEAD + b"\r\n" + ANSWER)
        await writer.drain()

    async with serving(behave, server_tls(authority, "127.0.0.1") if over_tls else None) as url:
        long = replace(target(url), parameters={"padding": "x" * 20_000_000})
        seen = await new_prober(bundle).probe(long, Check.CHAT)

    assert seen.outcome is Outcome.OK, seen.detail
    assert lengths[0] > 20_000_000
    assert over_tls or (seen.sent_s or 0) > 0.15
    assert in_order(seen)


async def test_without_tls_the_connection_stands_with_tcp(prober: Prober) -> None:
    """Plain HTTP to an address: nothing to resolve, nothing to agree on; no stream, no tokens."""
    async with serving(answering()) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert in_order(seen)
    assert seen.tcp_s == seen.connected_s
    assert (seen.first_token_s, seen.longest_stall_s) == (None, None)


async def test_a_phase_that_was_not_reached_has_no_time(prober: Prober) -> None:
    """A connection that is refused has a name, and nothing more."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        seen = await prober.probe(target(f"http://127.0.0.1:{taken.getsockname()[1]}"), Check.CHAT)

    assert seen.resolved_s is not None
    later = (seen.tcp_s, seen.connected_s, seen.sent_s, seen.first_byte_s, seen.last_byte_s)
    assert later == (None,) * 5
    assert seen.fresh


@pytest.mark.slow
async def test_the_longest_stall_of_a_stream(prober: Prober) -> None:
    """It lies between two pieces of text; neither the wait for the first nor the one for the end counts."""
    more = TOKEN.replace(NONCE.encode(), b" and more")
    async with serving(pausing(STREAM, TOKEN, more, TOKEN, DONE, pause_s=0.1)) as url:
        even = await prober.probe(target(url), Check.STREAM)
    async with serving(
        pausing(STREAM + TOKEN, b": keep-alive\n\n", b": keep-alive\n\n", more + DONE, pause_s=0.1)
    ) as url:
        stalled = await prober.probe(target(url), Check.STREAM)
    async with serving(pausing(STREAM, TOKEN, DONE, pause_s=0.1)) as url:
        only_one = await prober.probe(target(url), Check.STREAM)

    assert {even.outcome, stalled.outcome, only_one.outcome} == {Outcome.OK}
    assert 0.1 <= measured_at_most(even) < (even.last_byte_s or 0) - (even.first_token_s or 0) + lateness(even)
    assert measured_at_most(stalled) >= 0.3
    assert only_one.longest_stall_s is None


async def test_reading_does_not_count(prober: Prober) -> None:
    """The time runs until the last byte has come; what is made of a long answer afterwards is ours."""
    padded = ANSWER[:-1] + b', "x": [' + b"1," * 300_000 + b"1]}"
    async with serving(answering(padded)) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.outcome is Outcome.OK, seen.detail
    assert seen.duration_s == seen.last_byte_s


async def test_a_correct_answer_past_the_limit_is_slow() -> None:
    """The same answer is ok within the slow limit and slow past it, by the monotonic clock."""
    ticks = iter(range(0, 1000, 3))
    slow = Prober(clock=lambda: NOW, monotonic=lambda: float(next(ticks)), nonce=lambda: NONCE)
    async with serving(answering()) as url:
        seen = await slow.probe(target(url, timeouts=Timeouts(connect_s=900, total_s=900)), Check.CHAT)

    assert seen.outcome is Outcome.SLOW
    assert seen.detail == f"answered correctly after {seen.duration_s:.1f} s, past the slow limit of 10 s"


@pytest.mark.slow
async def test_what_our_own_loop_adds_does_not_make_an_answer_slow(prober: Prober) -> None:
    """Past the slow limit only because our event loop stood still, an answer is ok; late by itself, it is slow."""
    async with serving(blocking(0.4, HEAD + b"\r\n" + ANSWER)) as url:
        ours = await prober.probe(slow_past(0.2, url), Check.CHAT)
    async with serving(pausing(HEAD + b"\r\n", ANSWER, pause_s=0.4)) as url:
        theirs = await undisturbed(lambda: prober.probe(slow_past(0.2, url), Check.CHAT))

    assert (ours.outcome, ours.duration_s > 0.2, ours.loop_lag_s > 0.3) == (Outcome.OK, True, True)
    assert theirs.outcome is Outcome.SLOW


def lateness(seen: Observation) -> float:
    """By how much a time between two moments may be wrong: the lag of our loop is known to a tick of 10 ms."""
    return seen.loop_lag_s + 0.01


def measured_at_most(seen: Observation) -> float:
    """The longest stall, had our own event loop been as late as it can have been."""
    return (seen.longest_stall_s or 0) + lateness(seen)


def slow_past(limit_s: float, url: str) -> Target:
    """A target whose answers are slow past this limit."""
    return replace(target(url), slow_s=limit_s)


@pytest.mark.slow
@pytest.mark.parametrize("check", [Check.CHAT, Check.STREAM])
async def test_a_deadline_that_our_own_loop_missed_is_ours(check: Check, prober: Prober) -> None:
    """Who was not given the time to answer has not failed to; the sentence says what happened."""
    async with serving(blocking(0.6, b"")) as url:
        seen = await prober.probe(target(url, timeouts=QUICK), check)

    assert (seen.outcome.blame, seen.failed_here) == (Blame.US, True)
    assert seen.detail.startswith(
        "the probe itself failed: this machine was too busy: the event loop stood still for 0."
    )


async def standing_still() -> None:
    """Keeps the event loop from everything for half the time, without an end."""
    while True:
        time.sleep(0.03)  # noqa: ASYNC251 - a computation that does not yield
        await asyncio.sleep(0.03)


@pytest.mark.slow
@pytest.mark.parametrize("others", [0, 6])
async def test_whom_the_loop_kept_from_nobody_else_has_not_answered(others: int) -> None:
    """Where others that were asked later are answered all the same, a deadline that passes is the provider's."""
    prober, limits = new_prober(), Timeouts(connect_s=3, first_token_s=3, total_s=3)
    async with serving(blocking(0, b"")) as silent, serving(sending(HEAD + b"\r\n" + ANSWER)) as answers:
        hanging = asyncio.create_task(prober.probe(target(silent, timeouts=limits), Check.CHAT))

        async def ask_meanwhile() -> None:
            while not hanging.done():
                assert (await prober.probe(target(answers), Check.CHAT)).outcome is Outcome.OK

        await asyncio.sleep(0.1)
        busy = asyncio.create_task(standing_still())
        await asyncio.gather(hanging, *(ask_meanwhile() for _ in range(others)))
        busy.cancel()

    seen = await hanging
    assert seen.outcome is (Outcome.TIMEOUT if others else Outcome.BAD_REQUEST), seen.detail
    assert seen.failed_here == (not others)


@pytest.mark.slow
async def test_an_answer_that_our_own_loop_missed_is_ours(prober: Prober) -> None:
    """The same where the answer came, but our deadline was over before anybody looked."""
    async with serving(blocking(0.6, HEAD + b"\r\n" + ANSWER)) as url:
        seen = await prober.probe(target(url, timeouts=QUICK), Check.CHAT)

    assert seen.outcome in {Outcome.OK, Outcome.BAD_REQUEST}


@pytest.mark.slow
async def test_a_short_stall_excuses_nobody(prober: Prober) -> None:
    """A stall of a tenth of the deadline leaves the timeout where it belongs."""
    limits = Timeouts(connect_s=1, first_token_s=1, total_s=1)
    async with serving(blocking(0.1, b"")) as url:
        seen = await undisturbed(lambda: prober.probe(target(url, timeouts=limits), Check.CHAT), most_lag_s=0.15)

    assert seen.outcome is Outcome.TIMEOUT
    assert seen.loop_lag_s > 0.05


async def test_a_stall_of_our_own_loop_is_recorded(prober: Prober) -> None:
    """An observation taken while our loop stood still says for how long."""
    async with serving(blocking(0.1, HEAD + b"\r\n" + ANSWER)) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.loop_lag_s > 0.05


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()
