"""A server on loopback that takes messages and edits as Slack's Web API does, and keeps them in memory."""

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The content of a message at one time."""

    text: str
    blocks: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """A message and its edits."""

    channel: str
    ts: str
    versions: tuple[Version, ...]
    """The first as posted, the last as it is now."""
    post: Mapping[str, Any]
    """The arguments that it was posted with."""

    @property
    def thread(self) -> str | None:
        """The ts of the message that it replies to."""
        return self.post.get("thread_ts")


class FakeSlackHandler(BaseHTTPRequestHandler):
    """Answers a POST to `/api/<method>` with what the server's `answer` returns."""

    server: "FakeSlack"

    def do_POST(self) -> None:
        """Answer one request."""
        self.respond(urlsplit(self.path).path, self.arguments())

    def respond(self, path: str, arguments: dict[str, Any]) -> None:
        """Carry out a method of the Web API and send the answer."""
        self.reply(200, self.server.answer(path.rsplit("/", 1)[-1], self.token, arguments))

    @property
    def token(self) -> str:
        """The bearer token of the request."""
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def arguments(self) -> dict[str, Any]:
        """Read the arguments: a JSON object, a form, or the query."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        if "json" in self.headers.get("Content-Type", ""):
            try:
                given = json.loads(body)
            except ValueError:
                return {}
            return given if isinstance(given, dict) else {}
        query = urlsplit(self.path).query or body.decode("utf-8", "replace")
        return {name: values[-1] for name, values in parse_qs(query).items()}

    def reply(self, status: int, content: dict[str, Any] | str, *, retry_after_s: int | None = None) -> None:
        """Send JSON, or a text as HTML."""
        kind, text = ("text/html", content) if isinstance(content, str) else ("application/json", json.dumps(content))
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(text.encode())))
        if retry_after_s is not None:
            self.send_header("Retry-After", str(retry_after_s))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing: the demo narrates."""


class FakeSlack(ThreadingHTTPServer):
    """Keeps every message that is posted and edited through `auth.test`, `chat.postMessage` and `chat.update`.

    A context manager that answers calls inside it; safe from several threads.
    """

    daemon_threads = False  # stopping waits for the calls in progress

    def __init__(self, handler: type[FakeSlackHandler] = FakeSlackHandler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.clock: Callable[[], float] = time.time
        """Epoch seconds."""
        self._lock = threading.RLock()
        self._messages: dict[str, SlackMessage] = {}
        self._numbers = itertools.count(1)
        serve = partial(self.serve_forever, poll_interval=0.05)
        self._thread = threading.Thread(target=serve, name="slack-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Free the port. The messages can still be read."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing where the caller has left, or was killed: it gets no answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def root(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The value of `alerts.slack.api_url`."""
        return f"{self.root}/api/"

    @property
    def everything(self) -> list[SlackMessage]:
        """Every message and every reply, oldest first."""
        with self._lock:
            return list(self._messages.values())

    def answer(self, method: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - for servers that check it
        """Carry out a method and return Slack's answer."""
        text, blocks = str(arguments.get("text") or ""), arguments.get("blocks") or []
        with self._lock:
            match method:
                case "auth.test":
                    return {"ok": True, "team": "Demo", "user": "hotspare", "team_id": "T0DEMO", "user_id": "U0DEMO"}
                case "chat.postMessage":
                    return self.keep(str(arguments.get("channel")), text, blocks, arguments)
                case "chat.update" if arguments.get("ts") in self._messages:
                    return self.edit(str(arguments["ts"]), text, blocks)
                case _:
                    return {"ok": False, "error": "unknown_method"}

    def keep(
        self, channel: str, text: str, blocks: list[dict[str, Any]], arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Keep a new message and return the answer to its post."""
        ts = f"{int(self.clock())}.{next(self._numbers):06d}"
        versions = (Version(text=text, blocks=tuple(blocks)),)
        self._messages[ts] = SlackMessage(channel=channel, ts=ts, versions=versions, post=arguments)
        return {"ok": True, "channel": channel, "ts": ts, "message": {"text": text, "ts": ts}}

    def edit(self, ts: str, text: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """Add a version to a message and return the answer to its update."""
        message = self._messages[ts]
        version = Version(text=text, blocks=tuple(blocks))
        self._messages[ts] = replace(message, versions=(*message.versions, version))
        return {"ok": True, "channel": message.channel, "ts": ts, "text": text}
