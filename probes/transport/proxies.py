"""Which proxy leads to an address: the configured one, else the environment's, and none to this machine itself."""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from probes.transport.errors import UnusableProxyError

#: `[address]:port` or `name:port`, the port optional; what it does not match is an address with colons.
_ENTRY = re.compile(r"(?:\[([^]]*)\]|([^:\[]*))(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}
_SCHEMES = ("http", "https", "socks5", "socks5h")


class Proxies:
    """`configured` is for every address but this machine's own; without it the environment decides.

    As curl does: `https_proxy` and `http_proxy` by the scheme of the address, else `all_proxy`, in capitals or not;
    `no_proxy` holds names (those below them included), addresses, networks (`10.0.0.0/8`) or `*`.
    """

    def __init__(self, configured: str | None = None) -> None:
        self._configured = configured
        self._environment: Mapping[str, str] = getproxies()

    def to(self, url: str) -> httpx.Proxy | None:
        """The proxy that leads to this address; None: it is reached directly. Raises UnusableProxyError."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if _is_loopback(host):
            return None
        if self._configured is not None:
            return _proxy(self._configured, "network.proxy")
        found = self._environment.get(parts.scheme) or self._environment.get("all")
        port = parts.port or _PORTS.get(parts.scheme)
        if not found or excepted(host, port, self._environment.get("no", "")):
            return None
        return _proxy(found if "://" in found else f"http://{found}", "the environment")


def excepted(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether `no_proxy` says that this host is reached directly."""
    entries = no_proxy.replace(",", " ").lower().split()
    return any(_matches(host.rstrip("."), port, entry) for entry in entries)


def _matches(host: str, port: int | None, entry: str) -> bool:
    found = _ENTRY.fullmatch(entry)
    bracketed, name, only = found.groups() if found else (None, entry, None)
    if only and port != int(only):
        return False
    name = (bracketed or name or "").removeprefix("*").removeprefix(".").rstrip(".")
    return entry == "*" or (bool(name) and (host == name or host.endswith(f".{name}") or _within(host, name)))


def _within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy(url: str, place: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(url)
        usable = bool(proxy.url.host)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or proxy.url.scheme not in _SCHEMES:
        raise UnusableProxyError(f"the proxy of {place} is not one of {', '.join(f'{one}://host' for one in _SCHEMES)}")
    return proxy
