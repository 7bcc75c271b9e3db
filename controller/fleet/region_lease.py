"""Which of the machines of a region probes: the one that holds the region's lease."""

import logging
import time
from collections.abc import Callable
from typing import Final

from controller.fleet.succession import place_of
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import HeldLease
from monitor.storage.lease_store import RENEW_S, TTL_S, LeaseStore

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0


def region_lease_name(region: str) -> str:
    """The lease of who probes from there."""
    return f"region/{region}"


class RegionLease:
    """Nothing but the number of probes depends on it: what two machines have probed at the same time counts, both."""

    def __init__(
        self, store: LeaseStore, region: str, holder: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`holder` is a name that no other process has, which ends in its place (`controller.fleet.succession`)."""
        self._store = store
        self._region = region
        self._holder = holder
        self._monotonic = monotonic
        self._lease: HeldLease | None = None
        self._last: tuple[int, int] | None = None
        self._unchanged_since_s = 0.0
        self._due_s = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether this machine probes. While the database does not answer whoever did so goes on."""
        return self._lease is not None

    def keep(self) -> bool:
        """Take or renew it where that is due; to be called often. Whether it was due; raises DatabaseError."""
        now_s = self._monotonic()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + _LOOK_S
        if self._lease is not None:
            if self._store.renew(self._lease):
                self._due_s = now_s + RENEW_S
                return True
            log.warning("region_lease_lost region=%s: another machine probes", self._region)
            self._lease = None
        reading = self._store.read()
        if self._last != (reading.epoch, reading.until_ms):
            self._last, self._unchanged_since_s = (reading.epoch, reading.until_ms), now_s
        # Whoever held it at this place is dead: this process holds the folder of its routing file.
        over = reading.left_s <= 0 or place_of(reading.holder) == place_of(self._holder)
        if over or now_s - self._unchanged_since_s >= TTL_S + RENEW_S:
            self._lease = self._store.take(self._holder, reading, early=True)
            if self._lease:
                log.info("region_lease_taken region=%s epoch=%d", self._region, self._lease.epoch)
        return True

    def release(self) -> None:
        """Let another machine probe at once; where that fails it does so in some seconds."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._store.release(lease)
            except DatabaseError as error:
                log.warning("region_lease_not_released region=%s: %s", self._region, error)
