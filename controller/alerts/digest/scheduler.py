"""Makes the weekly digest when it is due, once, and stores it as an event that people are told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from controller.alerts.channel import RunInThread
from controller.alerts.digest import digest
from controller.alerts.digest.digest import Week
from controller.alerts.digest.store import DigestStore
from monitor.config.alert_settings import WeeklyDigest
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_LOOK_S: Final = 20.0


class DigestScheduler:
    """Makes a digest when one is due.

    `read` sums up the week before an instant, where that delays nothing; `in_database` runs the store's calls.
    """

    def __init__(
        self,
        settings: WeeklyDigest,
        store: DigestStore,
        *,
        read: Callable[[datetime], Awaitable[Week]],
        in_database: RunInThread,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._store = store
        self._read = read
        self._in_database = in_database
        self._clock = clock
        self._not_before: datetime | None = None

    async def run(self) -> None:
        """Look every 20 seconds, for ever."""
        while True:
            try:
                await self.make_if_due()
            except DatabaseError as error:
                log.warning("digest_not_made: %s", error)
            except Exception:  # whatever is wrong with a digest, probing must go on
                log.exception("digest_failed")
                self._not_before = self._clock() + timedelta(hours=1)
            await asyncio.sleep(_LOOK_S)

    async def make_if_due(self) -> bool:
        """Make the digest if it is due; says whether it did. Raises DatabaseError."""
        now = self._clock()
        if self._not_before and now < self._not_before:
            return False
        day = digest.digest_day(self._settings, now, await self._in_database(self._store.last))
        if day is None:
            return False
        text = digest.format_digest(await self._read(now))
        await self._in_database(partial(self._store.keep, day, text, now))
        log.info("digest_made day=%s", day)
        return True
