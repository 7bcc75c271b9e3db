"""Talks to Slack as a bot or by an incoming webhook; with its errors and the buttons, the only user of slack_sdk."""

import logging
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from slack_sdk import WebClient, WebhookClient
from slack_sdk.web import SlackResponse

from controller.alerts.alert import mask_secrets
from controller.alerts.channel import DeliveryError, LookupImpossibleError
from controller.alerts.delivery import Delivery, PlannedMessage, Receipt, from_payload, to_payload
from controller.alerts.slack.errors import ABOUT_TOKEN, Refusal, as_delivery_errors, refusal_error
from monitor.config.alert_settings import SlackSettings
from monitor.config.settings import NetworkSettings
from monitor.storage.conversions import to_ms
from probes.target import Secret

#: What every message of ours carries, so that it can be found again.
_EVENT_TYPE: Final = "hotspare_message"
#: Slack's clock and ours may differ so much.
_MARGIN: Final = timedelta(hours=2)
_MOST_PAGES: Final = 10
_CANNOT_LOOK: Final = (
    "Slack does not let the bot look for its own messages ({}): after a crash or a lost reply one may come"
    " twice; give the bot the scopes channels:history and channels:read (groups:history and groups:read for a"
    " private channel) and invite it to the channel"
)


class SlackClient:
    """Posts messages as a bot, edits them and finds them again; by an incoming webhook, it posts them and no more.

    Blocking; every call raises DeliveryError or succeeds. It never tries twice by itself: when to try again is the
    worker's business, and after a lost reply a blind second try would post a second message. Each wait for the network
    is bounded by `timeout_s`. None of `secrets` leaves here.
    """

    def __init__(
        self,
        slack: SlackSettings,
        *,
        network: NetworkSettings | None = None,
        secrets: Iterable[Secret] = (),
        timeout_s: float = 10.0,
    ) -> None:
        options, url = sdk_options(network, timeout_s), slack.webhook_url
        self._secrets = (slack.token, *([url] if url else []), *secrets)
        self._channel = slack.channel
        self._ids: dict[str, str] = {}
        """Of the channels whose names are known, without the `#`."""
        self._bot = WebClient(slack.token.reveal(), slack.api_url, **options)
        self._webhook = WebhookClient(url.reveal(), **options) if url else None

    def post(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Post a new message, in a thread or not; says where it stands now, which a webhook does not know."""
        message = {**self._content(planned), "unfurl_links": False, "unfurl_media": False}
        if self._webhook:
            return self._post_by_webhook(self._webhook, planned, message)
        stamp = {"key": planned.key, "begun": str(to_ms(begun_at))}
        payload = {**to_payload(planned.receipt), **stamp}
        message |= {"metadata": {"event_type": _EVENT_TYPE, "event_payload": payload}}
        if planned.ts:
            message |= {"thread_ts": planned.ts, "reply_broadcast": planned.broadcast}
        response = self._write("chat.postMessage", planned.channel, message)
        channel = str(response["channel"])
        self._ids[planned.channel.removeprefix("#")] = channel
        return replace(planned.receipt, channel=channel, ts=str(response["ts"]))

    def _post_by_webhook(self, webhook: WebhookClient, planned: PlannedMessage, message: dict[str, Any]) -> Receipt:
        with as_delivery_errors():
            answer = webhook.send_dict(message)
        text = answer.body.strip()
        if answer.status_code != 200 or text != "ok":
            raise refusal_error(text, answer.status_code, answer.headers, Refusal.WEBHOOK)
        return planned.receipt

    def update(self, planned: PlannedMessage) -> Receipt:
        """Edit a message in place."""
        self._write("chat.update", planned.channel, {"ts": planned.ts, **self._content(planned)})
        return replace(planned.receipt, channel=planned.channel, ts=planned.ts)

    def find(self, delivery: Delivery) -> Receipt | None:
        """The message that was posted with the key and the time of this delivery, if it was; None by a webhook.

        The delivery names the channel as the configuration does, or by Slack's id. Raises LookupImpossibleError where
        Slack will not say.
        """
        if self._webhook:
            return None
        try:
            with as_delivery_errors():
                channel = self._id_of(delivery.channel or self._channel)
                window = {"channel": channel, "include_all_metadata": True, "limit": 200}
                window |= {"oldest": f"{(delivery.begun_at - _MARGIN).timestamp():.6f}"}
                window |= {"latest": f"{(delivery.begun_at + _MARGIN).timestamp():.6f}"}
                method = "conversations.replies" if delivery.ts else "conversations.history"
                pages = self._pages(method, window | ({"ts": delivery.ts} if delivery.ts else {}))
                matches = (_match(message, delivery, channel) for page in pages for message in page["messages"] or ())
                return next(filter(None, matches), None)
        except DeliveryError as error:
            if error.permanent and error.code not in ABOUT_TOKEN:
                raise LookupImpossibleError(_CANNOT_LOOK.format(error.code)) from None
            raise

    def _id_of(self, channel: str) -> str:
        """Slack's id of the channel, which alone it takes for looking."""
        if channel[:1] in {"C", "G", "D"} and channel.isalnum() and channel == channel.upper():
            return channel
        name = channel.removeprefix("#")
        if name not in self._ids:
            wanted = {"types": "public_channel,private_channel", "exclude_archived": True, "limit": 1000}
            for page in self._pages("conversations.list", wanted):
                self._ids |= {str(channel["name"]): str(channel["id"]) for channel in page["channels"] or ()}
        if name not in self._ids:
            raise DeliveryError("Slack does not list the channel", code="channel_not_found", permanent=True)
        return self._ids[name]

    def _pages(self, method: str, arguments: dict[str, Any]) -> Iterator[SlackResponse]:
        # An answer yields itself, then what Slack's cursor leads to. Methods that read take no JSON.
        return islice(self._bot.api_call(method, params=arguments), _MOST_PAGES)

    def _write(self, method: str, channel: str, message: dict[str, Any]) -> SlackResponse:
        # parse and link_names: what looks like a mention or an address in the text stays text.
        with as_delivery_errors():
            return self._bot.api_call(
                method, json={"channel": channel, **message, "parse": "none", "link_names": False}
            )

    def _content(self, planned: PlannedMessage) -> dict[str, Any]:
        """The message that was planned, put together now, without any of our secrets."""
        if planned.message is None:
            raise ValueError(f"{planned.key} holds no message")
        message = planned.message()
        return {"text": _masked(message.text, self._secrets), "blocks": _masked(list(message.blocks), self._secrets)}


def sdk_options(network: NetworkSettings | None, timeout_s: float) -> dict[str, Any]:
    """The arguments that every client of slack_sdk is made with: it retries nothing by itself, and logs nothing.

    Its errors reach the log through ours; below that it would log whole messages.
    """
    silent = logging.getLogger(f"{__name__}.sdk")
    silent.setLevel(logging.CRITICAL)
    network = network or NetworkSettings()
    tls = ssl.create_default_context(cafile=str(network.ca_bundle)) if network.ca_bundle else None
    return {"timeout": timeout_s, "ssl": tls, "proxy": network.proxy, "retry_handlers": [], "logger": silent}


def _masked(part: Any, secrets: tuple[Secret, ...]) -> Any:
    if isinstance(part, str):
        return mask_secrets(part, secrets)
    if isinstance(part, dict):
        return {key: _masked(value, secrets) for key, value in part.items()}
    return type(part)(_masked(item, secrets) for item in part) if isinstance(part, list | tuple) else part


def _match(message: Mapping[str, Any], delivery: Delivery, channel: str) -> Receipt | None:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    same = (payload.get("key"), payload.get("begun")) == (delivery.key, str(to_ms(delivery.begun_at)))
    if metadata.get("event_type") != _EVENT_TYPE or not same:
        return None
    return replace(from_payload(payload), channel=channel, ts=str(message["ts"]))
