"""Tells people once, past the database, that the database cannot be written."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from controller.alerts.alert import PendingEvent, notice_alert
from controller.alerts.channel import AlertChannel, DeliveryError
from controller.alerts.delivery import PlannedMessage
from monitor.storage.column_conversions import to_ms

log = logging.getLogger(__name__)

KIND: Final = "database_unusable"
_LOOK_S: Final = 1.0
_TRIES: Final = 3
_APART_S: Final = 10.0
#: A leader that was paused finds out within a second or two that another machine leads, and tells nobody.
_SURE_S: Final = 3.0


class DirectNotice:
    """What no outbox can hold: that the outbox itself cannot be written. Once per process, on every channel.

    `cannot_write` says so, and what still works, once that has lasted long enough; None while all is well. `name` is
    the database's, for people.
    """

    def __init__(
        self,
        channels: Sequence[AlertChannel],
        cannot_write: Callable[[], str | None],
        clock: Callable[[], datetime],
        *,
        name: str,
        apart_s: float = _APART_S,
        sure_s: float = _SURE_S,
    ) -> None:
        self._channels = channels
        self._cannot_write = cannot_write
        self._clock = clock
        self._name = name
        self._apart_s = apart_s
        self._sure_s = sure_s

    async def run(self) -> None:
        """Until it has been told; no failure of a channel ends it."""
        while True:
            if self._cannot_write() is not None:
                await asyncio.sleep(self._sure_s)
                why = self._cannot_write()
                if why is not None:
                    break
            await asyncio.sleep(_LOOK_S)
        at = self._clock()
        text = f"{why}. Incidents are reported once it can be written again."
        notice = PendingEvent(id=0, at=at, kind=KIND, subject=self._name, text=text)
        alert = notice_alert(notice, alert_id=f"{KIND}-{to_ms(at):x}", at=at)
        await asyncio.gather(
            *(self._tell(channel, planned, at) for channel in self._channels for _, _, planned in channel.tests(alert))
        )

    async def _tell(self, channel: AlertChannel, planned: PlannedMessage, at: datetime) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await channel.deliver(planned, at)
            except DeliveryError as error:
                log.warning("direct_notice_not_taken sink=%s tries_left=%d: %s", channel.name, left, error)
            else:
                log.info("direct_notice_taken sink=%s", channel.name)
                return
            await asyncio.sleep(self._apart_s)
