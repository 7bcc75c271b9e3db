"""Slack's buttons as a part of the service."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from controller.alerts.channel import RunInThread
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.buttons.handler import handle_press
from controller.alerts.slack.planning_input import SINK
from monitor.config.alert_settings import SlackSettings
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError
from monitor.storage.store import Store

if TYPE_CHECKING:
    from controller.alerts.slack.buttons.listener import SocketListener

log = logging.getLogger(__name__)


class ButtonService:
    """Slack's buttons, put together from the settings: listens for presses for as long as the service runs.

    Does nothing where no app token is set. `engine` is the writer's, `in_database` runs calls in the one thread that
    uses it.
    """

    def __init__(
        self, settings: Settings, engine: Engine, *, in_database: RunInThread, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._state, self._store = DeliveryStore(engine, SINK), Store(engine)
        self._in_database = in_database
        self._clock = clock
        self._failing = False
        slack = settings.alerts.slack
        self._listener = self._make_listener(slack) if slack and slack.app_token else None

    def _make_listener(self, slack: SlackSettings) -> "SocketListener":
        from controller.alerts.slack.buttons.listener import SocketListener  # noqa: PLC0415 - 2 MB with its library

        handle = partial(handle_press, settings=self._settings)
        return SocketListener(slack, handle, self._report, network=self._settings.network)

    def routes(self) -> Sequence[Route] | None:
        """The routes that buttons may act on; None where nobody hears a press: a dead button is worse than none."""
        return self._settings.routes if self._listener and self._listener.is_usable else None

    async def run(self) -> None:
        """Listen until it is cancelled; returns at once where there is nothing to listen to."""
        if self._listener is None:
            # An earlier failure of buttons that there are no longer is nobody's trouble.
            await self._store_state(None)
            return
        self._loop = asyncio.get_running_loop()
        self._listener.start()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(self._listener.stop)

    def _report(self, failure: str | None) -> None:
        asyncio.run_coroutine_threadsafe(self._store_state(failure), self._loop)

    async def _store_state(self, failure: str | None) -> None:
        """For `hotspare status` and the page; with an event when it begins to fail and when it works again."""
        try:
            await self._in_database(partial(self._write_state, failure))
        except DatabaseError as error:
            log.error("buttons_state_lost: %s", error)

    def _write_state(self, failure: str | None) -> None:
        now = self._clock()
        self._state.keep_state("buttons", now, failure)
        if failure is not None:
            self._store.add_event(now, "buttons_not_working", SINK, f"presses in Slack are not received: {failure}")
        elif self._failing:
            self._store.add_event(now, "buttons_working", SINK, "presses in Slack are received again")
        self._failing = failure is not None
