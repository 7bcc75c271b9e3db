"""Talks to Slack as a bot or by an incoming webhook; with its errors and the buttons, the only user of slack_sdk."""

import logging
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk import WebClient, WebhookClient
from slack_sdk.web import SlackResponse

from controller.alerts.alert import mask_secrets
from controller.alerts.channel import DeliveryError, LookupImpossibleError
from controller.alerts.delivery import Delivery, PlannedMessage, Receipt, from_payload, to_payload
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.errors import ABOUT_TOKEN, Refusal, as_delivery_errors, refusal_error
from monitor.config.alert_settings import SlackSettings
from monitor.config.settings import NetworkSettings
from monitor.storage.conversions import to_ms
from probes.target import Secret

TIMEOUT_S: Final = 10.0
#: What every message of ours carries, so that it can be found again.
EVENT_TYPE: Final = "hotspare_message"

#: Slack's clock and ours may differ so much.
_MARGIN: Final = timedelta(hours=2)
_PAGE: Final = 200
_MOST_PAGES: Final = 10


class SlackClient:
    """Posts and edits messages, and finds them again. Blocking; every call raises DeliveryError or succeeds.

    It never tries twice by itself: when to try again is the worker's business, and after a lost reply a blind second
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
        self._secrets = (slack.token, *secrets)
        self._channel = slack.channel
        self._ids: dict[str, str] = {}
        """Of the channels whose names are known, without the `#`."""
        self._client = WebClient(slack.token.reveal(), slack.api_url, **sdk_options(network, timeout_s))

    def post(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Post a new message, in a thread or not; says where it stands now."""
        stamp = {"key": planned.key, "begun": str(to_ms(begun_at))}
        payload = {**to_payload(planned.receipt), **stamp}
        more: dict[str, Any] = {"metadata": {"event_type": EVENT_TYPE, "event_payload": payload}}
        if planned.ts:
            more |= {"thread_ts": planned.ts, "reply_broadcast": planned.broadcast}
        more |= {"unfurl_links": False, "unfurl_media": False}
        response = self._call("chat.postMessage", {"channel": planned.channel, **self._content(planned), **more})
        channel = str(response["channel"])
        self._ids[planned.channel.removeprefix("#")] = channel
        return replace(planned.receipt, channel=channel, ts=str(response["ts"]))

    def update(self, planned: PlannedMessage) -> Receipt:
        """Edit a message in place."""
        self._call("chat.update", {"channel": planned.channel, "ts": planned.ts, **self._content(planned)})
        return replace(planned.receipt, channel=planned.channel, ts=planned.ts)

    def find(self, delivery: Delivery) -> Receipt | None:
        """The message that was posted with the key and the time of this delivery, if it was.

        The delivery names the channel as the configuration does, or by Slack's id. Raises LookupImpossibleError where
        Slack will not say.
        """
        try:
            channel = self._id_of(delivery.channel or self._channel)
            window = {"channel": channel, "include_all_metadata": True, "limit": _PAGE}
            window |= {"oldest": f"{(delivery.begun_at - _MARGIN).timestamp():.6f}"}
            window |= {"latest": f"{(delivery.begun_at + _MARGIN).timestamp():.6f}"}
            method = "conversations.replies" if delivery.ts else "conversations.history"
            pages = self._pages(method, window | ({"ts": delivery.ts} if delivery.ts else {}))
            matches = (_match(message, delivery, channel) for page in pages for message in page["messages"] or ())
            return next((receipt for receipt in matches if receipt), None)
        except DeliveryError as error:
            if error.permanent and error.code not in ABOUT_TOKEN:
                raise LookupImpossibleError(_cannot_look(error.code)) from None
            raise

    def _id_of(self, channel: str) -> str:
        """Slack's id of the channel, which alone it takes for looking."""
        if _is_id(channel):
            return channel
        name = channel.removeprefix("#")
        if name not in self._ids:
            wanted = {"types": "public_channel,private_channel", "exclude_archived": True, "limit": 1000}
            for page in self._pages("conversations.list", wanted):
                self._ids |= {str(channel["name"]): str(channel["id"]) for channel in page["channels"] or ()}
        if name not in self._ids:
            raise DeliveryError("Slack does not list the channel", code="channel_not_found", permanent=True)
        return self._ids[name]

    def _pages(self, method: str, arguments: Mapping[str, Any]) -> Iterator[SlackResponse]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = self._call(method, {**arguments, **({"cursor": cursor} if cursor else {})})
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def _content(self, planned: PlannedMessage) -> dict[str, Any]:
        # parse and link_names: what looks like a mention or an address in the text stays text.
        clean = clean_message(planned, self._secrets)
        return {"text": clean.text, "blocks": list(clean.blocks), "parse": "none", "link_names": False}

    def _call(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        # Methods that read take no JSON.
        reads = not method.startswith("chat.")
        with as_delivery_errors():
            return self._client.api_call(
                method, params=dict(arguments) if reads else None, json=None if reads else dict(arguments)
            )


class SlackWebhookClient:
    """Posts messages; the same promises as `SlackClient`, but a message cannot be edited, threaded or found again."""

    def __init__(
        self,
        url: Secret,
        *,
        network: NetworkSettings | None = None,
        secrets: Iterable[Secret] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._secrets = (url, *secrets)
        self._client = WebhookClient(url.reveal(), **sdk_options(network, timeout_s))

    def post(self, planned: PlannedMessage, _begun_at: datetime) -> Receipt:
        """Post its message, and nothing else of it; a webhook does not say where it stands."""
        clean = clean_message(planned, self._secrets)
        body = {"text": clean.text, "blocks": list(clean.blocks), "unfurl_links": False, "unfurl_media": False}
        with as_delivery_errors():
            answer = self._client.send_dict(body)
        text = answer.body.strip()
        if answer.status_code != 200 or text != "ok":
            raise refusal_error(text, answer.status_code, answer.headers, Refusal.WEBHOOK)
        return planned.receipt

    def update(self, planned: PlannedMessage) -> Receipt:
        """Impossible: nothing is planned to be edited."""
        raise NotImplementedError(f"a webhook cannot edit {planned.key}")

    def find(self, _delivery: Delivery) -> Receipt | None:
        """Nobody can know; the message is sent again."""
        return None


def sdk_options(network: NetworkSettings | None, timeout_s: float) -> dict[str, Any]:
    """The arguments that every client of slack_sdk is made with: it retries nothing by itself, and logs nothing.

    Its errors reach the log through ours; below that it would log whole messages.
    """
    silent = logging.getLogger(f"{__name__}.sdk")
    silent.setLevel(logging.CRITICAL)
    network = network or NetworkSettings()
    tls = ssl.create_default_context(cafile=str(network.ca_bundle)) if network.ca_bundle else None
    return {"timeout": timeout_s, "ssl": tls, "proxy": network.proxy, "retry_handlers": [], "logger": silent}


def clean_message(planned: PlannedMessage, secrets: Iterable[Secret]) -> Message:
    """The message that was planned, put together now, without any of these secrets."""
    if planned.message is None:
        raise ValueError(f"{planned.key} holds no message")
    message, hidden = planned.message(), tuple(secrets)
    return Message(text=mask_secrets(message.text, hidden), blocks=_masked(message.blocks, hidden))


def _masked(part: Any, secrets: tuple[Secret, ...]) -> Any:
    if isinstance(part, str):
        return mask_secrets(part, secrets)
    if isinstance(part, dict):
        return {key: _masked(value, secrets) for key, value in part.items()}
    return type(part)(_masked(item, secrets) for item in part) if isinstance(part, list | tuple) else part


def _is_id(channel: str) -> bool:
    return channel[:1] in {"C", "G", "D"} and channel.isalnum() and channel == channel.upper()


def _match(message: Mapping[str, Any], delivery: Delivery, channel: str) -> Receipt | None:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    same = (payload.get("key"), payload.get("begun")) == (delivery.key, str(to_ms(delivery.begun_at)))
    if metadata.get("event_type") != EVENT_TYPE or not same:
        return None
    return replace(from_payload(payload), channel=channel, ts=str(message["ts"]))


def _cannot_look(code: str) -> str:
    return (
        f"Slack does not let the bot look for its own messages ({code}): after a crash or a lost reply one may come"
        " twice; give the bot the scopes channels:history and channels:read (groups:history and groups:read for a"
        " private channel) and invite it to the channel"
    )
