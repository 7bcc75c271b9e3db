"""Decisions about routes, and what a dry run publishes instead (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from monitor.config.settings import Settings


class MoveKind(StrEnum):
    """Why a route points somewhere else than before, or splits its requests otherwise."""

    FIRST = "first"
    """Nothing was known yet: the first candidate."""
    FAILOVER = "failover"
    """Away from a target that fails."""
    LEAST_BAD = "least_bad"
    """Every candidate fails: to the one that measurably fails least."""
    STEP = "step"
    """A share of the requests back to a more preferred target that has proven itself; the route stays."""
    ABORT = "abort"
    """That target did not stay up: all requests go to where the route still points."""
    FAILBACK = "failback"
    """Back to a more preferred target that has proven itself."""
    CONFIGURED = "configured"
    """The configuration no longer names the target it pointed at."""
    PIN = "pin"
    """An operator pinned the route to the target."""
    DRAIN = "drain"
    """An operator drained the target it pointed at."""
    DRILL = "drill"
    """A fire drill: to the standby, or back from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a route points from an instant on; a change is journalled before it is published."""

    route: str
    target: str
    at: datetime
    """Since when the route points there, with these weights."""
    reason: str
    move: MoveKind = MoveKind.FIRST
    before: str | None = None
    generation: int = 0
    """Of the routing file that carries it; higher than any before."""
    weights: tuple[tuple[str, float], ...] = ()
    """Percent of the requests by target while a failback in steps is under way; empty: all to `target`."""
    epoch: int = 0
    """Of who decided, where several machines may; 0: one machine alone."""
    dry_run: bool = False
    """The route would point there: recorded and reported, but the routing file keeps the configured order."""

    @property
    def is_flip(self) -> bool:
        """Whether the route points elsewhere afterwards; a step of a gradual failback does not count."""
        return self.move is not MoveKind.FIRST and self.before != self.target

    @property
    def home(self) -> str | None:
        """The more preferred target that a failback in steps is going back to; None when none is under way."""
        return next((target for target, _ in self.weights if target != self.target), None)

    @property
    def home_share(self) -> float:
        """Percent of the requests that have gone back to `home`."""
        return next((percent for target, percent in self.weights if target != self.target), 0.0)


def failback_command(route: str, home: str) -> str:
    """The command that brings a route back where failback is manual; the route stays there after the pin has ended."""
    # No backticks: Slack would be sent lookalikes, which a shell does not take.
    return f"hotspare pin {route} {home} --for 1m --reason … brings it back"


def apply_dry_run(settings: Settings, decided: Mapping[str, Decision], since: datetime) -> dict[str, Decision]:
    """The routes as a dry run publishes them: every request to the first candidate, since `since`."""
    published = {}
    for name, first in ((route.name, route.candidates[0]) for route in settings.routes if route.name in decided):
        state = decided[name]
        elsewhere = f"; it would be on {format_destination(state)}: {state.reason}" if state.target != first else ""
        reason = f"dry run: as configured{elsewhere}"
        published[name] = replace(state, target=first, at=since, move=MoveKind.FIRST, weights=(), reason=reason)
    return published


def format_destination(state: Decision) -> str:
    """Where the requests go, or would go: `b/y`, or `b/y, 10 % to a/x`."""
    return f"{state.target}, {state.home_share:g} % to {state.home}" if state.home else state.target
