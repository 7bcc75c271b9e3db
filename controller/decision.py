"""What the controller decided about a route, and where a route stands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Move(StrEnum):
    """Why a route points somewhere else than before."""

    FIRST = "first"
    """Nothing was known yet: the first candidate."""
    FAILOVER = "failover"
    """Away from a target that fails."""
    FAILBACK = "failback"
    """Back to a more preferred target that has proven itself."""
    CONFIGURED = "configured"
    """The configuration no longer names the target it pointed at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A change of a route, journalled before it is published."""

    route: str
    at: datetime
    move: Move
    before: str | None
    target: str
    reason: str
    """One sentence with numbers."""
    generation: int
    """Of the routing file that carries it; higher than any before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteState:
    """Where a route points."""

    route: str
    target: str
    since: datetime
    reason: str
