"""A Slack-shaped server whose app has Socket Mode: people press buttons, envelopes go out, acks come in."""

import itertools
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from controller.demo.fake_slack import SlackMessage
from tests.support.slack_server import SlackServer

APP_TOKEN = "xapp-1-A0DEMO-very-secret"
_PATIENCE_S = 30.0
_quiet = logging.getLogger("tests.support.slack_socket.websockets")
_quiet.setLevel(logging.CRITICAL)


class SocketServer(SlackServer):
    """As `SlackServer`, and `apps.connections.open`, `chat.postEphemeral` and the WebSocket behind them."""

    def __init__(self, *, hello: bool = True) -> None:
        super().__init__()
        self.app_token = APP_TOKEN
        self.hello = hello
        """Whether it greets who connects."""
        self.acks: list[str] = []
        self.ephemeral: list[dict[str, Any]] = []
        """What only one person sees, oldest first."""
        self.opened = 0
        self._changed = threading.Condition()
        self._connections: list[ServerConnection] = []
        self._envelopes = itertools.count(1)
        self._sockets: Server = serve(self._serve, "127.0.0.1", 0, compression=None, close_timeout=1, logger=_quiet)
        self._accepting = threading.Thread(target=self._sockets.serve_forever, name="slack-sockets", daemon=True)

    def __enter__(self) -> Self:
        """Answer calls and connections from now on."""
        self._accepting.start()
        return super().__enter__()

    def __exit__(self, *_exc: object) -> None:
        """End every connection, and free the ports."""
        self.drop()
        self._sockets.shutdown()
        self._accepting.join()
        super().__exit__()

    @property
    def socket_url(self) -> str:
        """Where apps connect to."""
        return f"ws://127.0.0.1:{self._sockets.socket.getsockname()[1]}/link/?ticket=made-up&app_id=A0DEMO"

    def answer(self, method: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What Slack would answer; the methods of an app want its own token."""
        if method == "apps.connections.open":
            if token != self.app_token:
                return {"ok": False, "error": "not_allowed_token_type" if token == self.token else "invalid_auth"}
            return {"ok": True, "url": self.socket_url}
        if method == "chat.postEphemeral" and token == self.token:
            with self._changed:
                self.ephemeral.append(arguments)
                self._changed.notify_all()
            return {"ok": True, "message_ts": "1.1"}
        return super().answer(method, token, arguments)

    def press(
        self,
        message: SlackMessage,
        words: str,
        *,
        user: str = "U0ANA",
        name: str = "ana",
        value: str | None = None,
    ) -> dict[str, Any]:
        """A person presses the button that says this, on the message as it stands; the envelope that went out."""
        element = next(one for one in buttons(message) if one["text"]["text"] == words)
        return self.send(self.envelope(message, element, user=user, name=name, value=value))

    def envelope(
        self,
        message: SlackMessage,
        element: dict[str, Any],
        *,
        user: str = "U0ANA",
        name: str = "ana",
        value: Any = None,
    ) -> dict[str, Any]:
        """What Slack makes of a press; every one has its own time."""
        number = next(self._envelopes)
        action = {
            "type": "button",
            "action_id": element["action_id"],
            "block_id": "b",
            "text": element["text"],
            "value": element["value"] if value is None else value,
            "action_ts": f"{int(time.time())}.{number:06d}",
        }
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": name, "name": name, "team_id": "T0DEMO"},
            "api_app_id": "A0DEMO",
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "channel": {"id": message.channel, "name": "llm-status"},
            "actions": [action],
        }
        return {
            "envelope_id": f"envelope-{number}",
            "type": "interactive",
            "accepts_response_payload": False,
            "payload": payload,
        }

    def send(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """Deliver this to the newest connection, once there is one."""
        self.until(lambda: bool(self._connections), "nobody is connected")
        self._connections[-1].send(json.dumps(envelope))
        return envelope

    def say(self, text: str) -> None:
        """Whatever else may come over the newest connection."""
        self.until(lambda: bool(self._connections), "nobody is connected")
        self._connections[-1].send(text)

    def disconnect(self, reason: str) -> None:
        """Ask the app to connect anew, as Slack does every few hours."""
        self.say(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}))

    def drop(self) -> None:
        """End every connection without a word."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def acknowledged(self, envelope: dict[str, Any], times: int = 1) -> None:
        """Wait until the app has acknowledged it so often."""
        name = envelope["envelope_id"]
        self.until(lambda: self.acks.count(name) >= times, f"{name} is not acknowledged {times} times")

    def answered(self, count: int) -> str:
        """Wait until so many answers were given to people; the last one."""
        self.until(lambda: len(self.ephemeral) >= count, f"{len(self.ephemeral)} of {count} answers")
        return str(self.ephemeral[count - 1]["text"])

    def connected(self, times: int) -> None:
        """Wait until an app has connected so often."""
        self.until(lambda: self.opened >= times, f"connected {self.opened} times instead of {times}")

    def settled(self) -> None:
        """Wait until only the newest connection is left."""
        self.until(lambda: len(self._connections) == 1, "old connections are still there")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until it holds."""
        with self._changed:
            assert self._changed.wait_for(holds, _PATIENCE_S), what

    def _serve(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            if self.hello:
                connection.send(json.dumps({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A"}}))
            with self._changed:
                self._connections.append(connection)
                self.opened += 1
                self._changed.notify_all()
            for text in connection:
                with self._changed:
                    self.acks.append(json.loads(text)["envelope_id"])
                    self._changed.notify_all()
        with self._changed:
            if connection in self._connections:
                self._connections.remove(connection)
            self._changed.notify_all()


def buttons(message: SlackMessage) -> list[dict[str, Any]]:
    """The buttons of the message as it stands."""
    blocks = message.versions[-1].blocks
    return [element for block in blocks if block["type"] == "actions" for element in block["elements"]]


def labels(message: SlackMessage) -> list[str]:
    """What stands on them."""
    return [element["text"]["text"] for element in buttons(message)]
