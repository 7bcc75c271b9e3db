"""Slack as a channel of alerts: by a bot, whose messages are edited and found again, or by an incoming webhook.

With its errors and the buttons, the only user of slack_sdk.
"""

import logging
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

from slack_sdk import WebhookClient
from slack_sdk.web import SlackResponse

from controller.alerts.alert import Alert, mask_secrets
from controller.alerts.channel import (
    AlertChannel,
    ChannelContext,
    DeliveryError,
    DeliveryLogEvents,
    LookupImpossibleError,
    RunInThread,
)
from controller.alerts.delivery import (
    Action,
    Delivery,
    DeliveryKind,
    PlannedMessage,
    Receipt,
    from_payload,
    to_payload,
)
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.owners import NO_OWNERS, Owners, owners_of
from controller.alerts.slack.blocks import Message, footer, header, safe, section
from controller.alerts.slack.bounded_http import BoundedWebClient, BoundedWebhookClient
from controller.alerts.slack.errors import ABOUT_TOKEN, SlackRefusal, as_delivery_errors, refusal_error
from controller.alerts.slack.planner import plan_messages
from controller.alerts.slack.planning_input import SINK, PlanningInput
from controller.alerts.slack.reach import reach_bot, reach_webhook
from controller.alerts.slack.webhook_planner import plan_webhook_messages
from monitor.config.alert_settings import Severity, SlackSettings
from monitor.config.route import Route
from monitor.config.settings import NetworkSettings
from monitor.storage.column_conversions import to_ms
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


class SlackChannel(AlertChannel):
    """Incidents as messages with threads, notices, calls for a person, reminders; by a webhook, messages alone.

    It never tries twice by itself: when to try again is the worker's business, and after a lost reply a blind second
    try would post a second message. Each call takes `timeout_s` at the most. None of `secrets` leaves here.
    """

    name = SINK
    resends = False
    permanent_retry_s = 60.0
    log = DeliveryLogEvents(
        taken="slack_told", refused="slack_not_told", unread="outbox_not_read", crashed="outbox_failed"
    )

    def __init__(
        self,
        slack: SlackSettings,
        *,
        in_thread: RunInThread,
        network: NetworkSettings | None = None,
        secrets: Iterable[Secret] = (),
        owners: Owners = NO_OWNERS,
        button_routes: Callable[[], Sequence[Route] | None] = lambda: None,
        timeout_s: float = 5.0,
        epoch: int = 0,
    ) -> None:
        self._epoch = {"epoch": str(epoch)} if epoch else {}
        self._epoch_shown = (footer(f"epoch {epoch}"),) if epoch else ()
        """A webhook takes no metadata."""
        options, url = sdk_options(network, timeout_s), slack.webhook_url
        self._slack = slack
        self._network, self._timeout_s = network or NetworkSettings(), timeout_s
        self._in_thread = in_thread
        self._secrets = (slack.token, *([url] if url else []), *secrets)
        self._owners, self._button_routes = owners, button_routes
        self._bot = BoundedWebClient(slack.token.reveal(), slack.api_url, **options)
        self._webhook = BoundedWebhookClient(url.reveal(), **options) if url else None
        self._ids: dict[str, str] = {}
        """Of the channels whose names are known, without the `#`."""
        self._shown: dict[str, str] = {}
        """What each message shows that was posted or edited here, by its ts."""

    def plan(self, store: DeliveryStore, now: datetime, waiting: Collection[str]) -> Sequence[PlannedMessage]:  # noqa: ARG002 - what failed keeps its place among those that the bound for a storm lets through
        """What there is to tell compared with what was told."""
        inputs = PlanningInput(
            snapshot=store.snapshot(now),
            slack=self._slack,
            now=now,
            shown=self._shown,
            owners=self._owners,
            routes=self._button_routes(),
        )
        return plan_webhook_messages(inputs) if self._slack.webhook_url else plan_messages(inputs)

    async def deliver(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Post it, in a thread or not, or edit it; says where it stands now, which a webhook does not know."""
        receipt = await self._in_thread(partial(self._send, planned, begun_at))
        if planned.shows and receipt.ts:
            self._shown[receipt.ts] = planned.shows
        return receipt

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Look in the channel, or in the thread, where it was to go; None by a webhook.

        The delivery names the channel as the configuration does, or by Slack's id.
        """
        return None if self._webhook else await self._in_thread(partial(self._find, delivery))

    async def reach(self) -> str:
        """Who Slack says we are, or that it knows the webhook; raises DeliveryError."""
        reached = reach_webhook if self._webhook else reach_bot
        return await reached(self._slack, self._network, timeout_s=self._timeout_s)

    def failing_part(self, error: DeliveryError, planned: PlannedMessage | None) -> str | None:
        """One of Slack's channels where only that fails; a message that is refused is no failure of Slack's."""
        if error.one_message:
            return None
        return f"channel {planned.channel}" if planned and planned.channel and error.one_place else ""

    def tests(self, alert: Alert) -> Iterator[tuple[str, str, PlannedMessage]]:
        """One in every channel of the configuration, with the severities that go there."""
        message = Message(text=safe(alert.headline), blocks=(header(alert.headline), section([safe(alert.text)])))
        channels: dict[str, list[str]] = {}
        for severity in Severity:
            channels.setdefault(self._slack.channel_of(severity), []).append(severity.value)
        for channel, severities in channels.items():
            planned = PlannedMessage(
                key=f"{SINK} {alert.id}", kind=DeliveryKind.TEST, message=lambda: message, channel=channel
            )
            gets = ", ".join(severities) if channel else "everything, by webhook"
            yield f"{SINK} {channel}".strip(), gets, planned

    def _send(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        message = self._content(planned)
        if planned.action is Action.EDIT:
            self._write("chat.update", planned.channel, message | {"ts": planned.ts})
            return replace(planned.receipt, channel=planned.channel, ts=planned.ts)
        message |= {"unfurl_links": False, "unfurl_media": False}
        if self._webhook:
            return self._post_by_webhook(self._webhook, planned, message)
        stamp = {"key": planned.key, "begun": str(to_ms(begun_at))}
        payload = {**to_payload(planned.receipt), **stamp, **self._epoch}
        message |= {"metadata": {"event_type": _EVENT_TYPE, "event_payload": payload}}
        if planned.ts:
            message |= {"thread_ts": planned.ts, "reply_broadcast": planned.broadcast}
        response = self._write("chat.postMessage", planned.channel, message)
        channel = str(response["channel"])
        self._ids[planned.channel.removeprefix("#")] = channel
        return replace(planned.receipt, channel=channel, ts=str(response["ts"]))

    def _post_by_webhook(self, webhook: WebhookClient, planned: PlannedMessage, message: dict[str, Any]) -> Receipt:
        with as_delivery_errors():
            answer = webhook.send_dict({**message, "blocks": [*message["blocks"], *self._epoch_shown]})
        text = answer.body.strip()
        if answer.status_code != 200 or text != "ok":
            raise refusal_error(text, answer.status_code, answer.headers, SlackRefusal.WEBHOOK)
        return planned.receipt

    def _find(self, delivery: Delivery) -> Receipt | None:
        try:
            with as_delivery_errors():
                channel = self._id_of(delivery.channel or self._slack.channel)
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


def slack_channels(context: ChannelContext) -> Iterator[AlertChannel]:
    """Slack, where `alerts.slack` is configured."""
    if slack := context.settings.alerts.slack:
        yield SlackChannel(
            slack,
            in_thread=context.in_thread,
            network=context.settings.network,
            secrets=context.secrets,
            owners=owners_of(context.settings),
            button_routes=context.button_routes,
            epoch=context.epoch,
        )


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
