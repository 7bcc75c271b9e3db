"""A local server that behaves like Slack's Web API, so that real `slack_sdk` calls have somewhere to go."""

import json
import socket
import struct
import threading
from collections.abc import Iterable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from controller.demo.fake_slack.workspace import ALL_SCOPES, Fault, FaultKind, Workspace, refusal

_MAX_BODY = 1 << 20


class SlackServer(Workspace):
    """Serves the methods of `Workspace` and an incoming webhook on a free loopback port.

    Checks what Slack checks: the bearer token and its scopes, the channel (by name or id), that there is text or
    blocks, the limits of both, the shape of metadata, the rate in each channel, and that the message of an edit or a
    thread exists. Use as a context manager, or `start()` and `stop()`.
    """

    def __init__(
        self,
        *,
        token: str = "xoxb-demo",  # noqa: S107 - made up
        channel: str = "#llm-status",
        others: Iterable[str] = (),
        scopes: frozenset[str] = ALL_SCOPES,
        per_s: float | None = None,
    ) -> None:
        """`others` are further channels; `per_s`: so many messages a second in each of them."""
        super().__init__(token=token, channels=(channel, *others), scopes=scopes, per_s=per_s)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"workspace": self}))
        # Stopping waits for the calls under way.
        self._http.daemon_threads = False
        serve = partial(self._http.serve_forever, poll_interval=0.05)
        self._thread = threading.Thread(target=serve, name="slack-server", daemon=True)

    def start(self) -> Self:
        """Answer calls from now on; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection, hanging ones included, and free the port. The messages can still be read."""
        self.closing.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """What `alerts.slack.api_url` must be."""
        return f"{self._root}/api/"

    @property
    def webhook_url(self) -> str:
        """What `alerts.slack.webhook_url` must be to post by webhook."""
        return f"{self._root}{self.webhook_path}"

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    workspace: Workspace
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        """Every method of the Web API is a POST to `/api/<method>`; a webhook is one to its own address."""
        path = urlsplit(self.path).path
        webhook = path.startswith("/services/")
        method = "webhook" if webhook else path.rsplit("/", 1)[-1]
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        fault = self.workspace.fault(method)
        if fault and fault.kind not in {FaultKind.LOST_REPLY, FaultKind.LATE_REPLY}:
            self._suffer(fault, plain=webhook)
            return
        status, answer = self._carry_out(path, method, body, webhook=webhook)
        if fault and fault.kind is FaultKind.LATE_REPLY:
            self.workspace.closing.wait()
        if fault:
            self._reset()
        elif isinstance(answer, str):
            self._send(status, "text/html", answer.encode())
        elif "retry_after" in answer:
            self._reply(429, refusal("ratelimited"), retry_after_s=answer["retry_after"])
        else:
            self._reply(status, answer)

    def _carry_out(self, path: str, method: str, body: bytes, *, webhook: bool) -> tuple[int, dict[str, Any] | str]:
        if webhook:
            return self.workspace.webhook(path, self._arguments(body))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return 200, self.workspace.answer(method, token, self._arguments(body))

    def _suffer(self, fault: Fault, *, plain: bool) -> None:
        match fault.kind:
            case FaultKind.RATE_LIMITED:
                self._reply(429, refusal("ratelimited"), retry_after_s=fault.retry_after_s)
            case FaultKind.REFUSED if plain:
                self._send(403, "text/html", fault.code.encode())
            case FaultKind.REFUSED:
                self._reply(200, refusal(fault.code))
            case FaultKind.SERVER_ERROR:
                self._send(500, "text/html", b"<html>Something went wrong</html>")
            case FaultKind.HANG:
                self.workspace.closing.wait()
                self._reset()
            case _:
                self._reset()

    def _arguments(self, body: bytes) -> dict[str, Any]:
        if "json" in self.headers.get("Content-Type", ""):
            try:
                given = json.loads(body)
            except ValueError:
                return {}
            return given if isinstance(given, dict) else {}
        query = urlsplit(self.path).query or body.decode("utf-8", "replace")
        return {name: values[-1] for name, values in parse_qs(query).items()}

    def _reply(self, status: int, document: dict[str, Any], *, retry_after_s: int | None = None) -> None:
        self._send(status, "application/json", json.dumps(document).encode(), retry_after_s=retry_after_s)

    def _send(self, status: int, kind: str, body: bytes, *, retry_after_s: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if retry_after_s is not None:
            self.send_header("Retry-After", str(retry_after_s))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def handle(self) -> None:
        """A caller that has left, or was killed, gets no answer."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def finish(self) -> None:
        """A connection that was reset, or that the caller has left, has nothing to flush."""
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing: the demo narrates, and tests look at `calls`."""
