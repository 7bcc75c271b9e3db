"""Makes the weekly digest when it is due, once, and stores it as an event that people are told."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Engine

from controller.alerts.channel import RunInThread
from controller.alerts.digest.digest import digest_day, format_digest
from controller.alerts.digest.store import keep_digest, last_digest_day, read_week
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_LOOK_S: Final = 20.0
_AFTER_FAILURE_S: Final = 3600.0


async def make_digests(
    settings: Settings, engine: Engine, *, in_database: RunInThread, clock: Callable[[], datetime]
) -> None:
    """Look every 20 seconds, for ever. `engine` is the writer's, `in_database` the one thread that uses it."""
    while True:
        wait_s = _LOOK_S
        try:
            await make_if_due(settings, engine, clock(), in_database=in_database)
        except DatabaseError as error:
            log.warning("digest_not_made: %s", error)
        except Exception:  # whatever is wrong with a digest, probing must go on
            log.exception("digest_failed")
            wait_s = _AFTER_FAILURE_S
        await asyncio.sleep(wait_s)


async def make_if_due(settings: Settings, engine: Engine, now: datetime, *, in_database: RunInThread) -> bool:
    """Make the digest if it is due; says whether it did. Raises DatabaseError."""
    last = await in_database(partial(last_digest_day, engine))
    day = digest_day(settings.alerts.digest, now, last) if settings.alerts.digest else None
    if day is None:
        return False
    # Summing up takes a moment, and the writer's thread is for decisions.
    week = await asyncio.to_thread(read_week, settings, now)
    await in_database(partial(keep_digest, engine, day, format_digest(week), now))
    log.info("digest_made day=%s", day)
    return True
