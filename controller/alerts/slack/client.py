"""Delivers messages to Slack; with its errors and the webhook, the only place that knows slack_sdk."""

import logging
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.web import SlackResponse

from controller.alerts.slack.blocks import Message
from controller.alerts.slack.errors import ABOUT_TOKEN, DeliveryError, LookupImpossibleError, translated
from monitor.settings import NetworkSettings, SlackSettings
from monitor.storage.columns import to_ms
from probes.redaction import MASK
from probes.target import Secret

TIMEOUT_S: Final = 10.0
#: What every message of ours carries, so that it can be found again.
EVENT_TYPE: Final = "hotspare_message"

#: Slack's clock and ours may differ so much.
_MARGIN: Final = timedelta(hours=2)
_PAGE: Final = 200
_MOST_PAGES: Final = 10
_SHORTEST_SECRET: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedMessage:
    """Where a message stands."""

    channel: str
    """Slack's id of the channel, which edits need; not its name."""
    ts: str
    """Slack's id of the message in that channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessage:
    """A message that had been posted, and what it carries."""

    posted: PostedMessage
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingId:
    """What tells one sending of a message from every other."""

    key: str
    begun_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message on its way."""

    channel: str
    """As the configuration names it, or Slack's own name."""
    message: Message
    stamp: SendingId
    thread: str | None = None
    """The ts of the message in whose thread it goes; None: in the channel."""
    broadcast: bool = False
    """A reply in a thread that is shown in the channel too."""
    payload: Mapping[str, str] = field(default_factory=dict)
    """What travels with the message besides the stamp, unseen."""


class SlackSender:
    """Posts and edits messages, and finds them again. Blocking; every call raises DeliveryError or succeeds.

    It never tries twice by itself: when to try again is the outbox's business, and after a lost reply a blind second
    try would post a second message. Each wait for the network is bounded by `timeout_s`. None of `secrets` leaves here.
    """

    def __init__(
        self,
        slack: SlackSettings,
        *,
        network: NetworkSettings | None = None,
        secrets: Iterable[Secret] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        network = network or NetworkSettings()
        self._secrets = (slack.token, *secrets)
        self._ids: dict[str, str] = {}
        """Of the channels whose names are known, without the `#`."""
        self._client = WebClient(
            token=slack.token.reveal(),
            base_url=slack.api_url,
            timeout=timeout_s,  # type: ignore[arg-type]  # declared int, handed to the socket, which takes floats
            ssl=ssl.create_default_context(cafile=str(network.ca_bundle)) if network.ca_bundle else None,
            proxy=network.proxy,
            retry_handlers=[],
            logger=quiet_logger(),
        )

    def post(self, sending: OutgoingMessage) -> PostedMessage:
        """Post a new message, in a thread or not; says where it stands now."""
        stamp = {"key": sending.stamp.key, "begun": str(to_ms(sending.stamp.begun_at))}
        more: dict[str, Any] = {"metadata": {"event_type": EVENT_TYPE, "event_payload": {**sending.payload, **stamp}}}
        if sending.thread:
            more |= {"thread_ts": sending.thread, "reply_broadcast": sending.broadcast}
        quiet = {"unfurl_links": False, "unfurl_media": False}
        said = {"channel": sending.channel, **self._words(sending.message), **more, **quiet}
        response = self._call("chat.postMessage", said)
        posted = PostedMessage(channel=str(response["channel"]), ts=str(response["ts"]))
        self._ids[sending.channel.removeprefix("#")] = posted.channel
        return posted

    def update(self, posted: PostedMessage, message: Message) -> None:
        """Edit a message in place."""
        self._call("chat.update", {"channel": posted.channel, "ts": posted.ts, **self._words(message)})

    def find(self, channel: str, stamp: SendingId, *, thread: str | None = None) -> FoundMessage | None:
        """The message that was posted with this stamp, if it was; `channel` as in the configuration, or Slack's own.

        Raises LookupImpossibleError where Slack will not say.
        """
        try:
            where = self._id_of(channel)
            window = {"channel": where, "include_all_metadata": True, "limit": _PAGE}
            window |= {"oldest": f"{(stamp.begun_at - _MARGIN).timestamp():.6f}"}
            window |= {"latest": f"{(stamp.begun_at + _MARGIN).timestamp():.6f}"}
            method = "conversations.replies" if thread else "conversations.history"
            pages = self._pages(method, window | ({"ts": thread} if thread else {}))
            matches = (_match(one, stamp, where) for page in pages for one in page["messages"] or ())
            return next((found for found in matches if found), None)
        except DeliveryError as error:
            if error.permanent and error.code not in ABOUT_TOKEN:
                raise LookupImpossibleError(_cannot_look(error.code)) from None
            raise

    def _id_of(self, channel: str) -> str:
        """Slack's name for the channel, which alone it takes for looking."""
        if _is_id(channel):
            return channel
        name = channel.removeprefix("#")
        if name not in self._ids:
            wanted = {"types": "public_channel,private_channel", "exclude_archived": True, "limit": 1000}
            for page in self._pages("conversations.list", wanted):
                self._ids |= {str(one["name"]): str(one["id"]) for one in page["channels"] or ()}
        found = self._ids.get(name)
        if found is None:
            raise DeliveryError("Slack does not list the channel", code="channel_not_found", permanent=True)
        return found

    def _pages(self, method: str, arguments: Mapping[str, Any]) -> Iterator[SlackResponse]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = self._call(method, {**arguments, **({"cursor": cursor} if cursor else {})})
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def _words(self, message: Message) -> dict[str, Any]:
        # parse and link_names: what looks like a mention or an address in the text stays text.
        clean = without(message, self._secrets)
        return {"text": clean.text, "blocks": list(clean.blocks), "parse": "none", "link_names": False}

    def _call(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        try:
            # Methods that read take no JSON.
            if method.startswith("chat."):
                return self._client.api_call(method, json=dict(arguments))
            return self._client.api_call(method, params=dict(arguments))
        except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
            # Without the cause: it may quote the request, and that holds the token.
            raise translated(error) from None


def quiet_logger() -> logging.Logger:
    """For Slack's library: its errors reach the log through DeliveryError; below that it would log whole messages."""
    quiet = logging.getLogger(f"{__name__}.sdk")
    quiet.setLevel(logging.CRITICAL)
    return quiet


def without(message: Message, secrets: Iterable[Secret]) -> Message:
    """The message without any of these."""
    hidden = [secret.reveal() for secret in secrets if len(secret.reveal()) >= _SHORTEST_SECRET]
    return replace(
        message, text=_masked(message.text, hidden), blocks=tuple(_masked(b, hidden) for b in message.blocks)
    )


def _masked(part: Any, hidden: Iterable[str]) -> Any:
    if isinstance(part, str):
        for secret in hidden:
            part = part.replace(secret, MASK)
        return part
    if isinstance(part, dict):
        return {key: _masked(value, hidden) for key, value in part.items()}
    return [_masked(one, hidden) for one in part] if isinstance(part, list) else part


def _is_id(channel: str) -> bool:
    return channel[:1] in {"C", "G", "D"} and channel.isalnum() and channel == channel.upper()


def _match(message: Mapping[str, Any], stamp: SendingId, channel: str) -> FoundMessage | None:
    carried = message.get("metadata") or {}
    payload = carried.get("event_payload") or {}
    same = (payload.get("key"), payload.get("begun")) == (stamp.key, str(to_ms(stamp.begun_at)))
    if carried.get("event_type") != EVENT_TYPE or not same:
        return None
    return FoundMessage(posted=PostedMessage(channel=channel, ts=str(message["ts"])), payload=payload)


def _cannot_look(code: str) -> str:
    return (
        f"Slack does not let the bot look for its own messages ({code}): after a crash or a lost reply one may come"
        " twice; give the bot the scopes channels:history and channels:read (groups:history and groups:read for a"
        " private channel) and invite it to the channel"
    )
