"""A node on this machine that serves a routing table as the API does, or says what a test wants; in threads."""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from io import BufferedIOBase
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from tests.support.shared_cases import GOLDEN


def instant(at: datetime) -> str:
    """As the routing file has it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_table(**fields: Any) -> dict[str, Any]:
    """The golden table, written now."""
    return {**json.loads(GOLDEN.read_text()), "written_at": instant(datetime.now(UTC)), **fields}


def reply(body: bytes, *lines: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """A response with these headers more."""
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass
class RoutingNode:
    """What is served, and what was asked for."""

    url: str = ""
    table: dict[str, Any] = field(default_factory=a_table)
    answer: Callable[[str], bytes | Iterable[bytes]] | None = None
    """Given the head of a request, says what is sent, or piece by piece; empty closes the connection."""
    longest_wait_s: float = 0.02
    heads: list[str] = field(default_factory=list)

    @property
    def waits(self) -> list[float]:
        """How long each request was to wait."""
        return [float(found[1]) if (found := re.search(r"\?wait=([\d.]+)s", head)) else 0.0 for head in self.heads]

    def beat(self, at: datetime | None = None) -> None:
        """Write the same table anew."""
        self.table = {**self.table, "written_at": instant(at or datetime.now(UTC))}

    def serve(self, head: str) -> bytes:
        """The answer of the API."""
        wait_s = float(found[1]) if (found := re.search(r"\?wait=([\d.]+)s", head)) else 0.0
        asked = re.search(r"(?i)if-none-match: (.*)\r", head)
        until = time.monotonic() + min(wait_s, self.longest_wait_s)
        while asked and self.tag() == asked[1] and time.monotonic() < until:
            time.sleep(0.01)
        lines = (f"etag: {self.tag()}", f"hotspare-written-at: {self.table['written_at']}")
        if asked and self.tag() == asked[1]:
            return "\r\n".join(["HTTP/1.1 304 Not Modified", *lines, "", ""]).encode()
        return reply(json.dumps(self.table).encode(), *lines)

    def tag(self) -> str:
        """Of all but the heartbeat."""
        lasting = {**self.table, "written_at": ""}
        return f'W/"{sha256(json.dumps(lasting).encode()).hexdigest()[:32]}"'


def read_head(file: BufferedIOBase) -> str:
    """The lines of a request; empty at the end."""
    lines = []
    while (line := file.readline()).strip():
        lines.append(line.decode())
    return "".join(lines)


@contextmanager
def serving_table(tls: ssl.SSLContext | None = None, **fields: Any) -> Iterator[RoutingNode]:
    """A node that serves the golden table with these fields."""
    node = RoutingNode(table=a_table(**fields))

    class Talk(StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while head := read_head(self.rfile):
                    node.heads.append(head)
                    said = node.answer(head) if node.answer else node.serve(head)
                    for piece in [said] if isinstance(said, bytes) else said:
                        self.wfile.write(piece)
                    if not said:
                        return

    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that goes away is no error."""

        block_on_close = False

    with Server(("127.0.0.1", 0), Talk) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        node.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield node
        finally:
            server.shutdown()
            thread.join()
