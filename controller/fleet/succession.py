"""When a machine that stands by may lead (pure)."""

from typing import Final

from monitor.storage.lease_store import RENEW_S, TTL_S, LeaseReading

#: A lease that nobody renews while the database answers is over, whatever the database's clock was set to.
_SILENT_S: Final = TTL_S + RENEW_S


def place_of(holder: str) -> str:
    """Where a holder runs: the machine and the routing file, of which a lock lets one process run at a time."""
    return holder.rpartition(" ")[2].partition(".")[0]


def may_take(reading: LeaseReading, *, holder: str, unchanged_s: float) -> bool:
    """Whether the lease is over: it has run out, was given back, is not renewed, or its holder is known to be dead.

    `unchanged_s`: for how long it has been read as it stands. A holder of this very place is dead where nobody holds
    the lock of who writes: another process could not hold the folder of this routing file.
    """
    if reading.left_s <= 0 or unchanged_s >= _SILENT_S:
        return True
    return place_of(reading.holder) == place_of(holder) and not reading.locked
