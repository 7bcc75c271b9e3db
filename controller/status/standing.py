"""Where a route's users are, as the page's view of it says, for whoever asks whether a person must act (pure)."""

from datetime import datetime

from controller.alerts.next_action import RouteStanding
from controller.routing.overrides import Overrides
from controller.routing.remedies import find_remedy
from controller.status.headline import RouteView
from monitor.health import Health


def route_standing(view: RouteView, overrides: Overrides, now: datetime) -> RouteStanding:
    """The standing of a route; `overrides` are those that have an effect."""
    health = {candidate.target: candidate.health for candidate in view.candidates}
    remedy = find_remedy(view.name, view.target, health, overrides, now)
    return RouteStanding(
        route=view.name,
        target=view.target,
        health=health.get(view.target, Health.UNKNOWN),
        stuck=view.stuck,
        unpublished=view.published is not None,
        held=remedy.held,
        command=remedy.command,
        waits=view.waits_for or "",
        would=view.would or "",
        waiting=view.waiting or "",
        moved=view.failed_over,
    )
