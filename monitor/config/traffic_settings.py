"""The settings of what applications report of their own requests."""

import os.path
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section
from monitor.config.values import secret, text
from probes.target import Secret

_EXPECTED: Final = "unix: and the path of a socket, or udp://address:port"
#: The longest path of a socket, without the zero that ends it.
_LONGEST_PATH: Final = 107


def _listen_problem(listen: str) -> str | None:
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        if not path or not path.isprintable() or path.endswith("/"):
            return f"is not {_EXPECTED}"
        return f"is a path of more than {_LONGEST_PATH} bytes" if len(path.encode()) > _LONGEST_PATH else None
    try:
        parts = urlsplit(listen)
        port = parts.port
        ip_address(parts.hostname or "")
    except ValueError:
        return f"is not {_EXPECTED}; the address is a number, such as 127.0.0.1"
    if parts.scheme != "udp" or port is None or parts.path or parts.query or parts.fragment or parts.username:
        return f"is not {_EXPECTED}"
    return None


def _is_loopback(address: str) -> bool:
    return bool(ip_address(address).is_loopback)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSettings(Section):
    """What applications report of their own requests (`hotspare_client`); without this section nobody listens."""

    empty_is_absent: ClassVar[bool] = True
    listen: Annotated[str, text(_EXPECTED, _listen_problem), Key(required=True)] = "unix:var/traffic.sock"
    """Where reports come in: `unix:var/traffic.sock`, or `udp://127.0.0.1:8471`. Change it when applications run on
    other machines: an address of this one, and a `key`."""
    key: Annotated[Secret | None, secret("HOTSPARE_TRAFFIC_KEY", "key of reports", header=False)] = None
    """Signs the reports; without it, only those of this machine are taken. Applications have it in
    `HOTSPARE_TRAFFIC_KEY`."""

    @property
    def address(self) -> tuple[str, int] | None:
        """The address and port of `udp://`; None for a socket's path."""
        if not self.listen.startswith("udp:"):
            return None
        parts = urlsplit(self.listen)
        return parts.hostname or "", parts.port or 0

    @property
    def socket_path(self) -> str:
        """The path of `unix:`."""
        return self.listen.removeprefix("unix:")

    @property
    def published(self) -> str | None:
        """Where applications report, as the routing file tells them; None where they must be told."""
        if self.address is None:
            return f"unix:{os.path.realpath(self.socket_path)}"
        return None if ip_address(self.address[0]).is_unspecified else self.listen

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Off this machine reports are signed."""
        if self.address is None or _is_loopback(self.address[0]) or node.has("key"):
            return
        problem = "others than this machine can send there; expected a key beside it, such as ${HOTSPARE_TRAFFIC_KEY}"
        context.report(node.at("listen"), problem)
