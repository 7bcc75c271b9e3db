"""An httpx transport for one request: httpcore over sockets of our own, directly or through a proxy.

Each connection is used once, without a pool. A shared pool stays broken after a deadline has cancelled a request
(healthy providers then look down), and adds seconds to the latency while it is busy.
"""

import ssl
from collections.abc import AsyncIterator

import httpcore
import httpx

from probes.transport.errors import UnusableProxyError


class Transport(httpx.AsyncBaseTransport):
    """Sends one request over `sockets`; raises httpcore's own exceptions. Closing it closes the connection at once.

    Raises UnusableProxyError for a proxy that it cannot speak to.
    """

    def __init__(
        self, sockets: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext, proxy: httpx.Proxy | None = None
    ) -> None:
        self._sockets = sockets
        self._tls = tls
        self._proxy = proxy
        self._connection: httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, as soon as its headers are in."""
        url = _url(request.url)
        if url.scheme not in {b"http", b"https"} or not url.host:
            raise httpx.UnsupportedProtocol(f"{str(request.url)!r} is not http:// or https:// and a host")
        if self._proxy is not None:
            self._connection = self._through(self._proxy)
        else:
            tls, sockets = self._tls, self._sockets
            self._connection = httpcore.AsyncHTTPConnection(url.origin, ssl_context=tls, network_backend=sockets)
        response = await self._connection.handle_async_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            await self._connection.aclose()

    def _through(self, proxy: httpx.Proxy) -> httpcore.AsyncConnectionPool:
        if proxy.url.scheme.startswith("socks5"):
            return self._through_socks(proxy)
        return httpcore.AsyncHTTPProxy(
            _url(proxy.url),
            proxy_auth=proxy.raw_auth,
            ssl_context=self._tls,
            proxy_ssl_context=self._tls if proxy.url.scheme == "https" else None,
            network_backend=self._sockets,
        )

    def _through_socks(self, proxy: httpx.Proxy) -> httpcore.AsyncConnectionPool:
        try:
            return httpcore.AsyncSOCKSProxy(
                _url(proxy.url), proxy_auth=proxy.raw_auth, ssl_context=self._tls, network_backend=self._sockets
            )
        except RuntimeError as error:
            raise UnusableProxyError("a socks5 proxy needs the Python package socksio, which is not there") from error


async def warm_up() -> None:
    """Loads what httpcore loads with its first request, which takes up to 0.1 s; sends nothing."""
    backend = httpcore.AsyncMockBackend([b"HTTP/1.1 204 No Content\r\n\r\n"])
    async with httpcore.AsyncHTTPConnection(
        httpcore.URL("http://nobody.invalid").origin, network_backend=backend
    ) as way:
        await way.request("GET", "http://nobody.invalid")


class _Body(httpx.AsyncByteStream):
    """The body as it comes in."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
