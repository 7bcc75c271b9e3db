"""What strangers may see of it all: the one rule for the live page with `ui.public` and for the static file (pure).

It keeps names, health, shares, times and what vendors publish themselves. Gone are what providers wrote, reasons and
evidence, commands, costs, machines, alerts, and who did what.
"""

from dataclasses import replace
from typing import Final

from controller.alerts.next_action import NextAction
from controller.incidents.incident import EntryKind, Incident
from controller.routing.drill import outcome
from controller.routing.overrides import Override
from controller.status.headline import RouteView, headline
from controller.status.incident_view import IncidentView
from controller.status.overview import Overview, TargetView
from controller.status.probe_history import RecentDetails
from monitor.connectivity.state import ConnectivityState
from monitor.health import Health

#: What stands for an operator.
_SOMEBODY: Final = "an operator"
_NOT_NOW: Final = "not now"
_UNKNOWN: Final = "nothing is judged yet"
#: What remains of a timeline, and in which words.
_STORY: Final = {
    EntryKind.FIRST_FAILURE: "The first probe failed",
    EntryKind.MOVED: "A route was moved",
    EntryKind.HELD: "A route stays where it is",
    EntryKind.REOPENED: "It came back",
    EntryKind.RESOLVED: "It is over",
}


def public_overview(overview: Overview) -> Overview:
    """The overview without anything that is not for strangers."""
    routes = tuple(map(_public_route, overview.routes))
    targets = tuple(map(_public_target, overview.targets))
    state = overview.connectivity.state if overview.connectivity else ConnectivityState.ONLINE
    level, sentence = headline(overview.service, routes, [view.state for view in targets], overview.now, state)
    beat = overview.service.beat
    bare = beat and replace(beat, pid=0, host="", version="", revision=None, refused=None)
    return replace(
        overview,
        level=level,
        headline=sentence,
        action=NextAction(urgency=overview.action.urgency, sentence=""),
        service=replace(overview.service, beat=bare),
        routes=routes,
        targets=targets,
        open_incidents=tuple(map(public_incident, overview.open_incidents)),
        past_incidents=tuple(map(public_incident, overview.past_incidents)),
        decisions=tuple(replace(decision, reason="") for decision in overview.decisions),
        events=(),
        overrides=tuple(map(public_override, overview.overrides)),
        money=None,
        evidence_trails={},
        route_periods={},
        failing_channels=(),
        machine=None,
        pending_alerts=None,
    )


def public_incident(incident: Incident) -> Incident:
    """The incident likewise: when, what, and what came of it."""
    return replace(
        incident,
        affected=tuple(replace(affected, reason="") for affected in incident.affected),
        timeline=tuple(
            replace(entry, text=_STORY[entry.kind], author=None) for entry in incident.timeline if entry.kind in _STORY
        ),
        routes=tuple(
            replace(route, waiting=None, held="", command="", least_bad="", stuck_until="") for route in incident.routes
        ),
        runbooks=(),
        periods=incident.bad_periods,
        numbers=(),
        request_ids=(),
        acknowledged_by=None,
    )


def public_incident_view(view: IncidentView) -> IncidentView:
    """All that strangers may know of one incident."""
    return IncidentView(incident=public_incident(view.incident), periods=view.periods, trails=())


def _public_route(route: RouteView) -> RouteView:
    return replace(
        route,
        reason="",
        candidates=tuple(
            replace(
                candidate,
                drain=candidate.drain and public_override(candidate.drain),
                maintenance=candidate.maintenance and public_override(candidate.maintenance),
                why_not=candidate.why_not and _NOT_NOW,
                eligible=False,
            )
            for candidate in route.candidates
        ),
        override=route.override and public_override(route.override),
        drill=public_override(route.drill) if route.drill and outcome(route.drill) == "proven" else None,
        waiting=None,
        waits_for=None,
    )


def _public_target(view: TargetView) -> TargetView:
    reason = _UNKNOWN if view.state.health is Health.UNKNOWN else ""
    return replace(
        view,
        state=replace(view.state, reason=reason, evidence=0.0),
        history=replace(view.history, cost_day_usd=None),
        details=RecentDetails(),
        background=None,
        learned_blip_s=None,
    )


def public_override(override: Override) -> Override:
    """The override without who laid it on, and why."""
    return replace(override, author=_SOMEBODY, reason="", ended_by=None, ended_reason=None)
