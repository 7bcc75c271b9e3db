"""Whether a route had trouble lately: the answer that a deployment waits for (pure)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from controller.incidents.impact import touches
from controller.incidents.incident import Incident
from controller.incidents.text import title
from controller.routing.decision import Decision, MoveKind
from monitor.config.route import Route
from monitor.formatting import clock
from monitor.health import UNHEALTHY, TargetHealth
from monitor.liveness import Liveness, ServiceStatus

_TROUBLE = frozenset({MoveKind.FAILOVER, MoveKind.LEAST_BAD, MoveKind.ABORT})


def troubles(
    route: Route,
    *,
    incidents: Iterable[Incident],
    decisions: Iterable[Decision],
    state: TargetHealth | None,
    within: timedelta,
    now: datetime,
) -> list[str]:
    """What was wrong with the route within that time, as sentences: incidents that touch it, moves off a target.

    `state` is the health of the target that it is on.
    """
    found = []
    for incident in incidents:
        if touches(incident, route) and (incident.resolved_at is None or incident.resolved_at > now - within):
            how = "is open" if incident.resolved_at is None else f"was resolved at {clock(incident.resolved_at, now)}"
            found.append(f"{title(incident)}: incident {incident.id} {how}")
    moves = (each for each in decisions if each.route == route.name and each.move in _TROUBLE)
    found += [
        f"{route.name} moved to {move.target} at {clock(move.at, now)}: {move.reason}"
        for move in moves
        if move.at > now - within
    ]
    if state is None:
        found.append(f"nothing is known of where {route.name} is")
    elif state.health in UNHEALTHY:
        found.append(f"{route.name} is on {state.target}: {state.sentence}")
    return found


def unwatched(service: ServiceStatus) -> list[str]:
    """That nobody watches, so that nothing is known."""
    return [] if service.liveness is Liveness.RUNNING else [f"the service is {service.liveness}: nobody watches"]
