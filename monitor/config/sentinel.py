"""A provider's sentinel: a cheap model that is probed often, so that its siblings need not be (pure).

An outage of the provider is found by the probes of all its targets together, so that those of the cheapest do as well
as any. One that is probed six times as often, and the others at two thirds, doubles the probes of four targets; it
costs less where the sentinel costs less than a fifteenth of what its siblings cost together.
"""

from typing import Final

from monitor.config.units import SHORTEST_INTERVAL_S

#: The interval of a sentinel, as a share of the one it would have: 5 s of 30 s.
_SENTINEL_SHARE: Final = 1 / 6
#: The same of its siblings: 45 s of 30 s.
_SIBLING_SHARE: Final = 3 / 2


def interval_beside_sentinel(interval_s: float, *, is_sentinel: bool) -> float:
    """The interval of a provider's model that has none of its own, where `interval_s` would be the usual one."""
    return max(SHORTEST_INTERVAL_S, interval_s * (_SENTINEL_SHARE if is_sentinel else _SIBLING_SHARE))
