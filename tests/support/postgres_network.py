"""A network between the service and PostgreSQL that can be cut, and a server that is none."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Final

from sqlalchemy import make_url

#: What a client asks before it starts: for TLS, for GSSAPI.
_ENCRYPTION: Final = {80877103, 80877104}


class Way(StrEnum):
    """One direction of a wire."""

    THERE = "there"
    """To the server."""
    BACK = "back"
    """From it."""


class Wire:
    """A way to a server's socket over TCP, whose connections can be cut, late, or open in one direction alone."""

    def __init__(self, url: str) -> None:
        """`url` is that of `tests.support.postgres`."""
        self.delay_s = 0.0
        """How much later each piece of what the server says comes."""
        self.held: Way | None = None
        """The direction in which nothing comes through while it stands; then it does, as TCP would send it again."""
        self._lead(url)
        self._cut = threading.Event()
        self._open: set[socket.socket] = set()
        self._server = _serve(self._pass_on)
        port = self._server.server_address[1]
        self.url = make_url(url).set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)

    def cut(self) -> None:
        """Let nothing of the present connections through any more; they stay open at both ends."""
        self._cut.set()
        self._cut = threading.Event()

    def lead_to(self, url: str) -> None:
        """To another server: new connections go there, the present ones end."""
        self._lead(url)
        self._end_all()

    def close(self) -> None:
        """Refuse connections, and end all."""
        self._server.shutdown()
        self._server.server_close()
        self._end_all()

    def _lead(self, url: str) -> None:
        self._socket = str(Path(str(make_url(url).query["host"])) / ".s.PGSQL.5432")

    def _end_all(self) -> None:
        for each in tuple(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _pass_on(self, client: socket.socket) -> None:
        cut = self._cut
        with socket.socket(socket.AF_UNIX) as server:
            self._open |= {client, server}
            try:
                server.connect(self._socket)
                back = threading.Thread(target=self._pump, args=(server, client, cut, Way.BACK), daemon=True)
                back.start()
                self._pump(client, server, cut, Way.THERE)
                back.join()
            finally:
                self._open -= {client, server}

    def _pump(self, source: socket.socket, sink: socket.socket, cut: threading.Event, way: Way) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if way is Way.BACK and self.delay_s:
                    cut.wait(self.delay_s)
                while self.held is way and not cut.wait(0.05):
                    pass
                if cut.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def silent_server() -> Iterator[str]:
    """The URL of one that takes connections and says nothing."""
    done = threading.Event()

    def say_nothing(_client: socket.socket) -> None:
        done.wait(30)

    with _serving(say_nothing) as url:
        yield url
        done.set()


@contextmanager
def server_of_version(version: str) -> Iterator[str]:
    """The URL of one that lets everybody in, says its version, and nothing more."""

    def welcome(client: socket.socket) -> None:
        while True:
            (length,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
            (code,) = struct.unpack("!I", client.recv(length - 4, socket.MSG_WAITALL)[:4])
            if code not in _ENCRYPTION:
                break
            client.sendall(b"N")
        said = b"server_version\0" + version.encode() + b"\0"
        client.sendall(b"R" + struct.pack("!II", 8, 0) + b"S" + struct.pack("!I", 4 + len(said)) + said + b"Z\0\0\0\5I")
        client.recv(1)

    with _serving(welcome) as url:
        yield url


@contextmanager
def _serving(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    server = _serve(handle)
    try:
        yield f"postgresql+psycopg://me:geheim12@127.0.0.1:{server.server_address[1]}/hotspare"
    finally:
        server.shutdown()
        server.server_close()


def _serve(handle: Callable[[socket.socket], None]) -> ThreadingTCPServer:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, struct.error):
                handle(self.request)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
