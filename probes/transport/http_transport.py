"""One HTTP request by httpcore over sockets of our own, directly or through a proxy.

Each connection is used once, without a pool. A shared pool stays broken after a deadline has cancelled a request
(healthy providers then look down), and adds seconds to the latency while it is busy.
"""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import httpx

from probes.transport.proxies import UnusableProxyError

_EXPECTED_FILE = "expected a file of PEM certificates"


@asynccontextmanager
async def open_response(
    request: httpx.Request,
    sockets: httpcore.AsyncNetworkBackend,
    tls: ssl.SSLContext,
    proxy: httpx.Proxy | None = None,
) -> AsyncIterator[tuple[int, httpx.Headers, AsyncIterator[bytes]]]:
    """Sends the request over `sockets`: status and headers, as soon as they are in, and the body as it comes in.

    The connection is closed with the block. Raises httpcore's own exceptions, and UnusableProxyError for a proxy that
    cannot be spoken to.
    """
    url = _url(request.url)
    if url.scheme not in {b"http", b"https"} or not url.host:
        raise httpx.UnsupportedProtocol(f"{str(request.url)!r} is not http:// or https:// and a host")
    async with _connection(url, sockets, tls, proxy) as connection:
        response = await connection.handle_async_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        yield response.status, httpx.Headers(response.headers), response.aiter_stream()


def _connection(
    url: httpcore.URL, sockets: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext, proxy: httpx.Proxy | None
) -> httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool:
    if proxy is None:
        return httpcore.AsyncHTTPConnection(url.origin, ssl_context=tls, network_backend=sockets)
    if not proxy.url.scheme.startswith("socks5"):
        return httpcore.AsyncHTTPProxy(
            _url(proxy.url),
            proxy_auth=proxy.raw_auth,
            ssl_context=tls,
            proxy_ssl_context=tls if proxy.url.scheme == "https" else None,
            network_backend=sockets,
        )
    try:
        return httpcore.AsyncSOCKSProxy(
            _url(proxy.url), proxy_auth=proxy.raw_auth, ssl_context=tls, network_backend=sockets
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


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """A context that trusts `ca_bundle` alone, else what httpx, the system, SSL_CERT_FILE and SSL_CERT_DIR name.

    Raises ValueError for an unusable bundle, OSError for an unusable SSL_CERT_FILE.
    """
    try:
        if ca_bundle is not None:
            return ssl.create_default_context(cafile=ca_bundle)
        context = httpx.create_ssl_context()
    except OSError as error:  # includes ssl.SSLError
        if ca_bundle is not None:
            raise ValueError(f"network.ca_bundle {str(ca_bundle)!r}: {_EXPECTED_FILE}: {error}") from error
        raise OSError(f"SSL_CERT_FILE {os.environ.get('SSL_CERT_FILE')!r}: {_EXPECTED_FILE}: {error}") from error
    context.load_default_certs()
    return context
