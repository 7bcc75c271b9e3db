"""The WebSocket to Slack itself: certificates, proxies, and servers that are silent, too talkative or gone."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from controller.alerts.channel import DeliveryError
from controller.alerts.slack.buttons.socket_mode import SlackConnection
from tests.support.servers import server_tls

HELLO = '{"type": "hello"}'


@contextmanager
def slack(*messages: str, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that says this to whoever connects, then waits; its port."""

    def talk(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for message in messages:
                connection.send(message)
            connection.recv()

    with serve(talk, "127.0.0.1", 0, ssl=tls, close_timeout=1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def connected(
    url: str,
    *,
    proxy: str | None = None,
    tls: ssl.SSLContext | None = None,
    on_envelope: Callable[[SlackConnection, dict[str, Any]], None] = lambda *_: None,
) -> Iterator[SlackConnection]:
    """A connection that is being opened; closed in the end, within seconds."""
    connection = SlackConnection(
        url, proxy=proxy, tls=tls or ssl.create_default_context(), on_envelope=on_envelope
    )  # fmt: skip
    try:
        yield connection
    finally:
        began_s = time.monotonic()
        connection.close()
        assert time.monotonic() - began_s < 5


class Tunnel:
    """An HTTP proxy that leads the first CONNECT to one port; `asked` is the head that it saw."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://ana:p%40ss@127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked = ""
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with self._listening, self._listening.accept()[0] as client:
            while "\r\n\r\n" not in self.asked:
                self.asked += client.recv(4096).decode()
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._pump, args=(server, client))
                back.start()
                self._pump(client, server)
                back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def join(self) -> None:
        """Wait until both ends have closed it."""
        self._thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Whom nobody trusts but who was told to."""
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What `network.ca_bundle` makes of it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_through_a_proxy_with_a_certificate_of_ours(authority: trustme.CA) -> None:
    """A tunnel to Slack's name, with the proxy's password; Slack's certificate is verified by the bundle."""
    with slack(HELLO, tls=server_tls(authority, "slack.invalid")) as port:
        proxy = Tunnel(port)
        with connected("wss://slack.invalid/link?ticket=1", proxy=proxy.url, tls=trusting(authority)) as connection:
            connection.wait_for("hello", 20)
        proxy.join()
    assert proxy.asked.startswith("CONNECT slack.invalid:443 HTTP/1.1\r\n")
    assert f"Basic {base64.b64encode(b'ana:p@ss').decode()}" in proxy.asked
    assert "ticket" not in proxy.asked


def test_a_certificate_that_nobody_vouches_for_is_an_error(authority: trustme.CA) -> None:
    """Nothing is said to such a server."""
    with (
        slack(HELLO, tls=server_tls(authority, "127.0.0.1")) as port,
        connected(f"wss://127.0.0.1:{port}/") as connection,
        pytest.raises(DeliveryError, match="Slack could not be reached: "),
    ):
        connection.wait_for("hello", 20)


@pytest.mark.slow
def test_a_server_that_says_nothing_costs_its_deadline() -> None:
    """Whoever waits is told in time, and so is whoever waits when somebody else closes the connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        connected(f"ws://127.0.0.1:{silent.getsockname()[1]}/") as connection,
    ):
        with pytest.raises(DeliveryError, match=r"Slack did not say hello within 0\.2 s"):
            connection.wait_for("hello", 0.2)
        threading.Timer(0.2, connection.close).start()
        with pytest.raises(DeliveryError, match="was closed"):
            connection.wait_for("hello", 20)


def test_a_message_that_is_too_large_ends_the_connection() -> None:
    """More than a megabyte is not read; what came before it was heard."""
    heard: list[str] = []
    envelope = '{"envelope_id": "1", "type": "interactive", "payload": {}}'
    with (
        slack(HELLO, envelope, "x" * (1 << 20) + "x") as port,
        connected(f"ws://127.0.0.1:{port}/", on_envelope=lambda _, found: heard.append(found["envelope_id"])) as one,
    ):
        one.wait_for("hello", 20)
        with pytest.raises(DeliveryError, match=r"Slack could not be reached: .*exceeds"):
            one.wait_for("disconnect", 20)
    assert heard == ["1"]


@pytest.mark.parametrize(
    ("reason", "text", "permanent"),
    [
        ("link_disabled", "Slack refuses Socket Mode (link_disabled): switch Socket Mode on", True),
        ("too_many_websockets", "Slack has too many connections of this app", False),
    ],
)
def test_a_connection_that_slack_refuses(reason: str, text: str, permanent: bool) -> None:
    """Slack says so instead of hello."""
    with (
        slack(f'{{"type": "disconnect", "reason": "{reason}"}}') as port,
        connected(f"ws://127.0.0.1:{port}/") as connection,
        pytest.raises(DeliveryError) as refused,
    ):
        connection.wait_for("hello", 20)
    assert str(refused.value).startswith(text)
    assert refused.value.permanent is permanent
