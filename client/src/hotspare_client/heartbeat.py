"""How old the heartbeat of a routing table is, whatever the clocks of its writer and its reader say (pure)."""

from __future__ import annotations

from datetime import datetime


def heartbeat_age_s(written_at: datetime, before: datetime | None, *, wall_s: float, since_s: float) -> float:
    """How old a heartbeat is that has just been seen for the first time; 0 when its writer's clock is ahead of ours.

    `before` is the one that was seen `since_s` ago, if any: a heartbeat that has moved on since then cannot be older
    than that, whatever the clocks say. `wall_s` is now, in seconds since 1970.
    """
    age_s = max(0.0, wall_s - written_at.timestamp())
    return min(age_s, since_s) if before is not None and written_at > before else age_s
