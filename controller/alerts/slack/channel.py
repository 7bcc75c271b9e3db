"""Slack as a channel of alerts: by a bot, whose messages are edited and found again, or by an incoming webhook."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import partial

from controller.alerts.alert import Alert
from controller.alerts.channel import (
    AlertChannel,
    ChannelContext,
    DeliveryError,
    DeliveryLogEvents,
    RunInThread,
)
from controller.alerts.delivery import Action, Delivery, DeliveryKind, PlannedMessage, Receipt
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.blocks import Message, header, safe, section
from controller.alerts.slack.client import SlackClient
from controller.alerts.slack.planner import plan_messages, plan_webhook_messages
from controller.alerts.slack.planning_input import SINK, PlanningInput
from monitor.config.alert_settings import Severity, SlackSettings
from monitor.config.settings import Route


class SlackChannel(AlertChannel):
    """Incidents as messages with threads, notices, calls for a person, reminders."""

    name = SINK
    resends = False
    permanent_retry_s = 60.0
    log = DeliveryLogEvents(
        taken="slack_told", refused="slack_not_told", unread="outbox_not_read", crashed="outbox_failed"
    )

    def __init__(
        self,
        slack: SlackSettings,
        client: SlackClient,
        *,
        in_thread: RunInThread,
        button_routes: Callable[[], Sequence[Route] | None] = lambda: None,
    ) -> None:
        self._slack = slack
        self._client = client
        self._in_thread = in_thread
        self._button_routes = button_routes
        self._shown: dict[str, str] = {}
        """What each message shows that was posted or edited here, by its ts."""

    def plan(self, store: DeliveryStore, now: datetime, waiting: Collection[str]) -> Sequence[PlannedMessage]:  # noqa: ARG002 - what failed keeps its place among those that the bound for a storm lets through
        """What there is to tell compared with what was told."""
        given = PlanningInput(
            snapshot=store.snapshot(now), slack=self._slack, now=now, shown=self._shown, routes=self._button_routes()
        )
        return plan_webhook_messages(given) if self._slack.webhook_url else plan_messages(given)

    async def deliver(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Post or edit it."""
        edits = planned.action is Action.EDIT
        call = partial(self._client.update, planned) if edits else partial(self._client.post, planned, begun_at)
        receipt = await self._in_thread(call)
        if planned.shows and receipt.ts:
            self._shown[receipt.ts] = planned.shows
        return receipt

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Look in the channel, or in the thread, where it was to go."""
        return await self._in_thread(partial(self._client.find, delivery))

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


def slack_channels(context: ChannelContext) -> Iterator[AlertChannel]:
    """Slack, where `alerts.slack` is configured."""
    if slack := context.settings.alerts.slack:
        client = SlackClient(slack, network=context.settings.network, secrets=context.secrets)
        yield SlackChannel(slack, client, in_thread=context.in_thread, button_routes=context.button_routes)
