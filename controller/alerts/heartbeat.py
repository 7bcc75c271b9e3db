"""Pings an address while the monitor and its cycle are well, so that a dead-man service notices when they are not."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Final

from monitor.formatting import format_elapsed
from monitor.storage.database import DatabaseError
from probes.target import Secret
from probes.transport.fetch import fetch

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
#: A cycle runs at least twice a second; one that has not succeeded for so long is stuck.
STUCK_S: Final = 30.0
_LOOK_S: Final = 1.0
_MISSED_PROBES: Final = 3


class ServiceHealth:
    """What the service did last; from one event loop. Instants are monotonic seconds."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._cycled_s = self._probed_s = monotonic()
        self._stored_s = self._cycled_s
        self._unpublished: str | None = None

    def cycled(self, publish_error: str | None, *, behind: bool = False) -> None:
        """A control cycle succeeded; the routing file is published unless there is an error.

        `behind`: something waits for a database that cannot be written.
        """
        self._cycled_s = self._monotonic()
        self._unpublished = publish_error
        if not behind:
            self._stored_s = self._cycled_s

    def probed(self) -> None:
        """A probe was due, and was made or left out for a good reason."""
        self._probed_s = self._monotonic()

    def stuck(self) -> str | None:
        """That nothing is decided or published, in a few words; None while it is."""
        elapsed_s = self._monotonic() - self._cycled_s
        return f"no control cycle has succeeded for {format_elapsed(elapsed_s)}" if elapsed_s > STUCK_S else None

    def trouble(self, probe_every_s: float) -> str | None:
        """Why the service is not well, in a few words; None while it is. Some probe is due every so often."""
        now_s = self._monotonic()
        if stuck := self.stuck():
            return stuck
        if now_s - self._probed_s > STUCK_S + _MISSED_PROBES * probe_every_s:
            return f"no probe was made for {format_elapsed(now_s - self._probed_s)}"
        if self._cycled_s - self._stored_s > STUCK_S:
            return f"the database has not been written for {format_elapsed(self._cycled_s - self._stored_s)}"
        return "the routing file cannot be written" if self._unpublished else None


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
