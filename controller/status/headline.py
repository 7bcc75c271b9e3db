"""The headline: the overall state in one sentence, from the service, the routes and the targets (pure)."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from controller.routing.decision import failback_command
from controller.routing.overrides import Override, OverrideKind
from monitor.connectivity.state import ConnectivityState
from monitor.formatting import ago, clock, plural
from monitor.health import FAILING, HEALTHY, UNHEALTHY, Health, TargetHealth
from monitor.liveness import Liveness, ServiceStatus

BLIND: Final = "Our own network is down or loses packets: what may be its fault is not judged, the routes hold"
UNTRUSTED: Final = "no neutral endpoint answers: the providers alone say whether our own network is down"


class Level(StrEnum):
    """How bad the headline is."""

    GOOD = "good"
    NOTICE = "notice"
    """Something fails, and users are served all the same."""
    BAD = "bad"
    """Users are hit, or nobody is watching."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStatus:
    """One candidate of a route, and how it is."""

    target: str
    health: Health
    serving: bool
    """The route points at it."""
    drain: Override | None = None
    """An operator keeps routes off it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """Where a route points, and why."""

    name: str
    target: str
    """The first candidate until the service has decided."""
    since: datetime | None
    """When it was pointed there; None until the service has decided, and in a dry run."""
    reason: str
    candidates: tuple[CandidateStatus, ...]
    """In order of preference."""
    failed_over: bool
    """It points at a less preferred candidate than its first."""
    stuck: bool
    """Its target fails in a way that should move it, and nothing else is eligible: it holds."""
    override: Override | None = None
    """The operator's pin or pause that holds it where it is."""
    published: str | None = None
    """Where the routing file points applications instead, empty where there is none; None when it says the same."""
    weights: tuple[tuple[str, float], ...] = ()
    """Percent of the requests by target while a failback in steps is under way; empty: all to `target`."""
    waiting: str | None = None
    """A better target that is up: failback is manual, and waits for a person."""
    dry_run: bool = False
    """Hotspare only watches: the route stays at its first candidate."""
    would: str | None = None
    """Where it would be, in words, if this were no dry run; None where it is none, or it would be here."""

    @property
    def note(self) -> str | None:
        """What else is worth knowing of where it points, as a sentence without its end; None when nothing is."""
        if self.would:
            return f"dry run: it would be on {self.would}"
        if self.dry_run:
            return "dry run: it stays as configured"
        if self.weights:
            shares = ", ".join(f"{percent:g} % to {target}" for target, percent in self.weights)
            return f"going back in steps: {shares}"
        if self.waiting:
            return f"{self.waiting} is up, and failback is manual: {failback_command(self.name, self.waiting)}"
        return None


def headline(
    service: ServiceStatus,
    routes: Sequence[RouteView],
    states: Sequence[TargetHealth],
    now: datetime,
    connectivity: ConnectivityState = ConnectivityState.ONLINE,
    *,
    budget_alarm: str | None = None,
) -> tuple[Level, str]:
    """The overall state in one sentence, the most urgent fact alone, and how bad it is.

    `budget_alarm` says that paid targets are not probed any more; None while they are.
    """
    level, sentence = (
        _about_service(service, now)
        or _about_file(routes)
        or _about_stuck(routes, states, now)
        or _about_network(connectivity)
        or (budget_alarm and (Level.BAD, budget_alarm))
        or _about_held_on_failing(routes, states, now)
        or _about_dry_run(routes, states, now)
        or _about_staying(routes, states, now, FAILING, Level.BAD)
        or _about_failed_over(routes, states, now)
        or _about_overrides(routes, now)
        or _about_staying(routes, states, now, {Health.DEGRADED}, Level.NOTICE)
        or _about_targets(routes, states, now)
    )
    return level, f"Dry run: {sentence}" if any(route.dry_run for route in routes) else sentence


def _about_service(service: ServiceStatus, now: datetime) -> tuple[Level, str] | None:
    if service.beat is None:
        return Level.UNKNOWN, "The monitor has never run"
    if service.beat.stopped_at:
        return Level.BAD, f"The monitor was stopped at {clock(service.beat.stopped_at, now)}"
    if service.liveness is Liveness.SILENT:
        beat_at = service.beat.beat_at
        return Level.BAD, f"The monitor has not written since {clock(beat_at, now)} ({ago(beat_at, now)})"
    return None


def _about_file(routes: Sequence[RouteView]) -> tuple[Level, str] | None:
    wrong = [route for route in routes if route.published is not None]
    if not wrong:
        return None
    if not wrong[0].published:
        unheard = f"applications do not hear of {wrong[0].target} for {wrong[0].name}"
        return Level.BAD, f"There is no routing file to read: {unheard}"
    where = f"points {wrong[0].name} at {wrong[0].published}, not at {wrong[0].target}"
    return Level.BAD, f"The routing file {where}: it cannot be written, or somebody changed it"


def _about_stuck(
    routes: Sequence[RouteView], states: Sequence[TargetHealth], now: datetime
) -> tuple[Level, str] | None:
    stuck = [route for route in routes if route.stuck]
    if not stuck:
        return None
    cause = _cause([route.target for route in stuck], states, now)
    be = "is" if len(stuck) == 1 else "are"
    return Level.BAD, f"{_routes(stuck)} {be} stuck: {cause}, and nothing else is eligible"


def _about_network(connectivity: ConnectivityState) -> tuple[Level, str] | None:
    return (Level.UNKNOWN, BLIND) if connectivity is ConnectivityState.BLIND else None


def _about_held_on_failing(
    routes: Sequence[RouteView], states: Sequence[TargetHealth], now: datetime
) -> tuple[Level, str] | None:
    failing = {state.target for state in states if state.health in FAILING}
    held = [route for route in routes if route.override and route.target in failing]
    if not held or not held[0].override:
        return None
    more = f" (and {plural(len(held) - 1, 'route')} more)" if len(held) > 1 else ""
    return Level.BAD, f"{_by_hand(held[0], held[0].override, now)}, and {_cause([held[0].target], states, now)}{more}"


def _about_overrides(routes: Sequence[RouteView], now: datetime) -> tuple[Level, str] | None:
    held = [_by_hand(route, route.override, now) for route in routes if route.override]
    drains = {c.drain.subject: c.drain for route in routes for c in route.candidates if c.drain}
    held += [
        f"{drain.subject} is drained by {drain.author} until {clock(drain.until, now)}" for drain in drains.values()
    ]
    if not held:
        return None
    more = f" (and {len(held) - 1} more by hand)" if len(held) > 1 else ""
    return Level.NOTICE, f"{held[0]}{more}"


def _by_hand(route: RouteView, override: Override, now: datetime) -> str:
    done = f"pinned to {override.target}" if override.kind is OverrideKind.PIN else f"paused on {route.target}"
    return f"{route.name} is {done} by {override.author} until {clock(override.until, now)}"


def _about_failed_over(
    routes: Sequence[RouteView], states: Sequence[TargetHealth], now: datetime
) -> tuple[Level, str] | None:
    # What an operator moved has not failed over.
    moved = [route for route in routes if route.failed_over and not route.override and not route.candidates[0].drain]
    if not moved:
        return None
    cause = _cause([route.candidates[0].target for route in moved], states, now)
    have = "has" if len(moved) == 1 else "have"
    to = f" to {moved[0].target}" if len(moved) == 1 else ""
    return Level.NOTICE, f"{_routes(moved)} {have} failed over{to}: {cause}"


def _about_dry_run(
    routes: Sequence[RouteView], states: Sequence[TargetHealth], now: datetime
) -> tuple[Level, str] | None:
    left = [route for route in routes if route.would]
    if not left:
        return None
    more = f" (and {plural(len(left) - 1, 'route')} more)" if len(left) > 1 else ""
    where = f"{left[0].name} stays on {left[0].target} and would be on {left[0].would}{more}"
    return Level.BAD, f"{where}: {_cause([route.target for route in left], states, now)}"


def _about_staying(
    routes: Sequence[RouteView], states: Sequence[TargetHealth], now: datetime, such: AbstractSet[Health], level: Level
) -> tuple[Level, str] | None:
    """Routes on a target with such a health: `fail_over_on` does not name it, or the route is about to move."""
    ill = {state.target: state.health for state in states if state.health in such}
    staying = [route for route in routes if route.target in ill]
    if not staying:
        return None
    stay = "stays" if len(staying) == 1 else "stay"
    what = f"a target that is {ill[staying[0].target]}"
    return level, f"{_routes(staying)} {stay} on {what}: {_cause([route.target for route in staying], states, now)}"


def _about_targets(routes: Sequence[RouteView], states: Sequence[TargetHealth], now: datetime) -> tuple[Level, str]:
    if all(state.health is Health.UNKNOWN for state in states):
        return Level.UNKNOWN, f"No target's health is known: {states[0].reason}" if states else "There are no targets"
    first = _on_first_choice(len(routes))
    well = [state for state in states if state.health in HEALTHY]
    ill = [state for state in states if state.health in UNHEALTHY]
    if not ill:
        others = len(states) - len(well)
        unclear = f", {others} unknown or paused" if others else ""
        return Level.GOOD, f"{first}{plural(len(well), 'target')} up{unclear}"
    cause = _cause([state.target for state in ill], states, now)
    return Level.NOTICE, f"{first}{len(well)} of {plural(len(states), 'target')} up, {cause}"


def _on_first_choice(count: int) -> str:
    if count == 0:
        return ""
    return "The route is on its first choice; " if count == 1 else f"All {count} routes are on their first choice; "


def _routes(routes: Sequence[RouteView]) -> str:
    names = [route.name for route in routes]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _cause(targets: Sequence[str], states: Sequence[TargetHealth], now: datetime) -> str:
    """`openai is down since 18:02:11 UTC` when all of a provider's targets are, otherwise the first target's name."""
    state = next(state for state in states if state.target == targets[0])
    provider = state.target.split("/")[0]
    siblings = [other for other in states if other.target.split("/")[0] == provider]
    whole = len(siblings) > 1 and all(other.health is state.health for other in siblings)
    since = min(other.since for other in siblings) if whole else state.since
    word = "up again" if state.health is Health.UP else state.health
    more = len({target for target in targets if not (whole and target.split("/")[0] == provider)} - {state.target})
    others = f" (and {plural(more, 'target')} more)" if more else ""
    return f"{provider if whole else state.target} is {word} since {clock(since, now)}{others}"
