"""The prober on other people's networks: certificates, proxies, and the variables that tell of them."""

import asyncio
import base64
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check
from probes.transport.fetch import ask_endpoints
from probes.transport.http_transport import tls_context
from tests.support.servers import (
    KEY,
    QUICK,
    Behaviour,
    always,
    answering,
    in_order,
    new_prober,
    pump,
    server_tls,
    serving,
    target,
)


@pytest.fixture(scope="module")
def prober() -> Prober:
    """One for all tests, as in the service."""
    return new_prober()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its certificate as a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.mark.slow
async def test_a_certificate_that_does_not_verify_is_unreachable(prober: Prober, authority: trustme.CA) -> None:
    """A stranger's certificate ends the probe before the key is sent."""
    async with serving(answering(), server_tls(authority, "127.0.0.1")) as url:
        seen = await prober.probe(target(url), Check.CHAT)

    assert seen.outcome is Outcome.UNREACHABLE
    assert "does not verify: unable to get local issuer certificate" in seen.detail
    assert seen.connected_s is not None, "TCP stood"


async def test_a_ca_bundle_is_trusted(authority: trustme.CA, bundle: Path) -> None:
    """With `ca_bundle` the same certificate verifies, unless it is for another host."""
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


async def test_a_certificate_that_has_expired_is_unreachable(authority: trustme.CA, bundle: Path) -> None:
    """Yesterday's certificate of a trusted authority is none, and the sentence says why."""
    expired = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)).configure_cert(expired)
    async with serving(answering(), expired) as url:
        seen = await new_prober(bundle).probe(target(url), Check.CHAT)

    assert (seen.outcome, "certificate has expired" in seen.detail) == (Outcome.UNREACHABLE, True), seen.detail


@pytest.mark.slow
async def test_a_handshake_that_hangs_costs_the_connect_deadline(prober: Prober) -> None:
    """A server that takes the connection and never answers the handshake: no connection within its time."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(hang) as url:
        seen = await prober.probe(target(url.replace("http:", "https:"), timeouts=QUICK), Check.CHAT)

    assert (seen.outcome, "no connection to 127.0.0.1" in seen.detail) == (Outcome.TIMEOUT, True)
    assert seen.tcp_s is not None


async def test_the_variable_for_certificates_is_honoured(authority: trustme.CA, bundle: Path) -> None:
    """SSL_CERT_FILE adds an authority where no bundle is configured."""
    trusting = new_prober(environment={"SSL_CERT_FILE": str(bundle)})
    async with serving(answering(), server_tls(authority, "127.0.0.1")) as url:
        seen = await trusting.probe(target(url), Check.CHAT)

    assert seen.outcome is Outcome.OK, seen.detail


def test_a_bad_variable_for_certificates_is_named(tmp_path: Path) -> None:
    """The message names the variable, the file, and what was expected."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(OSError, match=rf"SSL_CERT_FILE.*{name}.*PEM certificates"):
            new_prober(environment={"SSL_CERT_FILE": str(tmp_path / name)})


class Proxy:
    """A proxy that leads everything to one server, as long as it is asked politely; `asked` holds the heads it saw."""

    def __init__(self, url: str, *, credentials: str | None = None) -> None:
        self._port = int(url.rpartition(":")[2])
        self._credentials = credentials
        self.asked: list[bytes] = []

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tunnels for CONNECT, passes everything else on as it is."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        wanted = base64.b64encode((self._credentials or "").encode())
        if self._credentials and b"proxy-authorization: basic " + wanted.lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        await asyncio.gather(pump(reader, back), pump(there, writer))


PROXIED = {
    "the configured proxy": ("{proxy}", {}),
    "HTTPS_PROXY": (None, {"HTTPS_PROXY": "{proxy}"}),
    "https_proxy": (None, {"https_proxy": "{proxy}"}),
    "ALL_PROXY": (None, {"ALL_PROXY": "{proxy}"}),
    "ALL_PROXY and another exception": (None, {"ALL_PROXY": "{proxy}", "NO_PROXY": "other.invalid"}),
}


@pytest.mark.parametrize("case", PROXIED)
async def test_a_tunnel_through_a_proxy(case: str, authority: trustme.CA, bundle: Path) -> None:
    """An https provider behind a proxy: the proxy sees a tunnel and no key, the phases are the provider's."""
    configured, variables = PROXIED[case]
    async with serving(answering(), server_tls(authority, "llm.invalid")) as url:
        way = Proxy(url)
        async with serving(way.behave) as proxy:
            behind = new_prober(
                bundle,
                proxy=configured and configured.format(proxy=proxy),
                environment={name: value.format(proxy=proxy) for name, value in variables.items()},
            )
            seen = await behind.probe(target("https://llm.invalid/v1"), Check.CHAT)

    assert (seen.outcome, seen.http_status, seen.fresh) == (Outcome.OK, 200, True), seen.detail
    assert in_order(seen)
    assert (seen.connected_s or 0) > (seen.tcp_s or 0)
    assert way.asked[0].startswith(b"CONNECT llm.invalid:443 ")
    assert KEY.encode() not in way.asked[0]


async def test_plain_http_through_a_proxy() -> None:
    """An http provider behind a proxy: the request names the provider."""
    async with serving(answering()) as url:
        way = Proxy(url)
        async with serving(way.behave) as proxy:
            seen = await new_prober(environment={"http_proxy": proxy}).probe(
                target("http://llm.invalid/v1"), Check.CHAT
            )

    assert seen.outcome is Outcome.OK, seen.detail
    assert way.asked[0].startswith(b"POST http://llm.invalid/v1/chat/completions ")


@pytest.mark.parametrize("exception", ["llm.invalid", ".invalid", "*", "llm.invalid:80"])
async def test_an_exception_is_reached_directly(exception: str) -> None:
    """What NO_PROXY names does not go through the proxy."""
    async with serving(answering()) as url:
        way = Proxy(url)
        async with serving(way.behave) as proxy:
            free = new_prober(environment={"HTTP_PROXY": proxy, "NO_PROXY": exception}, resolve=always(url))
            seen = await free.probe(target("http://llm.invalid/v1"), Check.CHAT)

    assert (seen.outcome, way.asked) == (Outcome.OK, [])


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_password_gets_it(scheme: str, authority: trustme.CA, bundle: Path) -> None:
    """The password stands in the address of the proxy; with a wrong one the detail says 407 and not the password."""
    tls = server_tls(authority, "llm.invalid") if scheme == "https" else None
    async with serving(answering(), tls) as url:
        way = Proxy(url, credentials="me:p@ss")
        async with serving(way.behave) as proxy:
            good = new_prober(bundle, proxy=proxy.replace("://", "://me:p%40ss@"))
            bad = new_prober(bundle, proxy=proxy.replace("://", "://me:hush@"))
            let_in = await good.probe(target(f"{scheme}://llm.invalid"), Check.CHAT)
            refused = await bad.probe(target(f"{scheme}://llm.invalid"), Check.CHAT)

    assert let_in.outcome is Outcome.OK, let_in.detail
    assert refused.outcome is not Outcome.OK
    assert "407" in refused.detail
    assert "hush" not in repr(refused)


async def test_a_proxy_over_tls(authority: trustme.CA, bundle: Path) -> None:
    """The way to the proxy may be encrypted itself; both ends are verified by the same bundle."""
    async with serving(answering(), server_tls(authority, "llm.invalid")) as url:
        way = Proxy(url)
        async with serving(way.behave, server_tls(authority, "127.0.0.1")) as proxy:
            seen = await new_prober(bundle, proxy=proxy).probe(target("https://llm.invalid/v1"), Check.CHAT)

    assert (seen.outcome, in_order(seen)) == (Outcome.OK, True), seen.detail


class SocksProxy:
    """A SOCKS5 proxy that leads everything to one server; `asked` holds where it was to lead."""

    def __init__(self, url: str, *, credentials: tuple[bytes, bytes] | None = None, reply: int = 0) -> None:
        self._port = int(url.rpartition(":")[2])
        self._credentials = credentials
        self._reply = reply
        self.asked: list[tuple[int, bytes, int]] = []

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Agrees on a method, hears the password, answers piece by piece, and tunnels."""
        _, count = await reader.readexactly(2)
        wanted = 2 if self._credentials else 0
        writer.write(bytes([5, wanted if wanted in await reader.readexactly(count) else 255]))
        if self._credentials:
            _, length = await reader.readexactly(2)
            name = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(bytes([1, (name, password) != self._credentials]))
        _, _, _, kind = await reader.readexactly(4)
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(length)
        self.asked.append((kind, host, int.from_bytes(await reader.readexactly(2))))
        for piece in (bytes([5, self._reply, 0, 3]), b"\x05", b"proxy\0", b"\x50"):
            writer.write(piece)
            await writer.drain()
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(pump(reader, back), pump(there, writer))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("credentials", [None, (b"me", b"p@ss")])
async def test_a_socks_proxy(
    scheme: str, credentials: tuple[bytes, bytes] | None, authority: trustme.CA, bundle: Path
) -> None:
    """It looks up the provider's name; the phases are the provider's."""
    tls = server_tls(authority, "llm.invalid") if scheme == "https" else None
    async with serving(answering(), tls) as url:
        way = SocksProxy(url, credentials=credentials)
        async with serving(way.behave) as proxy:
            address = proxy.replace("http://", "socks5://me:p%40ss@" if credentials else "socks5h://")
            seen = await new_prober(bundle, proxy=address).probe(target(f"{scheme}://llm.invalid/v1"), Check.CHAT)

    assert (seen.outcome, in_order(seen)) == (Outcome.OK, True), seen.detail
    assert way.asked == [(3, b"llm.invalid", 443 if scheme == "https" else 80)]


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("10.1.2.3", (1, bytes([10, 1, 2, 3]), 80)),
        ("[2001:db8::1]:8080", (4, b"\x20\x01\r\xb8" + bytes(11) + b"\1", 8080)),
    ],
)
async def test_a_socks_proxy_is_told_addresses_as_such(host: str, asked: tuple[int, bytes, int]) -> None:
    """An address of either family is no name that the proxy would have to look up."""
    async with serving(answering()) as url:
        way = SocksProxy(url)
        async with serving(way.behave) as proxy:
            prober = new_prober(proxy=proxy.replace("http:", "socks5:"))
            seen = await prober.probe(target(f"http://{host}/v1"), Check.CHAT)

    assert (seen.outcome, way.asked) == (Outcome.OK, [asked]), seen.detail


@pytest.mark.parametrize(
    ("credentials", "reply", "said"),
    [
        ((b"me", b"other"), 0, "it refused the password"),
        (None, 0, "it does not let us in by a password"),
        ((b"me", b"hush"), 5, "connection refused"),
        ((b"me", b"hush"), 99, "reply 99"),
    ],
)
async def test_a_socks_proxy_that_refuses_is_named(
    credentials: tuple[bytes, bytes] | None, reply: int, said: str
) -> None:
    """The sentence says what it said, and not the password."""
    async with serving(answering()) as url:
        way = SocksProxy(url, credentials=credentials, reply=reply)
        async with serving(way.behave) as proxy:
            behind = new_prober(proxy=proxy.replace("http://", "socks5://me:hush@"))
            seen = await behind.probe(target("http://llm.invalid/v1"), Check.CHAT)

    assert seen.outcome is Outcome.UNREACHABLE
    assert seen.detail == f"the proxy did not connect to llm.invalid (through the proxy 127.0.0.1): {said}"
    assert "hush" not in repr(seen)


async def test_a_proxy_that_speaks_no_socks_is_named() -> None:
    """An HTTP server in the place of a SOCKS proxy, and one that hangs up, are told as the proxy's fault."""
    for first in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\5"):

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = first) -> None:
            await reader.readexactly(3)
            writer.write(first)
            await writer.drain()

        async with serving(behave) as proxy:
            behind = new_prober(proxy=proxy.replace("http:", "socks5:"))
            seen = await behind.probe(target("http://llm.invalid/v1"), Check.CHAT)

        assert (seen.outcome, "the proxy did not connect" in seen.detail) == (Outcome.UNREACHABLE, True), seen.detail


@pytest.mark.slow
async def test_a_tunnel_that_leads_to_nobody() -> None:
    """A proxy that opens the tunnel and then goes silent: no answer of the provider, and no first byte of it."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async with serving(swallow) as proxy:
        seen = await new_prober(proxy=proxy).probe(target("https://llm.invalid", timeouts=QUICK), Check.CHAT)

    assert (seen.outcome, seen.first_byte_s, seen.sent_s) == (Outcome.TIMEOUT, None, None)
    assert seen.detail == "no connection to llm.invalid (through the proxy 127.0.0.1) within 1 s"


async def test_a_proxy_that_fails_is_named() -> None:
    """When the proxy is the one that fails, the sentence says so."""
    behind = new_prober(environment={"HTTP_PROXY": "http://127.0.0.1:1"})
    seen = await behind.probe(target("http://llm.invalid/v1"), Check.CHAT)

    assert seen.outcome is Outcome.UNREACHABLE
    assert seen.detail == "llm.invalid (through the proxy 127.0.0.1) refused the connection"


@pytest.mark.slow
async def test_a_proxy_that_cannot_be_used_is_our_fault() -> None:
    """A kind of proxy that we do not speak blames nobody but us, in words that say what to do."""
    gopher = new_prober(environment={"ALL_PROXY": "gopher://127.0.0.1:1"})
    seen = await gopher.probe(target("http://llm.invalid/v1"), Check.CHAT)

    assert seen.outcome is Outcome.BAD_REQUEST
    assert "socks" in seen.detail


@pytest.mark.slow
async def test_the_neutral_endpoints_go_the_same_way(authority: trustme.CA, bundle: Path) -> None:
    """They are asked through the same proxy and trusted by the same bundle: else we would be blind behind a proxy."""
    async with serving(answering_get(), server_tls(authority, "neutral.invalid")) as url:
        way = Proxy(url)
        async with serving(way.behave) as proxy:
            found = await ask_endpoints(
                ["https://neutral.invalid/x"], timeout_s=20, tls=tls_context(bundle), proxy=proxy
            )
            strange = await ask_endpoints(
                ["https://neutral.invalid/x"], timeout_s=20, tls=tls_context(None), proxy=proxy
            )

    assert found == {"https://neutral.invalid/x"}
    assert strange == frozenset()


def answering_get() -> Behaviour:
    """204 to a request without a body."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    return behave
