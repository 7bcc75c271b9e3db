"""Whether a person must act now, when they can, or not at all, and what to do: for page and status (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from controller.alerts.severity import exposed_health, misconfigured_targets
from controller.incidents.incident import Incident
from controller.incidents.text import reasons
from controller.routing.overrides import OverrideKind
from controller.status.headline import RouteView
from monitor.formatting import listed, plural
from monitor.health import FAILING, Health
from monitor.liveness import Liveness, ServiceStatus

_NAMED = 3
_HARMED = FAILING | {Health.DEGRADED}


class Urgency(StrEnum):
    """When a person must act."""

    NOW = "now"
    LATER = "later"
    """When they can: no user is harmed by waiting, or what is done is not enough for good."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """What a person must do."""

    urgency: Urgency
    sentence: str
    """It begins with the urgency: `Act now: …`, `Act when you can: …`, `Nobody has to act…`."""


def next_action(
    service: ServiceStatus,
    routes: Sequence[RouteView],
    incidents: Sequence[Incident],
    *,
    blind: bool = False,
    budget_alarm: str | None = None,
    failing_channels: Sequence[str] = (),
) -> NextAction:
    """The most urgent thing that a person must do; `incidents` are those that are open.

    It never says that nobody has to act while users of a route are refused, slowed down or failing: then it says so,
    and what the route waits for. `failing_channels` are sentences about channels that take no alerts.
    """
    watched = service.liveness is Liveness.RUNNING
    now = chain(_of_service(watched=watched), _of_file(routes), _of_stuck(routes), _of_keys(incidents, now=True))
    if sentence := next(chain(now, _of_pins(routes)), None):
        return NextAction(urgency=Urgency.NOW, sentence=f"Act now: {sentence}")
    harmed = next(_of_users(routes), None)
    later = chain(
        _of_keys(incidents, now=False),
        [budget_alarm] if budget_alarm else [],
        [f"{sentence}; `hotspare alerts test` tries it" for sentence in failing_channels],
        (route.note for route in routes if route.waiting and route.note),
    )
    todo = next(later, None)
    if harmed:
        return NextAction(urgency=Urgency.LATER, sentence=f"{harmed}. {_begun(todo)}" if todo else f"{harmed}.")
    if todo:
        return NextAction(urgency=Urgency.LATER, sentence=_begun(todo))
    if blind:
        text = "Nobody has to act on a provider: see to this machine's network, until then nothing moves."
        return NextAction(urgency=Urgency.LATER, sentence=text)
    moved = [route.name for route in routes if route.failed_over]
    served = f": users of {listed(moved, _NAMED)} are served by another candidate" if moved and incidents else ""
    return NextAction(urgency=Urgency.NOBODY, sentence=f"Nobody has to act{served}.")


def _begun(todo: str) -> str:
    return f"Act when you can: {todo.rstrip('.')}."


def _of_service(*, watched: bool) -> Iterator[str]:
    if not watched:
        yield "start the monitor (`hotspare run`); nothing is probed and no route moves."


def _of_file(routes: Sequence[RouteView]) -> Iterator[str]:
    if any(route.published is not None for route in routes):
        yield "make the routing file writable; Hotspare's log says what is wrong, and it keeps trying."


def _of_stuck(routes: Sequence[RouteView]) -> Iterator[str]:
    if stuck := [route for route in routes if route.stuck]:
        users = f"users of {listed([route.name for route in stuck], _NAMED)} fail and no candidate is healthy"
        waits = f"; {stuck[0].waits_for}" if stuck[0].waits_for else ""
        yield f"{users}{waits}. Ask the vendor, or add a candidate."


def _of_keys(incidents: Sequence[Incident], *, now: bool) -> Iterator[str]:
    """What only a person can put right: keys, money and models' names."""
    for incident in incidents:
        todo = reasons(misconfigured_targets(incident))
        if todo and bool(exposed_health(incident)) is now:
            more = f" (and {plural(len(todo) - 1, 'other')})" if len(todo) > 1 else ""
            yield f"{todo[0]}{more}; users are on it." if now else f"{todo[0]}{more}; no user is on it"


def _of_pins(routes: Sequence[RouteView]) -> Iterator[str]:
    """Routes that an operator holds on a failing target."""
    for route in routes:
        if route.override and _health(route) in FAILING:
            held, end = ("paused", "resume") if route.override.kind is OverrideKind.PAUSE else ("pinned", "unpin")
            command = f"`hotspare {end} {route.override.subject} --reason …`"
            yield f"users of {route.name} fail, and it is {held} on {route.target}; {command} lets it move."


def _of_users(routes: Sequence[RouteView]) -> Iterator[str]:
    """Routes whose users are harmed now, the worst first."""
    worst_first = sorted(routes, key=lambda route: _health(route) not in FAILING)
    for route in worst_first:
        health = _health(route)
        if health in _HARMED:
            what = "fail" if health in FAILING else "get slow, wrong or refused answers"
            waits = route.note or f"{health} moves no route by fail_over_on, or no candidate is better"
            yield f"Users of {route.name} {what} on {route.target} ({health}); {waits}"


def _health(route: RouteView) -> Health:
    return next((each.health for each in route.candidates if each.target == route.target), Health.UNKNOWN)
