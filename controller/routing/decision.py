"""What the controller decided about a route, and where a route stands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Move(StrEnum):
    """Why a route points somewhere else than before, or splits its requests otherwise."""

    FIRST = "first"
    """Nothing was known yet: the first candidate."""
    FAILOVER = "failover"
    """Away from a target that fails."""
    STEP = "step"
    """A share of the requests back to a more preferred target that has proven itself; the route stays."""
    ABORT = "abort"
    """That target did not stay well: every request to where the route still points."""
    FAILBACK = "failback"
    """Back to a more preferred target that has proven itself."""
    CONFIGURED = "configured"
    """The configuration no longer names the target it pointed at."""
    PIN = "pin"
    """An operator pinned the route to the target."""
    DRAIN = "drain"
    """An operator drained the target it pointed at."""


#: An operator's doing: no failure of a provider, and no word of the policy's own.
BY_HAND = frozenset({Move.PIN, Move.DRAIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteState:
    """Where a route points."""

    route: str
    target: str
    since: datetime
    """When it came to point there, with these weights."""
    reason: str
    move: Move = Move.FIRST
    """How it came there."""
    weights: tuple[tuple[str, float], ...] = ()
    """Percent of the requests by target while a failback in steps is under way; empty: all to `target`."""
    dry_run: bool = False
    """It is only where the route would point: the routing file keeps the configured order."""

    @property
    def home(self) -> str | None:
        """The more preferred target that a failback in steps is going back to; None when none is under way."""
        return next((target for target, _ in self.weights if target != self.target), None)

    @property
    def home_share(self) -> float:
        """Percent of the requests that have gone back to `home`."""
        return next((percent for target, percent in self.weights if target != self.target), 0.0)


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
    weights: tuple[tuple[str, float], ...] = ()
    """As in `RouteState`."""
    dry_run: bool = False
    """It was recorded and told, but not published."""

    def state(self) -> RouteState:
        """Where the route stands from now on."""
        return RouteState(
            route=self.route,
            target=self.target,
            since=self.at,
            reason=self.reason,
            move=self.move,
            weights=self.weights,
            dry_run=self.dry_run,
        )


def bring_back(route: str, home: str) -> str:
    """Which command brings a route back where failback is manual: once the pin has ended, the route stays there."""
    # No backticks: Slack would be sent lookalikes, which a shell does not take.
    return f"hotspare pin {route} {home} --for 1m --reason … brings it back"
