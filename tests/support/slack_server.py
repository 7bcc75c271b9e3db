"""The demo's Slack with all that Slack checks, and with faults: what Slack would refuse, it refuses."""

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from controller.demo.fake_slack import FakeSlack, FakeSlackHandler, SlackMessage
from tests.support.slack_rules import blocks_of, content_fault, metadata_fault

#: What each method needs; where there are two, the kind of the channel decides, which this server does not tell apart.
_SCOPES: Final = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.list": "channels:read",
}
ALL_SCOPES: Final = frozenset({"chat:write", "chat:write.public", "channels:history", "channels:read"})


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
    LATE_REPLY = "late_reply"
    """The call is carried out, but no answer comes until the server stops or the caller gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one call."""

    kind: FaultKind
    code: str = "internal_error"
    retry_after_s: int = 1


class _Handler(FakeSlackHandler):
    server: "SlackServer"

    def respond(self, path: str, arguments: dict[str, Any]) -> None:
        """Every method of the Web API has the path `/api/<method>`; a webhook has one of its own."""
        webhook = path.startswith("/services/")
        method = "webhook" if webhook else path.rsplit("/", 1)[-1]
        fault = self.server.fault(method)
        if fault and fault.kind not in {FaultKind.LOST_REPLY, FaultKind.LATE_REPLY}:
            self._suffer(fault, plain=webhook)
            return
        status, answer = (
            self.server.webhook(path, arguments)
            if webhook
            else (200, self.server.answer(method, self.token, arguments))
        )
        if fault and fault.kind is FaultKind.LATE_REPLY:
            self.server.closing.wait()
        if fault:
            self._reset()
        elif isinstance(answer, dict) and "retry_after" in answer:
            self.reply(429, refusal("ratelimited"), retry_after_s=answer["retry_after"])
        else:
            self.reply(status, answer)

    def _suffer(self, fault: Fault, *, plain: bool) -> None:
        match fault.kind:
            case FaultKind.RATE_LIMITED:
                self.reply(429, refusal("ratelimited"), retry_after_s=fault.retry_after_s)
            case FaultKind.REFUSED if plain:
                self.reply(403, fault.code)
            case FaultKind.REFUSED:
                self.reply(200, refusal(fault.code))
            case FaultKind.SERVER_ERROR:
                self.reply(500, "<html>Something went wrong</html>")
            case FaultKind.HANG:
                self.server.closing.wait()
                self._reset()
            case _:
                self._reset()

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class SlackServer(FakeSlack):
    """Serves the methods of Slack that Hotspare calls, and an incoming webhook, on a free loopback port.

    Checks what Slack checks: the bearer token and its scopes, the channel (by name or id), that there is text or
    blocks, the limits of both, the shape of metadata, the rate in each channel, and that the message of an edit or a
    thread exists. Use as a context manager.
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
        super().__init__(_Handler)
        self.token = token
        self.ids = {name: "C0" + name.lstrip("#").upper().replace("-", "")[:9] for name in (channel, *others)}
        self.channel = channel
        self.channel_id = self.ids[channel]
        self.scopes = scopes
        self.not_in: set[str] = set()
        """Ids of channels that the bot is not in: it can post there, but not look."""
        self.closing = threading.Event()
        self.webhook_path = "/services/T0DEMO/B0DEMO/made-up-webhook"
        self._per_s = per_s
        self._posted_at: dict[str, float] = {}
        self._faults: deque[Fault] = deque()
        self._calls: list[str] = []

    def __exit__(self, *_exc: object) -> None:
        """End every connection, hanging ones included, and free the port. The messages can still be read."""
        self.closing.set()
        super().__exit__()

    @property
    def webhook_url(self) -> str:
        """What `alerts.slack.webhook_url` must be to post by webhook."""
        return f"{self.root}{self.webhook_path}"

    @property
    def messages(self) -> list[SlackMessage]:
        """Every message that stands in a channel, oldest first, with its edits; without the replies in threads."""
        return [message for message in self.everything if message.thread is None]

    def thread(self, ts: str) -> list[SlackMessage]:
        """The replies to a message, oldest first."""
        return [message for message in self.everything if message.thread == ts]

    @property
    def calls(self) -> list[str]:
        """The method of every call that came in, failed ones included."""
        with self._lock:
            return list(self._calls)

    def fail(self, *faults: Fault) -> None:
        """The next calls meet these faults, one each, after those already waiting."""
        with self._lock:
            self._faults.extend(faults)

    def recover(self) -> None:
        """No call meets a fault any more."""
        with self._lock:
            self._faults.clear()

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
            return refusal("invalid_auth" if token else "not_authed")
        if method == "auth.test":
            return super().answer(method, token, arguments)
        if method not in _SCOPES:
            return refusal("unknown_method")
        if _SCOPES[method] not in self.scopes:
            return refusal("missing_scope") | {"needed": _SCOPES[method], "provided": ",".join(sorted(self.scopes))}
        with self._lock:
            return self._carried_out(method, arguments)

    def webhook(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        """What an incoming webhook would answer: a status, and a word."""
        if path != self.webhook_path:
            return 404, "no_service"
        blocks = blocks_of(body.get("blocks"))
        if fault := content_fault(str(body.get("text") or ""), blocks):
            return 400, fault
        with self._lock:
            # A webhook knows no threads and no edits: whatever else is in the body is ignored.
            self.keep("", str(body.get("text") or ""), blocks or [], {})
        return 200, "ok"

    def _carried_out(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if method == "chat.postMessage":
            return self._post(arguments)
        if method == "chat.update":
            return self._update(arguments)
        if method == "conversations.list":
            listed = [{"id": known, "name": name.lstrip("#")} for name, known in self.ids.items()]
            return {"ok": True, "channels": listed, "response_metadata": {"next_cursor": ""}}
        return self._look(arguments, thread=method == "conversations.replies")

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        named = {**self.ids, **{name.lstrip("#"): known for name, known in self.ids.items()}}
        channel = named.get(str(arguments.get("channel")), str(arguments.get("channel")))
        if channel not in self.ids.values():
            return refusal("channel_not_found")
        if channel in self.not_in and "chat:write.public" not in self.scopes:
            return refusal("not_in_channel")
        thread = arguments.get("thread_ts")
        if thread is not None and not self._is_parent(str(thread), channel):
            return refusal("thread_not_found")
        text, blocks = str(arguments.get("text") or ""), blocks_of(arguments.get("blocks"))
        if fault := content_fault(text, blocks) or metadata_fault(arguments.get("metadata")):
            return refusal(fault)
        if wait_s := self._too_soon(channel):
            return refusal("ratelimited") | {"retry_after": wait_s}
        return self.keep(channel, text, blocks or [], arguments)

    def _is_parent(self, ts: str, channel: str) -> bool:
        parent = self._messages.get(ts)
        return parent is not None and parent.channel == channel and parent.thread is None

    def _too_soon(self, channel: str) -> int:
        """Seconds to wait where there were too many messages in this channel; else 0, and this one counts."""
        now = self.clock()
        if self._per_s and now - self._posted_at.get(channel, 0.0) < 1 / self._per_s:
            return 1
        self._posted_at[channel] = now
        return 0

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # Edits go by id: Slack does not take a channel's name here.
        channel, ts = str(arguments.get("channel")), str(arguments.get("ts"))
        if channel not in self.ids.values():
            return refusal("channel_not_found")
        text, blocks = str(arguments.get("text") or ""), blocks_of(arguments.get("blocks"))
        if fault := content_fault(text, blocks):
            return refusal(fault)
        known = self._messages.get(ts)
        if known is None or known.channel != channel:
            return refusal("message_not_found")
        return self.edit(ts, text, blocks or [])

    def _look(self, arguments: dict[str, Any], *, thread: bool) -> dict[str, Any]:
        channel = str(arguments.get("channel"))
        if channel not in self.ids.values():
            return refusal("channel_not_found")
        if channel in self.not_in:
            return refusal("not_in_channel")
        known = [message for message in self._messages.values() if message.channel == channel]
        if thread:
            parent = str(arguments.get("ts"))
            if parent not in self._messages:
                return refusal("thread_not_found")
            known = [message for message in known if parent in {message.ts, message.thread}]
        else:
            known = [
                message for message in reversed(known) if message.thread is None or message.post.get("reply_broadcast")
            ]
        oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
        return _page([message for message in known if oldest < float(message.ts) < latest], arguments)


def refusal(code: str) -> dict[str, Any]:
    """How Slack says no."""
    return {"ok": False, "error": code}


def _page(known: list[SlackMessage], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The messages from the cursor on, as many as were asked for."""
    first, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
    whole = str(arguments.get("include_all_metadata")).lower() in {"1", "true"}
    shown = [
        {"type": "message", "ts": message.ts, "text": message.versions[-1].text}
        | ({"thread_ts": message.thread} if message.thread else {})
        | ({"metadata": message.post["metadata"]} if whole and message.post.get("metadata") else {})
        for message in known[first : first + limit]
    ]
    more = first + limit < len(known)
    cursor = str(first + limit) if more else ""
    return {"ok": True, "messages": shown, "has_more": more, "response_metadata": {"next_cursor": cursor}}
