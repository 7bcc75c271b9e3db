"""Leads a connection through a SOCKS5 proxy (RFC 1928, with the password of RFC 1929)."""

import socket
from typing import Final

from probes.transport.proxies import ProxyError
from probes.transport.sockets import parse_numeric
from probes.transport.stream import Stream

_VERSION, _CONNECT, _NO_PASSWORD, _PASSWORD = 5, 1, 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_REASONS: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


async def open_socks_tunnel(stream: Stream, host: str, port: int, credentials: tuple[bytes, bytes] | None) -> None:
    """From here on the stream leads to `host`, whose name the proxy looks up; raises ProxyError."""
    method = _PASSWORD if credentials else _NO_PASSWORD
    await stream.write(bytes([_VERSION, 1, method]))
    if await _read(stream, 2) != bytes([_VERSION, method]):
        raise ProxyError(f"it does not let us in {'by a' if credentials else 'without a'} password")
    if credentials:
        name, password = credentials
        await stream.write(bytes([1, len(name), *name, len(password), *password]))
        if (await _read(stream, 2))[1]:
            raise ProxyError("it refused the password")
    await stream.write(bytes([_VERSION, _CONNECT, 0, *_destination(host)]) + port.to_bytes(2, "big"))
    _, reply, _, kind = await _read(stream, 4)
    if reply:
        raise ProxyError(_REASONS.get(reply, f"reply {reply}"))
    length = {_IPV4: 4, _IPV6: 16}.get(kind) or (await _read(stream, 1))[0]
    await _read(stream, length + 2)  # the proxy's own address, which does not matter


def _destination(host: str) -> bytes:
    for family, _ in parse_numeric(host, 0):
        return bytes([_IPV4 if family is socket.AF_INET else _IPV6]) + socket.inet_pton(family, host)
    return bytes([_NAME, len(host)]) + host.encode()


async def _read(stream: Stream, count: int) -> bytes:
    data = await stream.read_exactly(count)
    if len(data) < count:
        raise ProxyError("it closed the connection")
    return data
