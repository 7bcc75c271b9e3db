"""Pings an address while the monitor and its cycle are well, so that a dead-man service notices when they are not."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Final

from monitor.storage.database import DatabaseError
from probes.target import Secret
from probes.transport.fetch import fetch

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
_LOOK_S: Final = 1.0


class Heartbeat:
    """Pings at once and then every so often, as long as `trouble` says that there is none; nothing waits for it.

    `ping` returns None when it was taken, else why not. What goes wrong is logged once, and handed to `keep`, which is
    given None once pings arrive again.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[str | None]],
        every_s: float,
        trouble: Callable[[], str | None],
        *,
        keep: Callable[[str | None], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ping = ping
        self._every_s = every_s
        self._trouble = trouble
        self._keep = keep
        self._monotonic = monotonic
        self._due_s = float("-inf")
        self._withheld = False
        self._arrives: bool | None = None
        """Whether the last ping arrived; None: there was none yet."""

    async def run(self) -> None:
        """For ever; no failure of the other side ends it."""
        while True:
            try:
                await self.ping_if_due()
            except DatabaseError as error:
                log.warning("heartbeat_not_noted: %s", error)
            except Exception:  # whatever is wrong with a ping, probing must go on
                log.exception("heartbeat_failed")
            await asyncio.sleep(_LOOK_S)

    async def ping_if_due(self) -> bool:
        """Ping if it is due and all is well; says whether it did."""
        trouble = self._trouble()
        if trouble and not self._withheld:
            log.warning("heartbeat_withheld: %s", trouble)
        self._withheld = trouble is not None
        now_s = self._monotonic()
        if trouble or now_s < self._due_s:
            return False
        self._due_s = now_s + self._every_s
        error = await self._ping()
        if (error is None) != self._arrives:
            if error is not None:
                log.warning("heartbeat_not_taken: %s", error)
            elif self._arrives is not None:
                log.info("heartbeat_arrives again")
            await self._keep(error)
            self._arrives = error is None
        return True


async def ping(
    url: Secret, *, tls: ssl.SSLContext, proxy: str | None = None, timeout_s: float = TIMEOUT_S
) -> str | None:
    """Ask the heartbeat's address; None when it answers with 2xx, else why not, without the address."""
    answer = await fetch("GET", url.reveal(), timeout_s=timeout_s, tls=tls, proxy=proxy)
    if answer.ok:
        return None
    if answer.status is None:
        return f"the heartbeat did not arrive: {answer.error}"
    return f"the heartbeat was answered with HTTP {answer.status}: check alerts.heartbeat_url"
