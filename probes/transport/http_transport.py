"""One HTTP/1.1 request over a connection of its own, directly or through a proxy.

Each connection is used once, without a pool: a shared one would make the time of a probe depend on those before it.
What is HTTP and what is not, h11 decides, as it does in the clients of most providers.
"""

import base64
import os
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import h11

from probes.transport.http_url import HttpUrl
from probes.transport.plain_httpx import httpx
from probes.transport.proxies import Proxy, ProxyError
from probes.transport.sockets import TimedSockets
from probes.transport.socks import open_socks_tunnel
from probes.transport.stream import Stream

_EXPECTED_FILE = "expected a file of PEM certificates"
#: The longest head, and the longest line that says how long a chunk is.
_LONGEST_HEAD: Final = 100 * 1024
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "CONNECT"})


class NoResponseError(Exception):
    """The other side closed the connection before its response had a head."""


class HttpConnection:
    """One request, then its response: `send`, `receive_head`, `receive_body`.

    These raise ReadError and ResponseTooLargeError of the stream, h11.RemoteProtocolError for what is no HTTP/1.1,
    h11.LocalProtocolError for what may not be sent, and NoResponseError.
    """

    def __init__(self, stream: Stream, *, host: str, target: str, headers: Mapping[str, str] | None = None) -> None:
        """`host` is for the header `Host`, `target` for the request line; `headers` are sent with those of `send`."""
        self._stream = stream
        self._host = host
        self._target = target
        self._headers = headers or {}
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)

    async def send(self, method: str, headers: Mapping[str, str], content: bytes = b"") -> None:
        """Sends the request; returns once the system has accepted all of it. `headers` may name another `Host`."""
        framing = {"Host": self._host}
        if content or method not in _WITHOUT_BODY:
            framing["Content-Length"] = str(len(content))
        named = {name.lower() for name in headers}
        lines = {name: value for name, value in framing.items() if name.lower() not in named}
        request = h11.Request(
            method=method, target=self._target, headers=[*lines.items(), *self._headers.items(), *headers.items()]
        )
        data = [self._state.send(request), self._state.send(h11.Data(data=content)) if content else b""]
        self._state.send(h11.EndOfMessage())
        await self._stream.write(b"".join(filter(None, data)))

    async def receive_head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers, as soon as they are in: names in lower case, values of equal names in one."""
        response = await self.receive_response()
        return response.status_code, _decode(response.headers)

    async def receive_response(self) -> h11.Response:
        """The head of the final response; those before it (1xx) are passed over."""
        while not isinstance(event := await self._next_event(), h11.Response):
            pass
        return event

    async def receive_body(self) -> AsyncIterator[bytes]:
        """The body as it comes in."""
        while isinstance(event := await self._next_event(), h11.Data):
            yield bytes(event.data)

    async def _next_event(self) -> Any:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            data = await self._stream.read()
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                raise NoResponseError
            self._state.receive_data(data)
        return event


@asynccontextmanager
async def open_connection(
    url: HttpUrl, sockets: TimedSockets, tls: ssl.SSLContext, proxy: Proxy | None = None
) -> AsyncIterator[HttpConnection]:
    """A connection for one request to `url`, closed with the block; raises ConnectError, ProxyError and as `Stream`."""
    first = proxy.url if proxy else url
    stream = await sockets.connect(first.host, first.port)
    try:
        if first.scheme == "https":
            stream = await sockets.start_tls(stream, tls, first.host)
        if proxy is None:
            yield HttpConnection(stream, host=url.authority, target=url.target)
        elif url.scheme == "http" and not proxy.is_socks:
            yield HttpConnection(stream, host=url.authority, target=str(url), headers=_authorization(proxy))
        else:
            await _open_tunnel(stream, url, proxy)
            if url.scheme == "https":
                stream = await sockets.start_tls(stream, tls, url.host)
            yield HttpConnection(stream, host=url.authority, target=url.target)
    finally:
        stream.close()


async def _open_tunnel(stream: Stream, url: HttpUrl, proxy: Proxy) -> None:
    """From here on the stream leads to the host of `url`; raises ProxyError."""
    if proxy.is_socks:
        await open_socks_tunnel(stream, url.host, url.port, proxy.credentials)
        return
    tunnel = HttpConnection(stream, host=url.host_and_port, target=url.host_and_port, headers=_authorization(proxy))
    await tunnel.send("CONNECT", {"Accept": "*/*"})
    response = await tunnel.receive_response()
    if not 200 <= response.status_code < 300:
        raise ProxyError(f"{response.status_code} {response.reason.decode('ascii', 'ignore')}")


def _authorization(proxy: Proxy) -> dict[str, str]:
    if proxy.credentials is None:
        return {}
    return {"Proxy-Authorization": f"Basic {base64.b64encode(b':'.join(proxy.credentials)).decode()}"}


def _decode(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """As UTF-8 where all of them are, else as Latin-1."""
    try:
        pairs = [(name.decode(), value.decode()) for name, value in headers]
    except UnicodeDecodeError:
        pairs = [(name.decode(), value.decode("latin-1")) for name, value in headers]
    decoded: dict[str, str] = {}
    for name, value in pairs:
        decoded[name] = f"{decoded[name]}, {value}" if name in decoded else value
    return decoded


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """A context that trusts `ca_bundle` alone, else what httpx, the system, SSL_CERT_FILE and SSL_CERT_DIR name.

    Raises ValueError for an unusable bundle, OSError for an unusable SSL_CERT_FILE.
    """
    try:
        context = ssl.create_default_context(cafile=ca_bundle) if ca_bundle else httpx.create_ssl_context()
    except OSError as error:  # includes ssl.SSLError
        if ca_bundle is not None:
            raise ValueError(f"network.ca_bundle {str(ca_bundle)!r}: {_EXPECTED_FILE}: {error}") from error
        raise OSError(f"SSL_CERT_FILE {os.environ.get('SSL_CERT_FILE')!r}: {_EXPECTED_FILE}: {error}") from error
    if ca_bundle is None:
        context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context
