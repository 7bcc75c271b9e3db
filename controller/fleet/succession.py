"""When a machine that stands by may lead (pure)."""

from monitor.storage.lease_store import TTL_S, LeaseReading


def place_of(holder: str) -> str:
    """Where a holder runs: the machine and the routing file, of which a lock lets one process run at a time."""
    return holder.rpartition(" ")[2].partition(".")[0]


def may_take(reading: LeaseReading, *, holder: str, unchanged_s: float) -> bool:
    """Whether the lease is over: it has run out, was given back, is not renewed, or its holder is known to be dead.

    `unchanged_s`: for how long it has been read as it stands. After as long as a lease lasts it is over, whatever the
    database's clock was set to. A holder of this very place is dead where nobody holds the lock of who writes: another
    process could not hold the folder of this routing file.
    """
    if reading.left_s <= 0 or unchanged_s >= TTL_S:
        return True
    return place_of(reading.holder) == place_of(holder) and not reading.locked
