"""The overview in the words of Statuspage's public API, version 2, for the clients that read such pages (pure).

https://metastatuspage.com/api: components are the routes, and each provider with its targets.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from controller.alerts.severity import severity_of
from controller.incidents import text
from controller.incidents.incident import EntryKind, Incident, TimelineEntry
from controller.routing.overrides import Override, OverrideKind, Overrides
from controller.status.headline import Level, RouteView
from controller.status.overview import Overview
from monitor.config.alert_settings import Severity
from monitor.formatting import instant
from monitor.health import WORST_FIRST, Health, TargetHealth
from monitor.liveness import Liveness

_INDICATORS: Final = {Level.GOOD: "none", Level.NOTICE: "minor", Level.BAD: "major", Level.UNKNOWN: "minor"}
#: There is no word for what is not known; it is never called operational.
_COMPONENT: Final = {
    Health.UP: "operational",
    Health.SUSPECT: "operational",
    Health.UNUSABLE: "partial_outage",
    Health.DOWN: "major_outage",
    Health.MISCONFIGURED: "major_outage",
}
_UNSURE: Final = "degraded_performance"
_MAINTAINED: Final = "under_maintenance"
_IMPACTS: Final = {Severity.CRITICAL: "critical", Severity.WARNING: "major", Severity.INFO: "minor"}
_STEPS: Final = {EntryKind.MOVED: "identified", EntryKind.RESOLVED: "resolved"}
_INVESTIGATING: Final = "investigating"
#: The newest of an incident's timeline.
_MOST_UPDATES: Final = 50


def summary(overview: Overview, *, title: str, url: str) -> dict[str, Any]:
    """`summary.json`; `title` and `url` are those of the page."""
    return {
        **components(overview, title=title, url=url),
        "incidents": _incidents(overview.open_incidents),
        "scheduled_maintenances": [_maintenance(override) for override in _maintenances(overview)],
        "status": _status(overview),
    }


def status(overview: Overview, *, title: str, url: str) -> dict[str, Any]:
    """`status.json`."""
    return {"page": _page(overview, title, url), "status": _status(overview)}


def components(overview: Overview, *, title: str, url: str) -> dict[str, Any]:
    """`components.json`."""
    return {"page": _page(overview, title, url), "components": list(_components(overview))}


def incidents(overview: Overview, *, title: str, url: str) -> dict[str, Any]:
    """`incidents.json`: the open ones and the last that were resolved."""
    found = (*overview.open_incidents, *overview.past_incidents)
    return {"page": _page(overview, title, url), "incidents": _incidents(found)}


def unresolved(overview: Overview, *, title: str, url: str) -> dict[str, Any]:
    """`incidents/unresolved.json`."""
    return {"page": _page(overview, title, url), "incidents": _incidents(overview.open_incidents)}


def _page(overview: Overview, title: str, url: str) -> dict[str, Any]:
    at = instant(overview.now)
    return {"id": _id("page"), "name": title, "url": url, "time_zone": "Etc/UTC", "updated_at": at}


def _status(overview: Overview) -> dict[str, str]:
    """The headline; `critical` where users of a route fail now."""
    hit = any(_route_status(route) == "major_outage" for route in overview.routes)
    is_critical = overview.level is Level.BAD and hit and overview.service.liveness is Liveness.RUNNING
    return {"indicator": "critical" if is_critical else _INDICATORS[overview.level], "description": overview.headline}


def _maintenances(overview: Overview) -> list[Override]:
    return [override for override in overview.overrides if override.kind is OverrideKind.MAINTENANCE]


def _maintenance(override: Override) -> dict[str, Any]:
    begun_at = instant(override.at)
    return {
        "id": _id(f"maintenance {override.id}"),
        "name": f"maintenance of {override.subject}",
        "status": "in_progress",
        "created_at": begun_at,
        "updated_at": begun_at,
        "monitoring_at": None,
        "resolved_at": None,
        "impact": "maintenance",
        "shortlink": "",
        "started_at": begun_at,
        "page_id": _id("page"),
        "incident_updates": [],
        "components": [],
        "scheduled_for": begun_at,
        "scheduled_until": instant(override.until),
    }


def _components(overview: Overview) -> Iterator[dict[str, Any]]:
    watched_since = overview.service.beat.started_at if overview.service.beat else overview.now
    position = 0
    for route in overview.routes:
        position += 1
        about = f"on {route.target}" + (f"; {route.note}" if route.note else "")
        since = route.since or watched_since
        yield _component(f"route {route.name}", route.name, _route_status(route), since, position, about=about)
    works = Overrides(active=overview.overrides)
    by_provider: dict[str, list[TargetHealth]] = {}
    for view in overview.targets:
        by_provider.setdefault(view.state.target.partition("/")[0], []).append(view.state)
    for provider, states in by_provider.items():
        position += 1
        group = _id(f"provider {provider}")
        worst = min(states, key=lambda state: WORST_FIRST.index(state.health))
        members = [_id(f"target {state.target}") for state in states]
        state = _component(f"provider {provider}", provider, _watched_status(worst, works), worst.since, position)
        yield {**state, "group": True, "components": members}
        for number, each in enumerate(states, 1):
            component = _component(
                *(f"target {each.target}", each.target, _watched_status(each, works), each.since, number),
                about=each.health,
            )
            yield {**component, "group_id": group}


def _component(
    key: str, name: str, state: str, since: datetime, position: int, *, about: str | None = None
) -> dict[str, Any]:
    return {
        "id": _id(key),
        "name": name,
        "status": state,
        "created_at": instant(since),
        "updated_at": instant(since),
        "position": position,
        "description": about,
        "showcase": True,
        "start_date": None,
        "group_id": None,
        "page_id": _id("page"),
        "group": False,
        "only_show_if_degraded": False,
    }


def _watched_status(state: TargetHealth, works: Overrides) -> str:
    return _MAINTAINED if works.maintained(state.target) else _target_status(state.health)


def _target_status(health: Health) -> str:
    return _COMPONENT.get(health, _UNSURE)


def _route_status(route: RouteView) -> str:
    """What its users get: that it was moved is no fault any more."""
    health = next((each.health for each in route.candidates if each.target == route.target), Health.UNKNOWN)
    if route.stuck or health in {Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED}:
        return "major_outage"
    return "partial_outage" if route.published is not None else _target_status(health)


def _incidents(incidents: Iterable[Incident]) -> list[dict[str, Any]]:
    return [_incident(incident) for incident in incidents]


def _incident(incident: Incident) -> dict[str, Any]:
    key = _id(f"incident {incident.id}")
    updates = _updates(incident, key)
    changed_at = max([incident.opened_at, *(entry.at for entry in incident.timeline)])
    return {
        "id": key,
        "name": text.title(incident),
        "status": _incident_status(incident),
        "created_at": instant(incident.opened_at),
        "updated_at": instant(changed_at),
        "monitoring_at": None,
        "resolved_at": instant(incident.resolved_at) if incident.resolved_at else None,
        "impact": _IMPACTS[severity_of(incident)],
        "shortlink": incident.link or "",
        "started_at": instant(incident.onset),
        "page_id": _id("page"),
        "incident_updates": updates,
        "components": [
            _component(f"target {each.target}", each.target, _target_status(each.health), each.since, number)
            for number, each in enumerate(incident.affected, 1)
        ],
    }


def _incident_status(incident: Incident) -> str:
    """How far it is: `monitoring` once nothing of it fails any more, `identified` once a route has moved."""
    if incident.resolved_at:
        return "resolved"
    if incident.affected and all(each.health in {Health.UP, Health.RECOVERING} for each in incident.affected):
        return "monitoring"
    moved = any(entry.kind is EntryKind.MOVED for entry in incident.timeline)
    return "identified" if moved else _INVESTIGATING


def _updates(incident: Incident, incident_key: str) -> list[dict[str, Any]]:
    """Its timeline, the newest first; an entry without a step of its own belongs to the last step before it."""
    updates, step = [], _INVESTIGATING
    for entry in sorted(incident.timeline, key=lambda entry: (entry.at, entry.number)):
        step = _INVESTIGATING if entry.kind is EntryKind.REOPENED else _STEPS.get(entry.kind, step)
        updates.append(_update(entry, step, incident_key))
    return updates[: -_MOST_UPDATES - 1 : -1]


def _update(entry: TimelineEntry, step: str, incident_key: str) -> dict[str, Any]:
    at = instant(entry.at)
    return {
        "id": _id(f"{incident_key} {entry.number}"),
        "status": step,
        "body": text.entry_text(entry),
        "incident_id": incident_key,
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": [],
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }


def _id(key: str) -> str:
    """Twelve characters, as Statuspage's ids have, always the same for the same thing."""
    return sha256(key.encode(errors="replace")).hexdigest()[:12]


DOCUMENTS: Final = {
    "summary": summary,
    "status": status,
    "components": components,
    "incidents": incidents,
    "incidents/unresolved": unresolved,
}
"""What makes each document, by its address below `/api/v2/`."""
