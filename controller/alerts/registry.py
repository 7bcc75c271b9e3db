"""Everything that is told besides Slack, put together from the settings: relays, the heartbeat, the weekly digest."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine

from controller.alerts.channel import AlertChannel
from controller.alerts.channel_store import ChannelStore
from controller.alerts.channel_worker import ChannelWorker, RunInThread
from controller.alerts.channels.apprise_channel import AppriseChannel
from controller.alerts.channels.webhook import WebhookChannel
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.digest.digest import Week
from controller.alerts.digest.queries import read_week
from controller.alerts.digest.weekly import DigestSchedule, DigestStore
from controller.alerts.heartbeat import Heartbeat, Pinger
from controller.status.unheard import forget_others
from monitor.settings import Settings
from monitor.storage.database import open_reader
from probes.target import Secret

HEARTBEAT: Final = "heartbeat"
"""What the heartbeat's state is kept under."""


class ChannelRegistry:
    """The tasks that tell people and programs besides Slack; none of them delays anything else.

    `engine` is the writer's, `in_database` the one thread that uses it; `trouble` says why the service is not well.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        *,
        in_database: RunInThread,
        trouble: Callable[[], str | None],
        tls: ssl.SSLContext,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._in_database = in_database
        self._trouble = trouble
        self._tls = tls
        self._clock = clock

    def tidy(self) -> None:
        """Forget the troubles of whoever is not told any more. Raises DatabaseError."""
        slack = ["slack"] if self._settings.slack else []
        heartbeat = [HEARTBEAT] if self._settings.elsewhere.heartbeat_url else []
        told = [sink.name for sink in sinks(self._settings, tls=self._tls)]
        forget_others(self._engine, [*slack, *told, *heartbeat], self._clock())

    def tasks(self, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
        """What is to run until `stop`, or until it is cancelled; nothing where nothing is configured."""
        for sink in sinks(self._settings, tls=self._tls):
            yield self._relay(sink).run(stop)
        if pinger := pinger_of(self._settings, tls=self._tls):
            yield self._heartbeat(pinger).run()
        if self._settings.digest:
            yield self._weekly().watch()

    def _relay(self, sink: AlertChannel) -> ChannelWorker:
        rows, state = ChannelStore(self._engine, sink.name), DeliveryStore(self._engine, sink.name)
        return ChannelWorker(sink, rows, state, in_database=self._in_database, clock=self._clock)

    def _heartbeat(self, pinger: Pinger) -> Heartbeat:
        state = DeliveryStore(self._engine, HEARTBEAT)

        async def keep(why: str | None) -> None:
            at = self._clock()
            work = partial(state.sink_works, at) if why is None else partial(state.sink_failed, at, why)
            await self._in_database(work)

        return Heartbeat(pinger, self._settings.elsewhere.heartbeat_every_s, self._trouble, keep=keep)

    def _weekly(self) -> DigestSchedule:
        book = DigestStore(self._engine)

        async def read(now: datetime) -> Week:
            return await asyncio.to_thread(self._read_week, now)

        async def last() -> date | None:
            return await self._in_database(book.last)

        async def keep(day: date, text: str, at: datetime) -> None:
            await self._in_database(partial(book.keep, day, text, at))

        if self._settings.digest is None:
            raise ValueError("no digest is configured")
        return DigestSchedule(self._settings.digest, read=read, last=last, keep=keep, clock=self._clock)

    def _read_week(self, now: datetime) -> Week:
        """From a connection of its own: it takes a moment, and the writer's is for decisions."""
        engine = open_reader(self._settings.database)
        try:
            return read_week(self._settings, engine, now)
        finally:
            engine.dispose()


def sinks(settings: Settings, *, tls: ssl.SSLContext) -> Iterator[AlertChannel]:
    """Whoever gets alerts besides Slack, in the order in which they are told of."""
    told, secrets = settings.elsewhere, secrets_of(settings)
    if told.webhook_url:
        yield WebhookChannel(told.webhook_url, told.webhook_secret, network=settings.network, secrets=secrets, tls=tls)
    for number, url in enumerate(told.apprise, start=1):
        yield AppriseChannel(number, url, secrets=secrets)


def secrets_of(settings: Settings) -> tuple[Secret, ...]:
    """What nobody is told, whatever a provider repeats in an error."""
    slack = settings.slack
    found = [provider.api_key for provider in settings.providers]
    return (*found, *((secret for secret in (slack.token, slack.app_token) if secret) if slack else ()))


def pinger_of(settings: Settings, *, tls: ssl.SSLContext) -> Pinger | None:
    """What pings the heartbeat's address; None where there is none."""
    url = settings.elsewhere.heartbeat_url
    return Pinger(url, network=settings.network, tls=tls) if url else None
