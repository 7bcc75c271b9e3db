"""One route in detail: its path through its candidates, how those were meanwhile, and what users felt (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.history.route_rollup import RouteRollup
from controller.incidents.impact import RoutePeriod
from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.health import Health, TargetHealth, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPeriod:
    """A time in which a target had one health."""

    target: str
    health: Health
    since: datetime
    until: datetime
    reason: str = ""
    """Why, where the time saw it begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSummary:
    """What users of one route felt over some time."""

    route: str
    total: RouteRollup
    slo: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDetail:
    """One route over some time."""

    route: str
    since: datetime
    until: datetime
    lanes: tuple[str, ...]
    """Its candidates in order of preference, then where it pointed besides."""
    path: tuple[RoutePeriod, ...]
    """Where it pointed, oldest first."""
    moves: tuple[Decision, ...]
    """What was decided and published, the newest first."""
    would_have: tuple[Decision, ...]
    """What a dry run decided, and did not publish, the newest first."""
    health: tuple[HealthPeriod, ...]
    """How the targets in its lanes were."""
    overrides: tuple[Override, ...]
    """Those that touched it in that time, the newest first."""
    width: timedelta
    """Of the parts in `course`: an hour or a day."""
    course: Sequence[tuple[datetime, RouteRollup]]
    """What users felt, oldest first; the part that is not over is missing."""


def health_periods(
    transitions: Iterable[Transition], present: Mapping[str, TargetHealth], since: datetime, until: datetime
) -> list[HealthPeriod]:
    """How each target of `present` was in that time, by its `transitions` since, oldest first."""
    periods: list[HealthPeriod] = []
    changes = list(transitions)
    for target, state in present.items():
        own = [change for change in changes if change.target == target and since < change.at <= until]
        health, reason, begun = own[0].before if own else state.health, "" if own else state.reason, since
        if not own and since < state.since < until:  # Older transitions than are kept, or none yet.
            begun = state.since
        for change in own:
            if change.at > begun:
                periods.append(HealthPeriod(target=target, health=health, since=begun, until=change.at, reason=reason))
            health, reason, begun = change.after, change.reason, change.at
        if until > begun:
            periods.append(HealthPeriod(target=target, health=health, since=begun, until=until, reason=reason))
    return periods
