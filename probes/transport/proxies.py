"""Chooses the proxy for an address: the configured one, else the environment's, and none for this machine itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import getproxies

from probes.transport.http_url import HTTP_SCHEMES, PORTS, HttpUrl, UnusableUrlError, parse_url

#: `[address]:port` or `name:port`, the port optional. An entry that does not match is an address with colons.
_ENTRY = re.compile(r"(?:\[([^]]*)\]|([^:\[]*))(?::([0-9]{1,5}))?")
_SCHEMES: Final = frozenset(PORTS)


class UnusableProxyError(ValueError):
    """The proxy cannot be used; the message says why, without its password."""


class ProxyError(Exception):
    """The proxy did not connect to the other side; the message is what it said, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy, and what it wants to know of us."""

    url: HttpUrl
    """`socks5://` and `socks5h://` too."""
    credentials: tuple[bytes, bytes] | None = None
    """User and password."""

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS5 and not HTTP."""
        return self.url.scheme not in HTTP_SCHEMES


class Proxies:
    """`configured` applies to every address but this machine's own; without it the environment decides, as for curl.

    That is `https_proxy` and `http_proxy` by the scheme of the address, else `all_proxy`, in capitals or not.
    `no_proxy` holds names (with their subdomains), addresses, networks (`10.0.0.0/8`) or `*`.
    """

    def __init__(self, configured: str | None = None) -> None:
        self._configured = configured
        self._environment: Mapping[str, str] = getproxies()
        self._found = lru_cache(maxsize=4096)(self._find)

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy for this address; None: connect directly. Raises UnusableProxyError."""
        return self._found(url)

    def _find(self, url: str) -> Proxy | None:
        parts = urlsplit(url)
        proxy_url = self._configured
        if proxy_url is None:
            proxy_url = self._environment.get(parts.scheme) or self._environment.get("all") or None
        if proxy_url is None or _is_loopback(host := parts.hostname or ""):
            return None
        if self._configured is not None:
            return _parse_proxy(self._configured, "network.proxy")
        port = parts.port or PORTS.get(parts.scheme)
        if is_excepted(host, port, self._environment.get("no", "")):
            return None
        return _parse_proxy(proxy_url if "://" in proxy_url else f"http://{proxy_url}", "the environment")


def is_excepted(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether `no_proxy` exempts this host from the proxy."""
    entries = no_proxy.replace(",", " ").lower().split()
    return any(_matches(host.rstrip("."), port, entry) for entry in entries)


def _matches(host: str, port: int | None, entry: str) -> bool:
    match = _ENTRY.fullmatch(entry)
    bracketed, name, entry_port = match.groups() if match else (None, entry, None)
    if entry_port and port != int(entry_port):
        return False
    name = (bracketed or name or "").removeprefix("*").removeprefix(".").rstrip(".")
    return entry == "*" or (bool(name) and (host == name or host.endswith(f".{name}") or _is_in_network(host, name)))


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_proxy(url: str, origin: str) -> Proxy:
    try:
        address, parts = parse_url(url, _SCHEMES), urlsplit(url)
    except UnusableUrlError:
        expected = ", ".join(f"{scheme}://host" for scheme in PORTS)
        raise UnusableProxyError(f"the proxy of {origin} is not one of {expected}") from None
    if parts.username is None:
        return Proxy(url=address)
    return Proxy(url=address, credentials=(unquote_to_bytes(parts.username), unquote_to_bytes(parts.password or "")))
