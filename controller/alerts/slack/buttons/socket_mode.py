"""The one WebSocket to Slack through which presses come: slack_sdk's client, without the habits that could hurt us."""

import errno
import logging
import socket
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.builtin.connection import Connection, ConnectionState

from probes.transport.errors import UnusableProxyError
from probes.transport.proxies import Proxies

_PING_S = 10.0
#: The library reads a message by calling itself once per buffer: a large one leaves it far from Python's limit.
_BUFFER = 1 << 16
_WORKERS = 4


class EndedError(ConnectionResetError):
    """Slack ended the connection."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "Slack ended the connection")


class _Socket:
    """A connection's socket whose end is an error: the library would ask again and again, without a pause.

    It also sends all of what it is given, where the library would be content with a part.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def recv(self, size: int) -> bytes:
        received: bytes = self._inner.recv(size)
        if not received:
            raise EndedError
        return received

    def send(self, data: bytes) -> int:
        self._inner.sendall(data)
        return len(data)

    def shutdown(self) -> None:
        """Wake up whoever waits for it."""
        with suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._inner.close()


class SlackSocket(SocketModeClient):
    """A client that never reconnects by itself: when, and how often, is its owner's business.

    `changed` is set when something happened that its owner should look at: it is ready, it is to be replaced, or its
    connection has ended.
    """

    def __init__(self, *, app_token: str, web: WebClient, proxy: str | None, quiet: logging.Logger) -> None:
        self.changed = threading.Event()
        self.ready = False
        """Slack has said hello on the present connection."""
        self.reason: str | None = None
        """Why Slack wants the present connection to be replaced; None while it does not."""
        self.error: Exception | None = None
        """What the present connection met last."""
        self._proxy = proxy
        super().__init__(
            app_token=app_token,
            web_client=web,
            logger=quiet,
            auto_reconnect_enabled=False,
            ping_interval=_PING_S,
            receive_buffer_size=_BUFFER,
            concurrency=_WORKERS,
            on_error_listeners=[self._failed],
            on_close_listeners=[lambda _code, _reason: self.changed.set()],
        )
        self.message_listeners.append(self._looked_at)

    def connect_to(self, url: str) -> None:
        """Connect, in place of the connection there was; whether that worked, `is_connected` says, and `error` why."""
        self.ready, self.reason, self.error = False, None, None
        self.proxy = _proxy_to(url, self._proxy)
        self.wss_uri = url
        self.connect()

    def connect(self) -> None:
        """As the library's, but the old connection ends at once: it would wait seconds for that to say something."""
        old, session = self.current_session, self._connection()
        session.connect()
        if session.sock is not None:
            session.sock = _Socket(session.sock)  # type: ignore[assignment]  # what it uses of a socket
        self.current_session_state.terminated = True
        if old is not None:
            _end(old)
        self.current_session = session
        self.current_session_state = ConnectionState()  # type: ignore[no-untyped-call]  # the library's
        if not self.current_app_monitor_started:
            self.current_app_monitor_started = True
            self.current_app_monitor.start()

    def _connection(self) -> Connection:
        return Connection(
            url=self.wss_uri or "",
            logger=self.logger,
            ping_interval=self.ping_interval,
            receive_buffer_size=self.receive_buffer_size,
            proxy=self.proxy,
            on_message_listener=self._on_message,
            on_error_listener=self._on_error,
            on_close_listener=self._on_close,
            ssl_context=self.web_client.ssl,
        )

    def connect_to_new_endpoint(self, force: bool = False) -> None:  # noqa: ARG002 - the library's signature
        """What the library calls when Slack says that the connection will end: it is left to the owner."""
        self.reason = self.reason or "disconnect"
        self.changed.set()

    def close(self) -> None:
        """End the connection and every thread."""
        self.closed = True
        self.message_queue.put(None)  # or it would be waited for for another second
        super().close()

    def disconnect(self) -> None:
        """End the present connection."""
        if self.current_session is not None:
            _end(self.current_session)

    def enqueue_message(self, message: str) -> None:
        """Look at what concerns the connection itself before the library does."""
        if '"disconnect"' in message and len(message) < 1_000:
            for reason in ("link_disabled", "too_many_websockets"):
                if f'"{reason}"' in message:
                    self.reason = reason
        super().enqueue_message(message)

    def _looked_at(self, _client: object, message: dict[str, Any], _raw: str | None = None) -> None:
        if message.get("type") == "hello":
            self.ready = True
            self.changed.set()

    def _failed(self, error: Exception) -> None:
        self.error = error
        self.changed.set()


def _end(session: Connection) -> None:
    """Without waiting for its next word; whoever reads from it may have ended it just now."""
    sock: object = session.sock
    if isinstance(sock, _Socket):
        sock.shutdown()
    with suppress(AttributeError, OSError):
        session.close()


def _proxy_to(url: str, configured: str | None) -> str | None:
    """The proxy that leads there, if any; the library itself would not look at `NO_PROXY`."""
    host = urlsplit(url).hostname or ""
    with suppress(UnusableProxyError):
        if Proxies(configured).to(f"https://{f'[{host}]' if ':' in host else host}") is None:
            return None
    return configured or getproxies().get("https") or getproxies().get("all")
