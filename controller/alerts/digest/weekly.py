"""Makes the weekly digest when it is due, once, and hands it to whatever tells people."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Final

from controller.alerts.digest import digest
from controller.alerts.digest.digest import Week
from monitor.settings import WeeklyDigest
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_LOOK_S: Final = 20.0


class DigestSchedule:
    """Looks whether a digest is due.

    `read` sums up the week before an instant, where that holds up nobody; `last` and `keep` are the book's.
    """

    def __init__(
        self,
        settings: WeeklyDigest,
        *,
        read: Callable[[datetime], Awaitable[Week]],
        last: Callable[[], Awaitable[date | None]],
        keep: Callable[[date, str, datetime], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._read = read
        self._last = last
        self._keep = keep
        self._clock = clock
        self._not_before: datetime | None = None

    async def watch(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except DatabaseError as error:
                log.warning("digest_not_made: %s", error)
            except Exception:  # whatever is wrong with a digest, probing must go on
                log.exception("digest_failed")
                self._not_before = self._clock() + timedelta(hours=1)
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> bool:
        """Make the digest if it is due; says whether it did. Raises DatabaseError."""
        now = self._clock()
        if self._not_before and now < self._not_before:
            return False
        day = digest.digest_day(self._settings, now, await self._last())
        if day is None:
            return False
        await self._keep(day, digest.format_digest(await self._read(now)), now)
        log.info("digest_made day=%s", day)
        return True
