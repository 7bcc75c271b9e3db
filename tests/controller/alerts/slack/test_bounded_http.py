"""A Slack that drips or floods holds up nobody for longer than a call may take."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import create_server, socket
from typing import Any

import pytest

from controller.alerts.channel import DeliveryError
from controller.alerts.slack.bounded_http import MOST_BYTES, BoundedWebClient, BoundedWebhookClient
from controller.alerts.slack.errors import as_delivery_errors

TIMEOUT_S = 0.4
BEGINNING = b"HTTP/1.1 %d Whatever\r\nconnection: close\r\n"


def drip_headers(connection: socket) -> None:
    """A header line that never ends."""
    connection.sendall(BEGINNING % 200)
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drip(connection: socket, status: int = 200) -> None:
    """A body that never ends."""
    connection.sendall(BEGINNING % status + b"\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def flood(connection: socket) -> None:
    """A body without an end, as fast as it goes."""
    connection.sendall(BEGINNING % 200 + b"\r\n")
    while True:
        connection.sendall(b" " * 65536)


@contextmanager
def slack(behave: Callable[[socket], None]) -> Iterator[str]:
    """The address of a server that does so with every connection."""
    listening = create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.recv(65536)
                with suppress(OSError), connection:
                    behave(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.close()


def call(kind: str, url: str) -> None:
    """Say something there."""
    options: dict[str, Any] = {"timeout": TIMEOUT_S, "retry_handlers": []}
    with as_delivery_errors():
        if kind == "bot":
            BoundedWebClient("xoxb-made-up", url, **options).api_call("chat.postMessage", json={"text": "x"})
        else:
            BoundedWebhookClient(url, **options).send(text="x")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (drip_headers, "no answer in time"),
        (drip, "no answer in time"),
        (lambda connection: drip(connection, 500), "no answer in time"),
        (flood, "its answer does not end|no answer in time"),
    ],
    ids=["headers drip", "a body drips", "an error's body drips", "a flood"],
)
@pytest.mark.parametrize("kind", ["bot", "webhook"])
def test_a_call_ends(behave: Callable[[socket], None], said: str, kind: str) -> None:
    """As an error that people understand; the server would go on for ever."""
    with slack(behave) as url, pytest.raises(DeliveryError, match=said):
        call(kind, url)


def test_the_bound_leaves_room_for_what_slack_sends() -> None:
    """A page of a thousand channels is no flood."""
    assert MOST_BYTES >= 4 * 1024 * 1024
