"""How urgent a message is: what needs a person now, what was handled, what is merely worth knowing (pure)."""

from collections.abc import Iterable

from controller.incidents.incident import AffectedTarget, Incident, IncidentKind, RouteImpact
from monitor.config.alert_settings import Severity
from monitor.health import FAILING, Health

#: The health of a target that no longer fails: well again, or no longer configured.
SETTLED = frozenset({Health.UP, Health.UNKNOWN})
#: Parts of the kinds of events that somebody should look at.
_WARNING_PARTS = ("failing", "attention", "ignored", "held", "stopped", "reserve", "database")
_ORDER = tuple(Severity)


def severity_of(incident: Incident) -> Severity:
    """`critical` where a person must act now, `warning` for any other trouble that is not over, else `info`.

    A person must act where a route has nowhere to go, where the routing file cannot be written, where users are on a
    target that only a person can put right, and where an operator holds a route on a failing target.
    """
    if incident.resolved_at:
        return Severity.INFO
    urgent = any(
        route.unpublished or is_stuck_now(route, incident) or is_held_on_failing(route, incident)
        for route in incident.routes
    )
    if urgent or (misconfigured_targets(incident) and exposed_health(incident)):
        return Severity.CRITICAL
    return Severity.WARNING


def most_urgent(severities: Iterable[Severity]) -> Severity:
    """The most urgent of them; `info` where there are none."""
    return min(severities, key=_ORDER.index, default=Severity.INFO)


def severity_of_notice(kind: str) -> Severity:
    """How urgent an event of this kind is, such as `pinned`."""
    return Severity.WARNING if any(part in kind for part in _WARNING_PARTS) else Severity.INFO


def is_stuck_now(route: RouteImpact, incident: Incident) -> bool:
    """Whether the route's users are on a failing target and nothing else is eligible.

    Only the incident of that target says so: one cause is one call.
    """
    about_it = incident.kind is IncidentKind.NOTHING_ELIGIBLE or route_trouble(route, incident)
    return bool(route.stuck and not incident.resolved_at and about_it and about_it is not Health.RECOVERING)


def is_held_on_failing(route: RouteImpact, incident: Incident) -> bool:
    """Whether an operator's pin or pause holds the route on a target of this incident that fails."""
    return bool(route.held) and not incident.resolved_at and route_trouble(route, incident) in FAILING


def route_trouble(route: RouteImpact, incident: Incident) -> Health | None:
    """The health of the route's target where this incident is about it, and it is not settled; else None."""
    failing = {affected.target: affected.health for affected in incident.affected if affected.health not in SETTLED}
    return failing.get(route.target)


def exposed_health(incident: Incident) -> frozenset[Health]:
    """The bad health of the targets that users are on."""
    healths = (route_trouble(route, incident) for route in incident.routes)
    return frozenset(health for health in healths if health and health is not Health.RECOVERING)


def misconfigured_targets(incident: Incident) -> list[AffectedTarget]:
    """What only a person can put right, and nobody has yet."""
    if incident.kind is not IncidentKind.CONFIGURATION:
        return []
    return [affected for affected in incident.affected if affected.health is Health.MISCONFIGURED]
