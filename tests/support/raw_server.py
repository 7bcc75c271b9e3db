"""A provider on this machine that says, byte for byte, what a test wants; in a thread, so that commands can ask it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

KEY = "sk-proj-Zx81mQp4vTe7LrW2"
NONCE = b"{nonce}"
"""Stands for the word that was asked for."""
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_7Kq2\r\n\r\n"
TOKEN = b'data: {"model":"gpt-6-luna","choices":[{"delta":{"content":"{nonce}"},"finish_reason":null}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":17,"completion_tokens":6}}\n\n'
DONE = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n' + USAGE + b"data: [DONE]\n\n"
GOOD = (
    b'{"model":"gpt-6-luna","choices":[{"message":{"content":"{nonce}"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":17,"completion_tokens":6}}'
)


def whole(body: bytes = GOOD, *, status: str = "200 OK", headers: str = "") -> bytes:
    """One response that ends with its connection."""
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}\r\n".encode() + body


@contextmanager
def talking(*pieces: bytes, then_hang: bool = False) -> Iterator[str]:
    """Says the pieces to everybody who asks, then closes or hangs; gives the base URL."""
    over = threading.Event()

    class Talk(StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while (line := self.rfile.readline()).strip():
                head += line
            length = re.search(rb"content-length: (\d+)", head.lower())
            asked = self.rfile.read(int(length[1])) if length else b""
            nonce = re.search(rb"\b(?:word:? )(\w{8})", asked)
            with suppress(OSError):
                for piece in pieces:
                    self.wfile.write(piece.replace(NONCE, nonce[1] if nonce else b""))
                if then_hang:
                    over.wait()

    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()
