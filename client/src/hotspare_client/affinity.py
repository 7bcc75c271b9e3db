"""Keeps a session on the target that knows it: its place under weights, and its last target after a failback."""

from __future__ import annotations

import hashlib
import os
import threading
from bisect import bisect_right
from typing import NamedTuple

from hotspare_client.target import Target

#: Moves back to a preferred target, while the old one is well; after all others the session moves along.
_GENTLE_MOVES = {"failback", "step"}
IDLE_S = 300.0
LONGEST_S = 3600.0
MOST_KEYS = 10_000


class _Kept(NamedTuple):
    """The last target of a key."""

    target: str
    used_at: float
    left_at: float | None
    """Since when it is kept although the route would choose another one; None while it would not."""


class Affinity:
    """The sessions of one process; every method takes the time in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def choose(self, route: str, key: object, candidates: tuple[Target, ...], now: float) -> Target | None:
        """The target of a session; None where the route has none. Never raises."""
        digest = _digest(route, key)
        pick = place_in(candidates, int.from_bytes(digest[:8], "big") / 2**64)
        if pick is None:
            return None
        if self._pid != os.getpid():
            # The parent may have forked while one of its threads, absent here, held the lock.
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            kept = self._kept.pop(digest, None)
            target, left_at = self._stay(kept, pick, candidates, now)
            # The one that was used last stands last.
            self._kept[digest] = _Kept(target.id, now, left_at)
            if len(self._kept) > MOST_KEYS:
                self._kept.pop(next(iter(self._kept)))
        return target

    def _stay(
        self, kept: _Kept | None, pick: Target, candidates: tuple[Target, ...], now: float
    ) -> tuple[Target, float | None]:
        """The old target, and since when it is kept, or the pick."""
        if kept is None or kept.target == pick.id or now - kept.used_at > IDLE_S:
            return pick, None
        left_at = now if kept.left_at is None else kept.left_at
        old = next((each for each in candidates if each.id == kept.target), None)
        is_well = old is not None and old.health == "up" and not old.drained
        if old is None or not is_well or pick.move not in _GENTLE_MOVES or now - left_at > LONGEST_S:
            return pick, None
        return old, left_at


def place_in(candidates: tuple[Target, ...], place: float) -> Target | None:
    """The target whose share holds `place`, from 0 up to 1: the shares lie side by side, in the order of preference."""
    shared = [each for each in candidates if each.weight > 0]
    ends, total = [], 0.0
    for each in shared:
        total += each.weight
        ends.append(total)
    return shared[min(bisect_right(ends, place), len(shared) - 1)] if shared else None


def _digest(route: str, key: object) -> bytes:
    try:
        text = f"{route}\0{key}"
    except Exception:  # noqa: BLE001 - a key that cannot be written is like any other such key
        text = f"{route}\0{type(key).__name__}"
    # The same in every client, so that a session has one place in all services.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
