"""Splits an address into what a connection and a request need (pure)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from probes.transport.plain_httpx import httpx

#: The usual port of each scheme.
PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
HTTP_SCHEMES: Final = frozenset({"http", "https"})
_LAST_PORT: Final = 65_535
#: A name, or an IPv6 address without its brackets.
_HOST: Final = re.compile(r"[^][/?#@%]+")


class UnusableUrlError(ValueError):
    """The address cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpUrl:
    """An address in parts, all of them ASCII; user and password are not among them."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    default_port: int
    """Of the scheme."""
    target: str
    """Path and query, as a request names them."""

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own: the header `Host`."""
        return self._bracketed if self.port == self.default_port else self.host_and_port

    @property
    def host_and_port(self) -> str:
        """Both, as CONNECT names them."""
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        """Without what is not sent: user, password and fragment."""
        return f"{self.scheme}://{self.authority}{self.target}"


@lru_cache(maxsize=4096)
def parse_url(url: str, schemes: frozenset[str] = HTTP_SCHEMES) -> HttpUrl:
    """The parts of an address with one of these schemes; raises UnusableUrlError."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnusableUrlError(f"{url!r} is no address: {error}") from error
    host = found.raw_host.decode("ascii").lower()
    if not _HOST.fullmatch(host) or not 0 < (found.port or 1) <= _LAST_PORT:
        raise UnusableUrlError(f"{url!r} is no address: expected a host, and a port up to {_LAST_PORT}")
    if found.scheme not in schemes:
        raise UnusableUrlError(f"{url!r} is not {' or '.join(f'{scheme}://' for scheme in sorted(schemes))} and a host")
    default_port = PORTS[found.scheme]
    return HttpUrl(
        scheme=found.scheme,
        host=host,
        port=default_port if found.port is None else found.port,
        default_port=default_port,
        target=found.raw_path.decode("ascii"),
    )
