"""One bounded GET or POST for everything but probes: status pages, neutral endpoints, webhooks, the heartbeat.

Requests go over the sockets and the resolver of the probes, so that neither a slow server nor a hanging resolver holds
up anything else. The total deadline covers the lookup of the name, redirects and the body.
"""

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from probes.redaction import one_line
from probes.transport.decoding import CAP, Decoder, UndecodableBodyError
from probes.transport.http_transport import open_connection
from probes.transport.http_url import parse_url
from probes.transport.proxies import Proxies, UnusableProxyError
from probes.transport.sockets import Resolver, ResponseTooLargeError, SocketTimings, TimedSockets
from probes.transport.stream import ConnectError

_log = logging.getLogger(__name__)

#: Shared by all requests: while the resolver hangs, a name that is asked for again costs no further thread.
_RESOLVER = Resolver()
#: Bytes of one response, its framing included.
_MOST_RECEIVED = 2 * CAP
_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_LONGEST_VALIDATOR = 500
_LONGEST_EXCERPT = 160
_HEADERS = {"user-agent": "hotspare", "accept-encoding": "identity"}
_PAGE_HEADERS = {
    "user-agent": "hotspare (status page reader)",
    "accept": "application/json, application/rss+xml, application/xml;q=0.9",
    "accept-encoding": "gzip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """The response; without a status there is none."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    """Decoded, as far as it was wanted."""
    truncated: bool = False
    """The body goes on past `body`."""
    error: str = ""
    """Why there is no response, in a few words without the address."""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def excerpt(self) -> str:
        """How the body begins, on one line of at most 160 characters; untrusted text."""
        return one_line(self.body.decode(errors="replace"), _LONGEST_EXCERPT)

    def validator(self, name: str) -> str | None:
        """The page's `etag` or `last-modified`, for the next request; None where it cannot be sent back."""
        value = self.headers.get(name, "").strip()
        return value if value and value.isascii() and value.isprintable() and len(value) <= _LONGEST_VALIDATOR else None


class _Request(NamedTuple):
    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    content: bytes = b""


async def fetch(
    method: str,
    url: str,
    *,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
    tls: ssl.SSLContext,
    proxy: str | None = None,
    max_bytes: int = 0,
    max_error_bytes: int = 0,
) -> FetchResult:
    """The response to one request within `timeout_s`, whatever the other side does; raises only CancelledError.

    Redirects are not followed. Of the body of a 2xx `max_bytes` are read, of any other response's `max_error_bytes`.
    `tls` is `probes.transport.http_transport.tls_context`'s; without `proxy` the environment's proxy variables hold.
    """
    request = _Request(url, _HEADERS | dict(headers or {}), method=method, content=content)
    answer = _send(request, tls, Proxies(proxy), max_bytes=max_bytes, max_error_bytes=max_error_bytes)
    return await _bounded(answer, timeout_s)


async def fetch_page(
    url: str,
    *,
    etag: str | None = None,
    modified: str | None = None,
    timeout_s: float,
    tls: ssl.SSLContext,
    proxy: str | None = None,
) -> FetchResult:
    """A public page of at most a mebibyte, if it has changed; as `fetch`, but follows three redirects.

    `etag` and `modified` are those of the last result: with them the server may answer 304, without a body.
    """
    conditions = {"if-none-match": etag, "if-modified-since": modified}
    headers = _PAGE_HEADERS | {name: value for name, value in conditions.items() if value}
    return await _bounded(_follow(url, headers, tls, Proxies(proxy)), timeout_s)


async def ask_endpoints(
    endpoints: Sequence[str], *, timeout_s: float, tls: ssl.SSLContext, proxy: str | None = None
) -> frozenset[str]:
    """The endpoints that gave any HTTP response, headers at least, within `timeout_s`; all are asked at once.

    Raises only CancelledError: an endpoint that cannot be asked has not answered.
    """
    proxies = Proxies(proxy)
    answers = await asyncio.gather(*(_answers(endpoint, timeout_s, tls, proxies) for endpoint in endpoints))
    return frozenset(endpoint for endpoint, answered in zip(endpoints, answers, strict=True) if answered)


async def _answers(endpoint: str, timeout_s: float, tls: ssl.SSLContext, proxies: Proxies) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await _send(_Request(endpoint, _HEADERS), tls, proxies)
            return True
    except UnusableProxyError as error:
        _log.warning("endpoint_not_asked endpoint=%s: %s", endpoint, error)
        return False
    except Exception:  # noqa: BLE001 - whatever happened, there was no answer
        return False


async def _bounded(answer: Awaitable[FetchResult], timeout_s: float) -> FetchResult:
    """The result, or why there is none."""
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except TimeoutError:
        return FetchResult(error=f"no answer within {timeout_s:g} s")
    except (UnusableProxyError, UndecodableBodyError) as error:
        return FetchResult(error=str(error))
    except ConnectError as error:
        return FetchResult(error=_describe_connect_error(error))
    except Exception as error:  # noqa: BLE001 - whatever a foreign server sends must not stop the caller
        return FetchResult(error=f"the connection broke ({type(error).__name__})")


async def _follow(url: str, headers: Mapping[str, str], tls: ssl.SSLContext, proxies: Proxies) -> FetchResult:
    for _ in range(_REDIRECTS + 1):
        page = await _send(_Request(url, headers), tls, proxies, max_bytes=CAP, max_error_bytes=CAP)
        location = page.headers.get("location", "")
        if page.status not in _MOVED or not location:
            return page
        target = urljoin(url, location)
        if not _may_redirect(url, target):
            return FetchResult(status=page.status, error="redirected to an address that is not allowed")
        url = target
    return FetchResult(error=f"more than {_REDIRECTS} redirects")


def _may_redirect(url: str, target: str) -> bool:
    """To https always; to http only from http on the same host."""
    here, there = urlsplit(url), urlsplit(target)
    if not there.hostname or there.scheme not in {"http", "https"}:
        return False
    return there.scheme == "https" or (here.scheme == "http" and here.hostname == there.hostname)


async def _send(
    request: _Request, tls: ssl.SSLContext, proxies: Proxies, *, max_bytes: int = 0, max_error_bytes: int = 0
) -> FetchResult:
    """The response, with at most `max_bytes` of the body of a 2xx and `max_error_bytes` of any other's."""
    sockets = TimedSockets(_RESOLVER, SocketTimings(), limit=_MOST_RECEIVED, monotonic=time.monotonic)
    proxy = proxies.proxy_for(request.url)
    async with open_connection(parse_url(request.url), sockets, tls, proxy) as connection:
        await connection.send(request.method, request.headers, request.content)
        status, headers = await connection.receive_head()
        limit = max_bytes if 200 <= status < 300 else max_error_bytes
        body, truncated = await _read(headers.get("content-encoding", ""), connection.receive_body(), limit)
        return FetchResult(status=status, headers=headers, body=body, truncated=truncated)


async def _read(content_encoding: str, chunks: AsyncIterator[bytes], limit: int) -> tuple[bytes, bool]:
    """The first `limit` bytes of the body, decoded, and whether there are more."""
    body = bytearray()
    if limit:
        decoder = Decoder(content_encoding)
        try:
            async for chunk in chunks:
                body += decoder.feed(chunk)
                if decoder.full or len(body) >= limit:
                    return bytes(body[:limit]), True
        except ResponseTooLargeError:
            return bytes(body), True
    return bytes(body), False


def _describe_connect_error(error: ConnectError) -> str:
    """What the system says, where it says something; never the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, socket.gaierror):
            return f"its name cannot be resolved ({cause.strerror})"
        if isinstance(cause, OSError) and cause.errno:
            # Not `strerror`, in which asyncio names the address.
            return f"it could not be reached ({os.strerror(cause.errno)})"
        cause = cause.__cause__ or cause.__context__
    return "it could not be reached"
