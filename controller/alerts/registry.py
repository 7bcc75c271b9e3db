"""Everything that tells people, put together from the settings: the channels, the heartbeat, the weekly digest."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine

from controller.alerts.channel import AlertChannel, ChannelContext, RunInThread
from controller.alerts.channels.apprise_channel import apprise_channels
from controller.alerts.channels.webhook import webhook_channels
from controller.alerts.delivery_store import DeliveryStore, forget_other_channels
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.digest.scheduler import make_digests
from controller.alerts.direct_notice import DirectNotice
from controller.alerts.heartbeat import Heartbeat, ping
from monitor.config.database_url import name_in
from monitor.config.settings import Settings


def _slack_channels(context: ChannelContext) -> Iterator[AlertChannel]:
    if context.settings.alerts.slack:
        from controller.alerts.slack.channel import slack_channels  # noqa: PLC0415 - 4 MB with its library

        yield from slack_channels(context)


#: What builds the channels of each kind, in the order in which people see them.
CHANNELS: Final[tuple[Callable[[ChannelContext], Iterator[AlertChannel]], ...]] = (
    _slack_channels,
    webhook_channels,
    apprise_channels,
)
HEARTBEAT: Final = "heartbeat"
"""What the heartbeat's state is stored under."""


class AlertingTasks:
    """The tasks that tell people and programs; none of them delays anything else.

    `engine` is the writer's, `in_database` the one thread that uses it; `trouble` says why the service is not well,
    `cannot_write` why the database has not been written for a while.
    """

    def __init__(
        self,
        context: ChannelContext,
        engine: Engine,
        *,
        in_database: RunInThread,
        trouble: Callable[[], str | None],
        cannot_write: Callable[[], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = context.settings
        self._channels = channels_of(context)
        self._ping = heartbeat_ping(context.settings, tls=context.tls)
        self._may_send = context.may_send
        self._engine = engine
        self._in_database = in_database
        self._trouble = trouble
        self._cannot_write = cannot_write
        self._clock = clock

    def forget_removed(self) -> None:
        """Forget the failures of channels that are no longer configured. Raises DatabaseError."""
        heartbeat = [HEARTBEAT] if self._ping else []
        forget_other_channels(self._engine, [*(one.name for one in self._channels), *heartbeat], self._clock())

    def tasks(self, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
        """What is to run until `stop`, or until it is cancelled; nothing where nothing is configured."""
        for channel in self._channels:
            store = DeliveryStore(self._engine, channel.name)
            worker = DeliveryWorker(
                channel, store, in_database=self._in_database, may_send=self._may_send, clock=self._clock
            )
            yield worker.run(stop)
        name = name_in(self._settings.database)
        yield DirectNotice(self._channels, self._cannot_write, self._clock, name=name).run()
        alerts = self._settings.alerts
        if self._ping:
            yield Heartbeat(self._ping, alerts.heartbeat_every_s, self._trouble, keep=self._keep_heartbeat).run()
        if alerts.digest:
            yield make_digests(self._settings, self._engine, in_database=self._in_database, clock=self._clock)

    async def _keep_heartbeat(self, error: str | None) -> None:
        store = DeliveryStore(self._engine, HEARTBEAT)
        await self._in_database(partial(store.keep_state, "", self._clock(), error))


def channels_of(context: ChannelContext) -> tuple[AlertChannel, ...]:
    """The channels that are configured."""
    return tuple(channel for build in CHANNELS for channel in build(context))


def heartbeat_ping(settings: Settings, *, tls: ssl.SSLContext) -> Callable[[], Awaitable[str | None]] | None:
    """What pings the heartbeat's address; None where there is none."""
    url = settings.alerts.heartbeat_url
    return partial(ping, url, tls=tls, proxy=settings.network.proxy) if url else None
