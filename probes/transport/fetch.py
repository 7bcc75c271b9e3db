"""Fetches one public page for reading, and only if it has changed: a vendor's status page, say."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from probes.transport.decoding import Decoder
from probes.transport.errors import UndecodableBodyError
from probes.transport.proxies import Proxies

_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_LONGEST_VALIDATOR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What came back; without a status nothing did."""

    status: int | None = None
    body: bytes = b""
    """Decoded, at most a mebibyte."""
    cut: bool = False
    """The body goes on past what was read of it."""
    etag: str | None = None
    modified: str | None = None
    """When the server says it was last changed, in its own words."""
    why: str = ""
    """Why nothing came back, in a few words."""

    @property
    def unchanged(self) -> bool:
        """Whether it is still the page that `etag` and `modified` are of."""
        return self.status == 304


async def fetch(
    url: str,
    *,
    etag: str | None = None,
    modified: str | None = None,
    timeout_s: float,
    tls: ssl.SSLContext,
    proxy: str | None = None,
) -> Page:
    """The page, or why not, within `timeout_s` whatever the server does; raises nothing but CancelledError.

    `etag` and `modified` are those of the page that is known already. At most three redirects are followed, to another
    host and from https only to https. `tls` is `probes.prober.tls_context`'s; without `proxy` the environment's holds.
    """
    conditions = {"if-none-match": etag, "if-modified-since": modified}
    headers = {
        "user-agent": "hotspare (status page reader)",
        "accept": "application/json, application/rss+xml, application/xml;q=0.9",
        "accept-encoding": "gzip",
    } | {name: value for name, value in conditions.items() if value}
    try:
        async with asyncio.timeout(timeout_s):
            return await _follow(url, headers, tls, Proxies(proxy))
    except TimeoutError:
        return Page(why=f"not within {timeout_s:g} s")
    except UndecodableBodyError as error:
        return Page(why=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's page leads to, nobody is to stumble over it
        return Page(why=type(error).__name__)


async def _follow(url: str, headers: Mapping[str, str], tls: ssl.SSLContext, proxies: Proxies) -> Page:
    for _ in range(_REDIRECTS + 1):
        page, location = await _get(url, headers, tls, proxies)
        if page.status not in _MOVED or not location:
            return page
        target = urljoin(url, location)
        if not _may_lead(url, target):
            return Page(status=page.status, why="redirected to where it may not lead")
        url = target
    return Page(why=f"more than {_REDIRECTS} redirects")


async def _get(url: str, headers: Mapping[str, str], tls: ssl.SSLContext, proxies: Proxies) -> tuple[Page, str]:
    proxy = proxies.to(url)
    no_timeout = httpx.Timeout(None)  # the deadline around it is the only one that cannot be stretched
    async with (
        httpx.AsyncClient(verify=tls, proxy=proxy, trust_env=False, timeout=no_timeout) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        location = response.headers.get("location", "")
        if response.status_code in _MOVED:
            return Page(status=response.status_code), location
        body, cut = await _read(response)
        return Page(
            status=response.status_code,
            body=body,
            cut=cut,
            etag=_validator(response, "etag"),
            modified=_validator(response, "last-modified"),
        ), location


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    decoder, body = Decoder(response.headers.get("content-encoding", "")), bytearray()
    async for chunk in response.aiter_raw():
        body += decoder.feed(chunk)
        if decoder.full:
            return bytes(body), True
    return bytes(body), False


def _validator(response: httpx.Response, name: str) -> str | None:
    """The header, as far as it can be sent back."""
    value = str(response.headers.get(name, "")).strip()
    return value if value and value.isascii() and value.isprintable() and len(value) <= _LONGEST_VALIDATOR else None


def _may_lead(url: str, target: str) -> bool:
    """To https; in the clear only where it was in the clear already, on the same host."""
    here, there = urlsplit(url), urlsplit(target)
    if not there.hostname or there.scheme not in {"http", "https"}:
        return False
    return there.scheme == "https" or (here.scheme == "http" and here.hostname == there.hostname)
