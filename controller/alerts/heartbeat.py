"""Pings an address while the monitor and its cycle are well, so that a dead-man service notices when they are not."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from monitor.formatting import span
from monitor.settings import NetworkSettings
from monitor.storage.database import DatabaseError
from probes.target import Secret
from probes.transport.fetch import FetchResult, fetch
from probes.transport.tls import tls_context

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
        self._unpublished: str | None = None

    def cycled(self, publish_error: str | None) -> None:
        """A control cycle succeeded; the routing file is published unless there is an error."""
        self._cycled_s = self._monotonic()
        self._unpublished = publish_error

    def probed(self) -> None:
        """A probe was due, and was made or left out for a good reason."""
        self._probed_s = self._monotonic()

    def trouble(self, probe_every_s: float) -> str | None:
        """Why the service is not well, in a few words; None while it is. Some probe is due every so often."""
        now_s = self._monotonic()
        if now_s - self._cycled_s > STUCK_S:
            return f"no control cycle has succeeded for {span(now_s - self._cycled_s)}"
        if now_s - self._probed_s > STUCK_S + _MISSED_PROBES * probe_every_s:
            return f"no probe was made for {span(now_s - self._probed_s)}"
        return "the routing file cannot be written" if self._unpublished else None


class Keeps(Protocol):
    """Keeps what becomes of the pings, for people."""

    def __call__(self, why: str | None, /) -> Awaitable[None]:
        """Why they fail from now on; None: they arrive again."""


class Heartbeat:
    """Asks the address at once and then every so often, as long as `trouble` says that there is none.

    Nothing waits for it. What goes wrong is logged once, and handed to `keep`.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[str | None]],
        every_s: float,
        trouble: Callable[[], str | None],
        *,
        keep: Keeps,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ping = ping
        self._every_s = every_s
        self._trouble = trouble
        self._keep = keep
        self._monotonic = monotonic
        self._due_s = float("-inf")
        self._silent = False
        self._arrives: bool | None = None
        """Whether the last ping arrived; None: there was none yet."""

    async def run(self) -> None:
        """For ever; no fault of the other side ends it."""
        while True:
            try:
                await self.look()
            except DatabaseError as error:
                log.warning("heartbeat_not_noted: %s", error)
            except Exception:  # whatever is wrong with telling a service that all is well, probing must go on
                log.exception("heartbeat_failed")
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> bool:
        """Ping if it is due and all is well; says whether it did."""
        trouble = self._trouble()
        if trouble and not self._silent:
            log.warning("heartbeat_withheld: %s", trouble)
        self._silent = trouble is not None
        now_s = self._monotonic()
        if trouble or now_s < self._due_s:
            return False
        self._due_s = now_s + self._every_s
        await self._heard(await self._ping())
        return True

    async def _heard(self, why: str | None) -> None:
        arrives, before = why is None, self._arrives
        if arrives == before:
            return
        if why is not None:
            log.warning("heartbeat_not_taken: %s", why)
        elif before is not None:
            log.info("heartbeat_arrives again")
        await self._keep(why)
        self._arrives = arrives


class Pinger:
    """One GET of the heartbeat's address."""

    def __init__(
        self,
        url: Secret,
        *,
        network: NetworkSettings | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        network = network or NetworkSettings()
        self._url = url
        self._proxy = network.proxy
        self._tls = tls or tls_context(network.ca_bundle)
        self._timeout_s = timeout_s

    async def __call__(self) -> str | None:
        """None when it was taken, else why not, as a sentence without its end and without the address."""
        return describe_refusal(
            await fetch("GET", self._url.reveal(), timeout_s=self._timeout_s, tls=self._tls, proxy=self._proxy)
        )


def describe_refusal(answer: FetchResult) -> str | None:
    """What an answer means; None for one that says yes."""
    if answer.ok:
        return None
    if answer.status is None:
        return f"the heartbeat did not arrive: {answer.error}"
    return f"the heartbeat was answered with HTTP {answer.status}: check alerts.heartbeat_url"
