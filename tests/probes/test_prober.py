"""The prober over real sockets: servers that misbehave in every way we know, and a simulator that behaves."""

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from probes import loop_lag, transport
from probes.dialects.registry import DIALECTS
from probes.observation import Observation
from probes.outcome import Blame, Outcome
from probes.prober import Prober
from probes.target import Check, Provider, Secret, Target
from probes.transport.decoding import UndecodableBodyError
from probes.transport.http_transport import NoResponseError
from probes.transport.http_url import UnusableUrlError
from probes.transport.proxies import ProxyError, UnusableProxyError
from probes.transport.sockets import ResponseTooLargeError
from probes.transport.stream import ConnectError, ReadError
from probes.transport_errors import classify_exception
from tests.support.servers import (
    ANSWER,
    CHUNKED,
    DONE,
    HEAD,
    KEY,
    NONCE,
    QUICK,
    STREAM,
    TOKEN,
    Behaviour,
    answering,
    in_order,
    new_prober,
    request_of,
    sending,
    serving,
    target,
    undisturbed,
)


@pytest.fixture(scope="module")
def prober() -> Prober:
    """One for all tests, as in the service."""
    return new_prober()


BOMB = gzip.compress(b" " * (50 * 1024 * 1024))


async def reset_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts the connection, and resets it."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


FOREIGN = TOKEN.replace(b"k7f3q9x2", "日本 k7f3q9x2 🙂".encode())

MISBEHAVIOUR: dict[str, tuple[Check, Behaviour, Outcome, str]] = {
    "an answer is ok": (Check.CHAT, answering(), Outcome.OK, ""),
    "a stream is ok": (Check.STREAM, sending(STREAM, TOKEN, DONE), Outcome.OK, ""),
    "a stream left open after its end is ok": (
        Check.STREAM,
        sending(STREAM, TOKEN, DONE, then="hang"),
        Outcome.OK,
        "",
    ),
    "gzip that nobody asked for is understood": (
        Check.CHAT,
        sending(HEAD + b"content-encoding: gzip\r\n\r\n", gzip.compress(ANSWER)),
        Outcome.OK,
        "",
    ),
    "a web page with 200": (
        Check.CHAT,
        answering(b"<html><title>Welcome</title></html>", content_type="text/html"),
        Outcome.SERVER_ERROR,
        "HTTP 200 with a web page: Welcome",
    ),
    "an empty body": (Check.CHAT, answering(b""), Outcome.SERVER_ERROR, "HTTP 200 with an empty body"),
    "an error with 200": (
        Check.CHAT,
        answering(b'{"error": {"code": "insufficient_quota", "message": "no"}}'),
        Outcome.QUOTA,
        "the account is out of credit or quota (billing): HTTP 200 with an error in the body: insufficient_quota: no",
    ),
    "truncated JSON": (
        Check.CHAT,
        answering(ANSWER[:40]),
        Outcome.SERVER_ERROR,
        "HTTP 200 with a body that is not JSON, or not all of it",
    ),
    "a body shorter than it claims": (
        Check.CHAT,
        sending(HEAD + b"content-length: 500\r\n\r\n", ANSWER),
        Outcome.SERVER_ERROR,
        "broke the HTTP protocol: peer closed connection without sending complete message body",
    ),
    "an endless body": (
        Check.CHAT,
        sending(HEAD + b"\r\n", b"x" * 65536, then="repeat"),
        Outcome.SERVER_ERROR,
        "more than 1024 KiB without an end",
    ),
    "an endless stream": (
        Check.STREAM,
        sending(STREAM, b": keep-alive\n\n" * 5000, then="repeat"),
        Outcome.BROKEN_STREAM,
        "more than 1024 KiB without an end",
    ),
    "a compressed bomb": (
        Check.CHAT,
        sending(HEAD + b"content-encoding: gzip\r\n\r\n", BOMB),
        Outcome.SERVER_ERROR,
        "more than 1024 KiB without an end",
    ),
    "corrupt compression": (
        Check.CHAT,
        sending(HEAD + b"content-encoding: gzip\r\n\r\n", ANSWER),
        Outcome.SERVER_ERROR,
        "corrupt compression",
    ),
    "a compression of which we know nothing": (
        Check.CHAT,
        sending(HEAD + b"content-encoding: br\r\n\r\n", ANSWER),
        Outcome.SERVER_ERROR,
        "content encoding br, which was not requested",
    ),
    "a stream that just ends": (
        Check.STREAM,
        sending(STREAM, TOKEN),
        Outcome.BROKEN_STREAM,
        "the stream ended without its terminator, after the first token",
    ),
    "a stream whose connection is cut": (
        Check.STREAM,
        sending(CHUNKED, b"%x\r\n%s\r\n" % (len(TOKEN), TOKEN)),
        Outcome.BROKEN_STREAM,
        "broke the HTTP protocol: peer closed connection",
    ),
    "a stream that is reset": (
        Check.STREAM,
        sending(STREAM, TOKEN, then="reset"),
        Outcome.BROKEN_STREAM,
        "",
    ),
    "the wrong content type": (
        Check.CHAT,
        answering(content_type="text/plain"),
        Outcome.SERVER_ERROR,
        "HTTP 200 with content type text/plain, not JSON",
    ),
    "no content type": (Check.CHAT, answering(content_type=""), Outcome.OK, ""),
    "a redirect is not followed": (
        Check.CHAT,
        answering(head="302 Found\r\nlocation: http://127.0.0.1:9/login?token=1"),
        Outcome.UNREACHABLE,
        "HTTP 302 redirected to 127.0.0.1:9/login, which was not followed; is base_url right?",
    ),
    "a connection that is reset": (
        Check.CHAT,
        sending(then="reset"),
        Outcome.UNREACHABLE,
        "127.0.0.1",
    ),
    "a connection that is reset as soon as it stands": (Check.CHAT, reset_at_once, Outcome.UNREACHABLE, "127.0.0.1"),
    "a connection closed without a word": (
        Check.CHAT,
        sending(),
        Outcome.UNREACHABLE,
        "closed the connection without an answer",
    ),
    "an HTML 502 of an edge": (
        Check.CHAT,
        answering(b"<html><title>Bad gateway</title></html>", head="502 Bad Gateway", content_type="text/html"),
        Outcome.SERVER_ERROR,
        "HTTP 502 with a web page: Bad gateway",
    ),
    "more than the length that was claimed": (
        Check.CHAT,
        sending(HEAD + b"content-length: 20\r\n\r\n", ANSWER),
        Outcome.SERVER_ERROR,
        "HTTP 200 with a body that is not JSON, or not all of it",
    ),
    "two lengths that contradict each other": (
        Check.CHAT,
        sending(HEAD + b"content-length: 20\r\ncontent-length: 21\r\n\r\n", ANSWER),
        Outcome.SERVER_ERROR,
        "broke the HTTP protocol: conflicting Content-Length headers",
    ),
    "a length that is no number": (
        Check.CHAT,
        sending(HEAD + b"content-length: -1\r\n\r\n", ANSWER),
        Outcome.SERVER_ERROR,
        "broke the HTTP protocol: bad Content-Length",
    ),
    "a chunk that is none": (
        Check.STREAM,
        sending(CHUNKED, b"what\r\n"),
        Outcome.BROKEN_STREAM,
        "broke the HTTP protocol: illegal chunk header",
    ),
    "a stream cut inside its letters": (
        Check.STREAM,
        sending(STREAM, *(bytes([byte]) for byte in FOREIGN), DONE),
        Outcome.OK,
        "",
    ),
    "a corrupt frame": (
        Check.STREAM,
        sending(STREAM, TOKEN, b'data: {"choices":[{"delta":\n\n', DONE),
        Outcome.BROKEN_STREAM,
        "the stream held a frame with",
    ),
    "something that is not HTTP": (
        Check.CHAT,
        sending(b"220 mail.example ESMTP\r\n\r\n"),
        Outcome.SERVER_ERROR,
        "broke the HTTP protocol: illegal status line",
    ),
    "endless headers": (
        Check.CHAT,
        sending(b"HTTP/1.1 200 OK\r\n", b"x-more: yes\r\n" * 500, then="repeat"),
        Outcome.SERVER_ERROR,
        "broke the HTTP protocol",
    ),
    "a slow limit does not matter to an error": (
        Check.CHAT,
        answering(b"{}", head="500 Internal Server Error"),
        Outcome.SERVER_ERROR,
        "HTTP 500",
    ),
}

ENDLESS: dict[str, tuple[Check, Behaviour, Outcome, str]] = {
    "one byte at a time": (
        Check.CHAT,
        sending(HEAD + b"\r\n", b" ", then="repeat", pause_s=0.05),
        Outcome.TIMEOUT,
        "no complete answer from 127.0.0.1",
    ),
    "headers one byte at a time": (
        Check.CHAT,
        sending(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x", then="repeat", pause_s=0.05),
        Outcome.TIMEOUT,
        "no answer from 127.0.0.1",
    ),
    "an error that drips is still that error": (
        Check.CHAT,
        sending(b"HTTP/1.1 529 Overloaded\r\n\r\n", b" ", then="repeat", pause_s=0.05),
        Outcome.OVERLOADED,
        "HTTP 529",
    ),
    "accepted and never answered": (Check.CHAT, sending(then="hang"), Outcome.TIMEOUT, "no answer from 127.0.0.1"),
    "a stream that never begins": (
        Check.STREAM,
        sending(then="hang"),
        Outcome.TIMEOUT,
        "no first token from 127.0.0.1",
    ),
    "a stream of keep-alives and no token": (
        Check.STREAM,
        sending(STREAM, b": keep-alive\n\n", then="repeat", pause_s=0.05),
        Outcome.TIMEOUT,
        "no first token from 127.0.0.1",
    ),
    "a stream that stalls after its first token": (
        Check.STREAM,
        sending(STREAM, TOKEN, then="hang"),
        Outcome.BROKEN_STREAM,
        "the stream stalled after the first token: no end within 1 s",
    ),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR)
async def test_misbehaviour_ends_in_one_outcome(case: str, prober: Prober) -> None:
    """However a server behaves, the probe ends in the outcome that fits, with a sentence that says what happened."""
    check, behave, outcome, detail = MISBEHAVIOUR[case]
    async with serving(behave) as url:
        seen = await prober.probe(target(url), check)

    assert (seen.outcome, detail in seen.detail) == (outcome, True), seen.detail
    assert bool(seen.detail) == (outcome is not Outcome.OK)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        pytest.param({"cost": 0.01}, 0.01, id="what a probe may cost"),
        pytest.param({"cost": 9.9}, None, id="what no probe costs"),
    ],
)
async def test_a_stated_cost_must_be_possible(
    usage: dict[str, float], usd: float | None, prober: Prober, caplog: pytest.LogCaptureFixture
) -> None:
    """What a provider cannot mean is unknown, and the log says what it said; the answer is as good as ever."""
    body = json.dumps({**json.loads(ANSWER), "usage": usage}).encode()
    async with serving(answering(body)) as url:
        seen = await prober.probe(target(url), Check.CHAT)
    assert (seen.outcome, seen.cost_usd) == (Outcome.OK, usd)
    assert ("cost_not_believed" in caplog.text) is (usd is None)


@pytest.mark.parametrize(("dialect", "model"), [("openai-chat", "m"), ("azure-openai", None)])
async def test_a_model_that_its_owner_named_is_no_other(dialect: str, model: str | None, prober: Prober) -> None:
    """The answer names the model; at Azure, the name that was requested is that of a deployment."""
    async with serving(answering()) as url:
        assert (await prober.probe(target(url, dialect=dialect), Check.CHAT)).model == model


@pytest.mark.slow
@pytest.mark.parametrize("case", ENDLESS)
async def test_what_never_ends_costs_its_deadline(case: str, prober: Prober) -> None:
    """However long a server would go on, the probe ends at its deadline and knows the phases that it reached."""
    check, behave, outcome, detail = ENDLESS[case]
    async with serving(behave) as url:
        seen = await undisturbed(lambda: prober.probe(target(url, timeouts=QUICK), check))

    assert (seen.outcome, detail in seen.detail) == (outcome, True), seen.detail
    assert seen.duration_s >= QUICK.first_token_s
    assert seen.connected_s is not None
    assert (seen.first_byte_s is None) == (seen.http_status is None)
    assert in_order(seen)


async def test_a_refused_connection_is_unreachable(prober: Prober) -> None:
    """A port where nobody listens is unreachable, and the sentence says why."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        seen = await prober.probe(target(f"http://{place}"), Check.CHAT)

    assert (seen.outcome, seen.detail) == (Outcome.UNREACHABLE, f"{place} refused the connection")
    assert seen.connected_s is None


async def test_a_name_that_does_not_resolve_is_unreachable(prober: Prober) -> None:
    """A name under `.invalid` never resolves; that is undecided blame, not the provider's."""
    seen = await prober.probe(target("http://llm.invalid"), Check.CHAT)

    assert seen.outcome is Outcome.UNREACHABLE
    assert seen.detail.startswith("the name of llm.invalid does not resolve")


@pytest.mark.parametrize("quoted", [KEY, KEY[3:20], "Bearer " + KEY, KEY.replace("4v", "4\u200bv"), "AIza" + KEY])
async def test_a_quoted_key_is_cut_out(quoted: str, prober: Prober, caplog: pytest.LogCaptureFixture) -> None:
    """A reply that quotes our key back shows it in no field of the observation and in no line of the log."""
    body = json.dumps({"error": {"message": f"bad key {quoted}", "code": f"c {quoted}", "type": quoted}}).encode()
    head = f"401 {KEY}\r\nx-request-id: req {KEY}\r\nretry-after: {KEY}"
    async with serving(answering(body, head=head)) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.outcome is Outcome.AUTH
    assert "the key in P_API_KEY was refused: HTTP 401" in seen.detail
    for text in (repr(seen), caplog.text):
        assert not any(KEY[i : i + 8] in text for i in range(len(KEY) - 7)), text


async def test_provider_text_is_cut_and_cleaned(prober: Prober) -> None:
    """Ten thousand hostile characters become one line of at most 500 that any database takes."""
    message = "\ud800\u202e\x00\x1b[31m<!channel>\r\n" + "x" * 10_000
    async with serving(answering(json.dumps({"error": {"message": message}}).encode(), head="500 Oops")) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert len(seen.detail) == 500
    assert seen.detail.startswith("HTTP 500 [31m<!channel> xxx")
    assert seen.detail.isprintable()
    assert seen.detail.encode()


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", " spaced ", ""])
async def test_a_key_that_fits_no_header_is_auth(key: str, prober: Prober) -> None:
    """A key with a line end or a foreign letter is our fault, found before anything is sent, and not shown."""
    seen = await prober.probe(target("http://127.0.0.1:9", key=key), Check.CHAT)

    assert seen.outcome is (Outcome.AUTH if key else Outcome.UNREACHABLE)
    assert key.strip() == "" or key.strip() not in seen.detail


@pytest.mark.parametrize("base_url", ["no-scheme", "ftp://x", "http://", "http://[", "http://x:99999"])
async def test_an_address_that_is_none_is_our_fault(base_url: str, prober: Prober) -> None:
    """Nonsense as an address is never held against a provider."""
    seen = await prober.probe(target(base_url), Check.CHAT)

    assert seen.outcome.blame in {Blame.US, Blame.UNDECIDED}, seen.detail
    assert seen.outcome is not Outcome.TIMEOUT


async def test_a_fault_of_our_own_is_a_bad_request(caplog: pytest.LogCaptureFixture, prober: Prober) -> None:
    """A bug in the probe ends in an observation that blames us, and in a line of the log that says where."""
    seen = await prober.probe(target("http://127.0.0.1:9", dialect="no-such-dialect"), Check.CHAT)

    assert (seen.outcome, seen.detail, seen.failed_here) == (
        Outcome.BAD_REQUEST,
        "the probe itself failed: KeyError; the log says where",
        True,
    )
    assert "probe_failed target=p/gpt-4o-mini error=KeyError where='prober.py:" in caplog.text


async def test_cancelling_a_probe_cancels_it(prober: Prober) -> None:
    """CancelledError passes through: the service can stop while a probe is in flight."""
    asked = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        asked.set()
        await reader.read()

    async with serving(behave) as url:
        probe = asyncio.create_task(prober.probe(target(url), Check.CHAT))
        await asked.wait()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe


async def test_the_request_says_what_it_should(prober: Prober) -> None:
    """The key is in a header and never in the request line; nothing compressed is asked for."""
    requests: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await request_of(reader))
        writer.write(HEAD + b"\r\n" + ANSWER)
        await writer.drain()

    async with serving(behave) as url:
        for dialect in DIALECTS:
            await prober.probe(target(url, dialect=dialect), Check.STREAM)

    assert len(requests) == len(DIALECTS)
    for request in requests:
        head = request.partition(b"\r\n\r\n")[0]
        assert KEY.encode() in head
        assert KEY.encode() not in head.splitlines()[0]
        assert b"accept-encoding: identity" in head.lower()
        assert NONCE.encode() in request.partition(b"\r\n\r\n")[2]


def exceptions_of(module: ModuleType) -> Iterator[type[Exception]]:
    """Every exception class of a module's own."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__.startswith(module.__name__):
            yield value


#: What is our own fault is `bad_request`: a request that cannot be sent, an address or a proxy that is none.
OUTCOMES: dict[type[Exception], Outcome] = {
    h11.LocalProtocolError: Outcome.BAD_REQUEST,
    h11.RemoteProtocolError: Outcome.SERVER_ERROR,
    ConnectError: Outcome.UNREACHABLE,
    ReadError: Outcome.UNREACHABLE,
    NoResponseError: Outcome.UNREACHABLE,
    ProxyError: Outcome.UNREACHABLE,
    UnusableProxyError: Outcome.BAD_REQUEST,
    UnusableUrlError: Outcome.BAD_REQUEST,
}
#: These the prober tells itself, and nobody raises the base of h11's.
TOLD_ELSEWHERE = {ResponseTooLargeError, UndecodableBodyError, h11.ProtocolError}


def test_every_exception_of_the_transport_has_its_outcome() -> None:
    """A new exception of h11 or of the transport is looked at before it has one."""
    names = [f"probes.transport.{module.name}" for module in iter_modules(transport.__path__)]
    modules = [h11, *map(import_module, names)]

    assert {error for module in modules for error in exceptions_of(module)} == {*OUTCOMES, *TOLD_ELSEWHERE}
    for kind, outcome in OUTCOMES.items():
        assert classify_exception(kind("x"), target("http://x"), "x").outcome is outcome, kind


@pytest.mark.parametrize("error", [24, 12, 99], ids=["too many files", "no memory", "no local ports"])
def test_a_starved_machine_is_our_fault(error: int) -> None:
    """A connection that our own machine could not open is not the provider's."""
    try:
        raise ConnectError("x") from OSError(error, "x")
    except ConnectError as raised:
        verdict = classify_exception(raised, target("http://x"), "x")

    assert verdict.outcome is Outcome.BAD_REQUEST


@pytest.fixture(scope="module")
def simulator() -> Iterator[LLMockServer]:
    """llmock, which says back what it is told."""
    with LLMockServer(responses=MockResponseSettings(response_style="echo")) as server:
        yield server


@pytest.mark.parametrize("check", [Check.CHAT, Check.STREAM])
@pytest.mark.parametrize(
    ("dialect", "path", "model"),
    [
        ("openai-chat", "/v1", "gpt-6-luna"),
        ("anthropic", "/anthropic", "claude-haiku-5-5"),
        ("gemini", "/gemini", "gemini-3.1-flash-lite"),
    ],
)
async def test_the_simulator_answers(
    dialect: str, path: str, model: str, check: Check, simulator: LLMockServer
) -> None:
    """Every dialect and check gets its random nonce back from llmock, with tokens, cost and phases in order."""
    provider = Provider(name="p", dialect=dialect, base_url=simulator.url + path, api_key=Secret("test-key"))
    asked = Target(provider=provider, model=model)
    seen = await Prober(clock=lambda: datetime.now(UTC)).probe(asked, check)

    assert (seen.outcome, seen.detail, seen.http_status) == (Outcome.OK, "", 200)
    assert (seen.input_tokens or 0) > 0
    assert (seen.output_tokens or 0) > 0
    assert in_order(seen)
    assert (seen.first_token_s is not None) == (check == Check.STREAM)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(st.binary(max_size=300), st.sampled_from([ANSWER, TOKEN + DONE]).map(lambda b: b[:-7] + b"\xff\r")),
    status=st.integers(200, 599),
    dialect=st.sampled_from(sorted(DIALECTS)),
    check=st.sampled_from(Check),
    kind=st.sampled_from(["application/json", "text/event-stream", "text/html", "", "\xff"]),
)
def test_any_bytes_end_in_one_outcome(
    body: bytes, status: int, dialect: str, check: Check, kind: str, prober: Prober
) -> None:
    """Whatever a server sends, a probe over a real socket ends in one observation, never as a fault of the probe."""

    async def ask() -> Observation:
        async with serving(answering(body, head=f"{status} X", content_type=kind)) as url:
            return await prober.probe(target(url, dialect=dialect), check)

    seen = loop_lag.run(ask())

    assert "the probe itself" not in seen.detail
    assert seen.outcome is not Outcome.OK or NONCE.encode() in body
