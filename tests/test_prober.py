"""The prober over real sockets: servers that misbehave in every way we know, and a simulator that behaves."""

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from probes import prober as prober_module
from probes.dialects.registry import DIALECTS
from probes.observation import Observation
from probes.outcome import Blame, Outcome
from probes.prober import OUTCOMES, Prober, tls_context
from probes.target import Check, Provider, Secret, Target, Timeouts

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

KEY = "sk-proj-Zx81mQp4vTe7LrW2"
NONCE = "k7f3q9x2"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
#: For what answers at once, however busy the machine, and for what costs its deadline.
PATIENT = Timeouts(connect_s=30, first_token_s=30, total_s=30)
QUICK = Timeouts(connect_s=0.4, first_token_s=0.3, total_s=0.4)
ANSWER = json.dumps(
    {
        "model": "m",
        "choices": [{"message": {"content": NONCE}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
).encode()
TOKEN = b'data: {"choices":[{"delta":{"content":"k7f3q9x2"},"finish_reason":null}]}\n\n'
DONE = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def target(base_url: str, *, dialect: str = "openai-chat", timeouts: Timeouts = PATIENT, key: str = KEY) -> Target:
    """A target at this address, with small deadlines."""
    provider = Provider(name="p", dialect=dialect, base_url=base_url, api_key=Secret(key), api_key_env="P_API_KEY")
    return Target(provider=provider, model="gpt-4o-mini", timeouts=timeouts)


def new_prober(ca_bundle: Path | None = None) -> Prober:
    """A prober whose every nonce is the same."""
    return Prober(ca_bundle=ca_bundle, clock=lambda: NOW, nonce=lambda: NONCE)


@pytest.fixture(scope="module")
def prober() -> Prober:
    """One for all tests, as in the service."""
    return new_prober()


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes honour the environment; the tests' servers are not behind anybody's proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server on loopback that does `behave` with every connection; gives its base URL."""
    busy: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
            await behave(reader, writer)
        writer.transport.abort()
        busy.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """The whole request: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def answering(body: bytes = ANSWER, *, head: str = "200 OK", content_type: str = "application/json") -> Behaviour:
    """Sends one well-formed response, then closes in good order."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        typed = f"content-type: {content_type}\r\n" if content_type else ""
        writer.write(f"HTTP/1.1 {head}\r\n{typed}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        if writer.can_write_eof():  # TLS cannot
            writer.write_eof()
        await reader.read()

    return behave


def sending(*pieces: bytes, then: str = "close", pause_s: float = 0.0) -> Behaviour:
    """Sends raw bytes, then closes, resets or hangs; or sends the last piece for ever."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        while then == "repeat":
            writer.write(pieces[-1])
            await writer.drain()
            await asyncio.sleep(pause_s)
        if then == "hang":
            await asyncio.Event().wait()
        if then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return behave


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b" " * (50 * 1024 * 1024))

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
        "content encoding br, which nobody asked for",
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
    "a connection closed without a word": (
        Check.CHAT,
        sending(),
        Outcome.UNREACHABLE,
        "closed the connection without an answer",
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
        "the stream stalled after the first token: no end within 0.4 s",
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


@pytest.mark.parametrize("case", ENDLESS)
async def test_what_never_ends_costs_its_deadline(case: str, prober: Prober) -> None:
    """However long a server would go on, the probe ends at its deadline and knows the phases that it reached."""
    check, behave, outcome, detail = ENDLESS[case]
    async with serving(behave) as url:
        seen = await prober.probe(target(url, timeouts=QUICK), check)

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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """A server's context with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_a_certificate_that_does_not_verify_is_unreachable(prober: Prober, authority: trustme.CA) -> None:
    """A stranger's certificate ends the probe before the key is sent."""
    async with serving(answering(), server_tls(authority, "127.0.0.1")) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.outcome is Outcome.UNREACHABLE
    assert "does not verify: unable to get local issuer certificate" in seen.detail
    assert seen.connected_s is not None, "TCP stood"


async def test_a_ca_bundle_is_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    """With `ca_bundle` the same certificate verifies, unless it is for another host."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    trusting = new_prober(bundle)
    async with serving(answering(), server_tls(authority, "127.0.0.1")) as url:
        good = await trusting.probe(target(url), Check.CHAT)
    async with serving(answering(), server_tls(authority, "other.example")) as url:
        bad = await trusting.probe(target(url), Check.CHAT)

    assert good.outcome is Outcome.OK
    assert (bad.outcome, "mismatch" in bad.detail) == (Outcome.UNREACHABLE, True), bad.detail


async def test_tls_to_a_plain_port_is_unreachable(prober: Prober) -> None:
    """An `https` address whose server speaks plain HTTP says so."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(plain) as url:
        seen = await prober.probe(target(url.replace("http:", "https:")), Check.CHAT)

    assert (seen.outcome, "TLS with 127.0.0.1" in seen.detail) == (Outcome.UNREACHABLE, True), seen.detail


def test_a_bad_ca_bundle_is_named(tmp_path: Path) -> None:
    """A bundle that is missing or holds no certificates is refused with its path."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=name):
            tls_context(tmp_path / name)


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

    assert (seen.outcome, seen.detail) == (
        Outcome.BAD_REQUEST,
        "the probe itself failed: KeyError; the log says where",
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


async def test_a_correct_answer_past_the_limit_is_slow() -> None:
    """The same answer is ok within the slow limit and slow past it, by the monotonic clock."""
    ticks = iter(range(0, 1000, 3))
    slow = Prober(clock=lambda: NOW, monotonic=lambda: float(next(ticks)), nonce=lambda: NONCE)
    async with serving(answering()) as url:
        seen = await slow.probe(target(url, timeouts=Timeouts(connect_s=900, total_s=900)), Check.CHAT)

    assert seen.outcome is Outcome.SLOW
    assert seen.detail == f"answered correctly after {seen.duration_s:.1f} s, past the slow limit of 10 s"


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


async def test_the_proxy_is_asked(prober: Prober) -> None:
    """With a proxy the request goes to it and names the provider's host; to this machine no proxy is used."""
    requests: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await request_of(reader))
        writer.write(HEAD + b"\r\n" + ANSWER)
        await writer.drain()

    async with serving(behave) as proxy:
        behind = Prober(proxy=proxy, clock=lambda: NOW, nonce=lambda: NONCE)
        seen = await behind.probe(target("http://llm.invalid/v1"), Check.CHAT)

        async with serving(answering()) as url:
            local = await behind.probe(target(url), Check.CHAT)

    assert (seen.outcome, local.outcome) == (Outcome.OK, Outcome.OK)
    assert [request.split(b" ")[1] for request in requests] == [b"http://llm.invalid/v1/chat/completions"]


async def test_a_tunnel_through_a_proxy(authority: trustme.CA, tmp_path: Path) -> None:
    """An https provider behind a proxy: the proxy sees a tunnel and no key, the phases are the provider's."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    seen_by_proxy: list[bytes] = []
    async with serving(answering(), server_tls(authority, "llm.invalid")) as url:

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen_by_proxy.append(await reader.readuntil(b"\r\n\r\n"))
            there, back = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pump(reader, back), pump(there, writer))

        async with serving(tunnel) as proxy:
            behind = Prober(proxy=proxy, ca_bundle=bundle, clock=lambda: NOW, nonce=lambda: NONCE)
            seen = await behind.probe(target("https://llm.invalid/v1"), Check.CHAT)

    assert (seen.outcome, seen.http_status) == (Outcome.OK, 200), seen.detail
    assert in_order(seen)
    assert seen_by_proxy[0].startswith(b"CONNECT llm.invalid:443 ")
    assert KEY.encode() not in seen_by_proxy[0]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes everything on, the end included."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_proxy_that_fails_is_named(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is honoured, and when it is the one that fails, the sentence says so."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    seen = await prober.probe(target("http://llm.invalid/v1"), Check.CHAT)

    assert seen.outcome is Outcome.UNREACHABLE
    assert seen.detail == "llm.invalid (through the proxy 127.0.0.1) refused the connection"


async def test_a_stall_of_our_own_loop_is_recorded(prober: Prober) -> None:
    """An observation taken while our loop stood still says for how long."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        started = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < started + 0.1:  # a computation that does not yield
            pass
        writer.write(HEAD + b"\r\n" + ANSWER)
        await writer.drain()

    async with serving(behave) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.loop_lag_s > 0.05


def exceptions_of(module: ModuleType) -> Iterator[type[Exception]]:
    """Every exception class that a module exports."""
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type) and issubclass(value, Exception):
            yield value


def test_every_exception_of_httpx_is_mapped() -> None:
    """A new exception in httpx cannot go without an outcome."""
    assert set(exceptions_of(httpx)) == set(OUTCOMES)


def test_what_is_ours_is_never_a_providers() -> None:
    """A full pool, a stream misused and a request that cannot be sent blame nobody but us."""
    for ours in (httpx.PoolTimeout, httpx.StreamError, httpx.LocalProtocolError, httpx.InvalidURL):
        assert OUTCOMES[ours].blame is Blame.US


@pytest.mark.parametrize("error", [24, 12, 99], ids=["too many files", "no memory", "no local ports"])
def test_a_starved_machine_is_our_fault(error: int) -> None:
    """A connection that our own machine could not open is not the provider's."""
    try:
        raise httpx.ConnectError("x") from OSError(error, "x")
    except httpx.ConnectError as raised:
        verdict = prober_module._fault(raised, target("http://x"), "x")

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
    assert (seen.first_token_s is not None) == (check is Check.STREAM)


def in_order(seen: Observation) -> bool:
    """True when every phase that was reached follows the one before."""
    phases = (0.0, seen.connected_s, seen.first_byte_s, seen.first_token_s, seen.duration_s)
    reached = [phase for phase in phases if phase is not None]
    return reached == sorted(reached)


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

    seen = asyncio.run(ask())

    assert "the probe itself" not in seen.detail
    assert seen.outcome is not Outcome.OK or NONCE.encode() in body
