"""One WebSocket connection to Slack (Socket Mode): opens it, reads what Slack sends, acknowledges envelopes."""

import errno
import json
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from controller.alerts.channel import DeliveryError
from controller.alerts.slack.errors import SlackRefusal, delivery_error, refusal_error
from probes.transport.proxies import Proxies, UnusableProxyError

#: A peer that does not answer a ping within this time is dead; pings are this far apart.
_PING_S: Final = 10.0

#: Its errors reach the log through ours; below that it would log whole messages.
_silent = logging.getLogger(f"{__name__}.websockets")
_silent.setLevel(logging.CRITICAL)


#: Gets an envelope (a message to acknowledge) and the connection that it came by; must be quick.
OnEnvelope: TypeAlias = Callable[["SlackConnection", dict[str, Any]], object]
#: What Slack says about the connection: envelopes can come; it ends soon, another should take its place.
Signal: TypeAlias = Literal["hello", "disconnect"]


class SlackConnection:
    """A connection, opened and read in a thread of its own, until it ends or `close` is called.

    Envelopes are handed to `on_envelope` in that thread. The methods may be called from any thread.
    """

    def __init__(self, url: str, *, proxy: str | None, tls: ssl.SSLContext, on_envelope: OnEnvelope) -> None:
        self._url = url
        self._proxy = proxy
        self._tls = tls
        self._on_envelope = on_envelope
        self._signals: SimpleQueue[Signal | DeliveryError] = SimpleQueue()
        self._socket: ClientConnection | None = None
        self._closing = False
        Thread(target=self._run, name="slack-socket", daemon=True).start()

    def wait_for(self, signal: Signal, within_s: float | None = None) -> None:
        """Wait until Slack has sent this signal; for ever without `within_s`, in seconds.

        Raises DeliveryError when the connection failed, ended or was refused, and when Slack did not send it.
        """
        deadline_s = None if within_s is None else time.monotonic() + within_s
        received: Signal | DeliveryError | None = None
        while received != signal:
            try:
                received = self._signals.get(timeout=deadline_s and max(0.0, deadline_s - time.monotonic()))
            except Empty:
                raise DeliveryError(f"Slack did not say {signal} within {within_s:g} s") from None
            if isinstance(received, DeliveryError):
                raise received

    def acknowledge(self, envelope_id: str) -> None:
        """Tell Slack that this envelope came; raises OSError when the connection has ended."""
        try:
            if self._socket:
                self._socket.send(json.dumps({"envelope_id": envelope_id}))
        except ConnectionClosed as error:
            raise _as_os_error(error) from None

    def close(self) -> None:
        """End the connection, within about a second; whoever waits for a signal gets DeliveryError."""
        self._closing = True
        if self._socket:
            self._socket.close()
        self._signals.put(DeliveryError("the connection was closed"))

    def _run(self) -> None:
        try:
            with connect(
                self._url,
                ssl=self._tls if self._url.startswith("wss:") else None,
                proxy=_proxy_to(self._url, self._proxy),
                compression=None,
                open_timeout=10.0,
                ping_interval=_PING_S,
                ping_timeout=_PING_S,
                close_timeout=1.0,
                max_size=1 << 20,
                logger=_silent,
            ) as self._socket:
                while not self._closing:
                    self._receive(self._socket.recv())
        except ConnectionClosed as error:
            self._signals.put(delivery_error(_as_os_error(error), SlackRefusal.SOCKET_MODE))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for the connection
            self._signals.put(delivery_error(error, SlackRefusal.SOCKET_MODE))

    def _receive(self, text: str | bytes) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        match message:
            case {"type": "disconnect", "reason": "link_disabled" | "too_many_websockets" as reason}:
                self._signals.put(refusal_error(reason, refusal=SlackRefusal.SOCKET_MODE))
            case {"type": "hello" | "disconnect" as signal}:
                self._signals.put(signal)
            case {"envelope_id": str()}:
                self._on_envelope(self, message)


def _as_os_error(error: ConnectionClosed) -> OSError:
    """Why it ended: the fault of the network, what we objected to (a ping unanswered, a large message), or Slack."""
    if isinstance(error.__cause__, OSError):
        return error.__cause__
    ours = error.sent.reason if error.sent and not error.rcvd else ""
    return ConnectionResetError(errno.ECONNRESET, ours or "Slack ended the connection")


def _proxy_to(url: str, configured: str | None) -> str | None:
    """The address of the proxy that leads there, None where it is reached directly."""
    host = urlsplit(url).hostname or ""
    with suppress(UnusableProxyError):
        if Proxies(configured).proxy_for(f"https://{f'[{host}]' if ':' in host else host}") is None:
            return None
    proxy = configured or getproxies().get("https") or getproxies().get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"
