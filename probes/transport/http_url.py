"""Splits an address into what a connection and a request need (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import idna

#: The schemes that a request may have, each with its port.
HTTP_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
#: What stands for itself in a request line; whoever wrote the address has escaped what means something else (`%2F`).
_PLAIN: Final = "!$%&'()*+,-./:;=?@[\\]^_|~"


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


def parse_url(url: str, ports: Mapping[str, int] = HTTP_PORTS) -> HttpUrl:
    """The parts of an address with one of the schemes that `ports` has the ports of; raises UnusableUrlError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = idna.encode(host).decode()
    except ValueError as error:
        raise UnusableUrlError(f"{url!r} is no address: {error}") from error
    if parts.scheme not in ports or not host:
        raise UnusableUrlError(f"{url!r} is not {' or '.join(f'{scheme}://' for scheme in ports)} and a host")
    default_port = ports[parts.scheme]
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return HttpUrl(
        scheme=parts.scheme,
        host=host,
        port=default_port if port is None else port,
        default_port=default_port,
        target=quote(path, safe=_PLAIN),
    )
