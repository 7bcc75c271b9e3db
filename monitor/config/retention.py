"""How long what was observed is kept."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Final

from monitor.config.section import Section
from monitor.config.values import duration

_SHORTEST_S: Final = 3600.0
_DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings(Section):
    """How long observations, and their sums, are kept."""

    raw_s: Annotated[float, duration(at_least_s=_SHORTEST_S)] = 14 * _DAY_S
    """How long single observations are kept; at least `1h`. Change it when the disk is small, or you look back
    further."""
    hour_s: Annotated[float, duration(at_least_s=_DAY_S, endless=True)] = 730 * _DAY_S
    """How long their sums by hour are kept: outcomes, latency, tokens, cost; at least `1d`, or `forever`. Change it
    when the disk is small."""
    day_s: Annotated[float, duration(at_least_s=_DAY_S, endless=True)] = inf
    """How long their sums by day (UTC) are kept. Change it when old figures must go."""
