"""A local server that behaves like Slack's Web API, so that real `slack_sdk` calls have somewhere to go."""

import itertools
import json
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_MAX_BLOCKS = 50
_MAX_SECTION = 3_000
_MAX_HEADER = 150
_MAX_TEXT = 40_000
# Not in Slack's documentation; users saw 9,597 characters pass and 11,341 fail.
_MAX_ALL_BLOCKS = 10_000
_MAX_BODY = 1 << 20


class FaultKind(StrEnum):
    """What can go wrong with a call."""

    RATE_LIMITED = "rate_limited"
    """HTTP 429 with Retry-After."""
    SERVER_ERROR = "server_error"
    """HTTP 500 with a page instead of JSON."""
    REFUSED = "refused"
    """`ok: false` with `code`."""
    RESET = "reset"
    """The connection is reset before the call is looked at."""
    HANG = "hang"
    """No answer until the server stops or the caller gives up."""
    LOST_REPLY = "lost_reply"
    """The call is carried out, but the connection breaks before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One call's misfortune."""

    kind: FaultKind
    code: str = "internal_error"
    retry_after_s: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a message said at one time."""

    text: str
    blocks: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """A message and its edits."""

    channel: str
    """The channel's id."""
    ts: str
    versions: tuple[Version, ...]
    """The first as posted, the last as it stands."""


class Workspace:
    """What the server knows and how it answers, without the network; safe from several threads."""

    def __init__(self, *, token: str, channel: str) -> None:
        self.token = token
        self.channel = channel
        self.channel_id = "C0" + channel.lstrip("#").upper().replace("-", "")[:9]
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._messages: dict[str, list[Version]] = {}
        self._numbers = itertools.count(1)
        self._faults: deque[Fault] = deque()
        self._calls: list[str] = []

    @property
    def messages(self) -> list[SlackMessage]:
        """Every message that stands, oldest first, with its edits."""
        with self._lock:
            return [
                SlackMessage(channel=self.channel_id, ts=ts, versions=tuple(versions))
                for ts, versions in self._messages.items()
            ]

    @property
    def calls(self) -> list[str]:
        """The method of every call that came in, failed ones included."""
        with self._lock:
            return list(self._calls)

    def fail(self, *faults: Fault) -> None:
        """The next calls meet these faults, one each, after those already waiting."""
        with self._lock:
            self._faults.extend(faults)

    def delete(self, ts: str) -> None:
        """As when a person deletes a message; KeyError when there is none."""
        with self._lock:
            del self._messages[ts]

    def fault(self, method: str) -> Fault | None:
        """What befalls this call, which counts as having come in."""
        with self._lock:
            self._calls.append(method)
            return self._faults.popleft() if self._faults else None

    def answer(self, method: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What Slack would answer; carries the call out."""
        if token != self.token:
            return _refusal("invalid_auth" if token else "not_authed")
        if method == "auth.test":
            return {"ok": True, "team": "Demo", "user": "hotspare", "team_id": "T0DEMO", "user_id": "U0DEMO"}
        if method == "chat.postMessage":
            return self._chat(arguments, ts=None, channels={self.channel, self.channel.lstrip("#"), self.channel_id})
        if method == "chat.update":
            # Edits go by id: Slack does not take a channel's name here.
            return self._chat(arguments, ts=str(arguments.get("ts")), channels={self.channel_id})
        return _refusal("unknown_method")

    def _chat(self, arguments: dict[str, Any], *, ts: str | None, channels: set[str]) -> dict[str, Any]:
        if arguments.get("channel") not in channels:
            return _refusal("channel_not_found")
        text, blocks = str(arguments.get("text") or ""), _blocks(arguments.get("blocks"))
        if fault := _content_fault(text, blocks):
            return _refusal(fault)
        with self._lock:
            if ts is None:
                ts = f"{int(time.time())}.{next(self._numbers):06d}"
                self._messages[ts] = []
            elif ts not in self._messages:
                return _refusal("message_not_found")
            self._messages[ts].append(Version(text=text, blocks=tuple(blocks or ())))
        return {"ok": True, "channel": self.channel_id, "ts": ts, "message": {"text": text, "ts": ts}}


class SlackServer(Workspace):
    """Serves `auth.test`, `chat.postMessage` and `chat.update` on a free loopback port.

    Checks what Slack checks: the bearer token, the channel (by name or id), that there is text or blocks, the limits
    of both, and on an edit that the message exists. Use as a context manager, or `start()` and `stop()`.
    """

    def __init__(self, *, token: str = "xoxb-demo", channel: str = "#llm-status") -> None:  # noqa: S107 - made up
        super().__init__(token=token, channel=channel)
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
        return f"http://127.0.0.1:{self._http.server_address[1]}/api/"


def _refusal(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}


def _blocks(given: object) -> list[dict[str, Any]] | None:
    """The blocks of a JSON or form body; None when they are not a list of objects."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return None
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(block, dict) for block in given):
        return None
    return given


def _content_fault(text: str, blocks: list[dict[str, Any]] | None) -> str | None:
    if blocks is None:
        return "invalid_blocks_format"
    if not text and not blocks:
        return "no_text"
    if len(text) > _MAX_TEXT:
        return "msg_too_long"
    if len(blocks) > _MAX_BLOCKS or not all(_is_valid(block) for block in blocks):
        return "invalid_blocks"
    if len(json.dumps(blocks, ensure_ascii=False)) > _MAX_ALL_BLOCKS:
        return "msg_blocks_too_long"
    return None


def _is_valid(block: dict[str, Any]) -> bool:
    match block:
        case {"type": "header", "text": {"type": "plain_text", "text": str(text)}}:
            return 0 < len(text) <= _MAX_HEADER
        case {"type": "section", "text": {"type": "plain_text" | "mrkdwn", "text": str(text)}}:
            return 0 < len(text) <= _MAX_SECTION
        case {"type": "context", "elements": [_, *_] as elements}:
            return len(elements) <= 10 and all(0 < len(e.get("text", "")) <= _MAX_SECTION for e in elements)
        case {"type": "divider"}:
            return True
        case _:
            return False


class _Handler(BaseHTTPRequestHandler):
    workspace: Workspace
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        """Every method of the Web API is a POST to `/api/<method>`."""
        method = urlsplit(self.path).path.rsplit("/", 1)[-1]
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        fault = self.workspace.fault(method)
        if fault is None:
            self._reply(200, self.workspace.answer(method, token, self._arguments(body)))
        elif fault.kind is FaultKind.LOST_REPLY:
            self.workspace.answer(method, token, self._arguments(body))
            self._reset()
        else:
            self._suffer(fault)

    def _suffer(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.RATE_LIMITED:
                self._reply(429, _refusal("ratelimited"), retry_after_s=fault.retry_after_s)
            case FaultKind.REFUSED:
                self._reply(200, _refusal(fault.code))
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
        return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}

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

    def finish(self) -> None:
        """A connection that was reset, or that the caller has left, has nothing to flush."""
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing: the demo narrates, and tests look at `calls`."""
