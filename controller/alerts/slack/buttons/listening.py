"""Slack's buttons, put together from the settings: who hears a press, what it does, and whether that works."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Engine

from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.buttons.handler import PressHandler
from controller.alerts.slack.buttons.listener import SocketListener
from controller.alerts.slack.message_values import SINK
from controller.alerts.slack.outbox import RunBlocking
from monitor.settings import Route, Settings
from monitor.storage.database import DatabaseError
from monitor.storage.store import Store

log = logging.getLogger(__name__)

#: The part of Slack that this is, for who asks what does not work.
_PART: Final = "buttons"


class ButtonService:
    """Hears presses for as long as the service runs, where an app token is set; none of it delays anything else.

    `engine` is the writer's, `in_database` the one thread that uses it.
    """

    def __init__(
        self, settings: Settings, engine: Engine, *, in_database: RunBlocking, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._state, self._store = DeliveryStore(engine, SINK), Store(engine)
        self._in_database = in_database
        self._clock = clock
        self._failing = False
        slack = settings.slack
        self._pressing: SocketListener | None = None
        if slack and slack.app_token:
            presses = PressHandler(settings, allowed=slack.allowed_users, clock=clock)
            self._pressing = SocketListener(
                slack, presses.take, failed=self._failed, works=self._works, network=settings.network
            )

    def routes(self) -> Sequence[Route] | None:
        """What buttons may act on; None where nobody hears a press: a dead button is worse than none."""
        return self._settings.routes if self._pressing and self._pressing.hopeful else None

    async def run(self) -> None:
        """Listen until it is cancelled; returns at once where there is nothing to listen to."""
        if self._pressing is None:
            # What was wrong with buttons that there are no longer is nobody's trouble.
            await self._keep(None)
            return
        self._loop = asyncio.get_running_loop()
        self._pressing.start()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(self._pressing.stop)

    def _failed(self, why: str) -> None:
        asyncio.run_coroutine_threadsafe(self._keep(why), self._loop)

    def _works(self) -> None:
        asyncio.run_coroutine_threadsafe(self._keep(None), self._loop)

    async def _keep(self, why: str | None) -> None:
        """What `hotspare status` and the page say of it; an event when it begins and when it is over."""
        try:
            await self._in_database(partial(self._keep_state, why))
        except DatabaseError as error:
            log.error("buttons_state_lost: %s", error)

    def _keep_state(self, why: str | None) -> None:
        now = self._clock()
        if why is not None:
            self._state.part_failed(_PART, now, why)
            self._store.add_event(now, "buttons_not_working", SINK, f"presses in Slack do not come in: {why}")
        else:
            self._state.part_works(_PART, now)
            if self._failing:
                self._store.add_event(now, "buttons_working", SINK, "presses in Slack come in again")
        self._failing = why is not None
