"""Parses status pages that list components and incidents, by the platform that serves them (pure).

Each platform has a function that recognises a document by its shape, and one that yields the entries in scope; that one
raises UnexpectedDocumentError where the document is malformed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.status_pages.reading import PageEntry, PageScope, UnexpectedDocumentError, VendorState, instant, worst
from probes.json_values import as_object, as_objects, as_text

#: The states of components, as the platforms name them.
_STATES = {state.value: state for state in VendorState} | {
    "available": VendorState.OPERATIONAL,
    "resolved": VendorState.OPERATIONAL,
    "under_maintenance": VendorState.MAINTENANCE,
    "degraded_performance": VendorState.DEGRADED,
    "full_outage": VendorState.MAJOR_OUTAGE,
    "downtime": VendorState.MAJOR_OUTAGE,
}
#: Of Statuspage's incidents.
_IMPACTS = {
    "none": VendorState.DEGRADED,  # an unresolved incident counts, whatever its impact
    "minor": VendorState.DEGRADED,
    "major": VendorState.PARTIAL_OUTAGE,
    "critical": VendorState.MAJOR_OUTAGE,
    "maintenance": VendorState.MAINTENANCE,
}
_STATUSPAGE_OVER = frozenset({"resolved", "postmortem", "completed"})
_OVER = frozenset({"resolved", "completed", "scheduled"})
_UNDER_WAY = frozenset({"in_progress", "verifying"})
_UNWATCHED = "not_monitored"


def is_statuspage(document: Any) -> bool:
    """Atlassian Statuspage: `/api/v2/summary.json`, `incidents/unresolved.json` and `status.json`."""
    page = as_object(document)
    return isinstance(page.get("page"), dict) and (
        isinstance(page.get("incidents"), list) or bool(as_text(as_object(page.get("status")).get("indicator")))
    )


def statuspage_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """Components and unresolved incidents; the indicator of the whole page only where it has nothing in scope."""
    components = [item for item in as_objects(document.get("components")) if item.get("group") is not True]
    if not any(scope.wants(_name(component)) for component in components):
        yield from _indicator(document)
    if components:
        scope = scope.within(map(_name, components))
    yield from _components(components, scope)
    for incident in _listed(document.get("incidents", [])):
        if as_text(incident.get("status")) not in _STATUSPAGE_OVER and not incident.get("resolved_at"):
            yield from _statuspage_incident(incident, scope)
    for planned in as_objects(document.get("scheduled_maintenances")):
        if as_text(planned.get("status")) in _UNDER_WAY:
            yield from _statuspage_incident({**planned, "impact": "maintenance"}, scope)


def _indicator(document: Mapping[str, Any]) -> Iterator[PageEntry]:
    if "status" not in document:
        return
    indicator = as_text(as_object(document["status"]).get("indicator"))
    if indicator not in _IMPACTS:
        raise UnexpectedDocumentError("no indicator that is known")
    if indicator != "none":
        yield PageEntry(state=_IMPACTS[indicator], name=as_text(as_object(document["status"]).get("description")))


def _statuspage_incident(incident: Mapping[str, Any], scope: PageScope) -> Iterator[PageEntry]:
    affected, impact = as_objects(incident.get("components")), as_text(incident.get("impact"))
    ours = [component for component in affected if scope.wants(_name(component))]
    troubles = [state for state in map(_status, ours) if state.is_trouble and impact != "maintenance"]
    if ours or not affected:
        reported = worst(*troubles) if troubles else _IMPACTS.get(impact, VendorState.DEGRADED)
        since = instant(incident.get("started_at")) or instant(incident.get("created_at"))
        yield PageEntry(state=reported, name=_name(incident), since=since, incident=True)


def is_incident_io(document: Any) -> bool:
    """The page of incident.io: `/proxy/HOST`."""
    summary = as_object(as_object(document).get("summary"))
    return isinstance(summary.get("components"), list) and isinstance(summary.get("ongoing_incidents"), list)


def incident_io_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """Affected components, for all others are operational, ongoing incidents and maintenances."""
    summary = document["summary"]
    names = {_ident(component): _name(component) for component in as_objects(summary["components"])}
    labels = dict(names)
    for item in as_objects(as_object(summary.get("structure")).get("items")):
        group = as_object(item.get("group"))
        for component in as_objects(group.get("components")):
            name = names.setdefault(_ident(component), _name(component))
            labels[_ident(component)] = f"{_name(group)} / {name}"
    scope = scope.within(labels.values())
    wanted = {ident for ident, label in labels.items() if scope.wants(label)}
    for component in as_objects(summary.get("affected_components")):
        if _ident(component) in wanted or _ident(component) not in names:
            yield PageEntry(state=_status(component), name=names.get(_ident(component), ""))
    for incident in _listed(summary["ongoing_incidents"]):
        yield from _incident_io_incident(incident, wanted)
    for planned in as_objects(summary.get("scheduled_maintenances")):
        if "in_progress" in as_text(planned.get("status")):
            yield from _incident_io_incident({**planned, "type": "maintenance"}, wanted)


def _incident_io_incident(incident: Mapping[str, Any], wanted: set[str]) -> Iterator[PageEntry]:
    impacts = [component for component in as_objects(incident.get("component_impacts")) if not component.get("end_at")]
    affected = [*impacts, *as_objects(incident.get("affected_components"))]
    began = [instant(component.get("start_at")) for component in affected if _ident(component) in wanted]
    since = min(filter(None, began), default=None) or instant(incident.get("published_at"))
    planned = "maintenance" in as_text(incident.get("type")) + as_text(incident.get("status"))
    yield from _incident(_name(incident), affected, lambda each: _ident(each) in wanted, since=since, planned=planned)


def _ident(component: Mapping[str, Any]) -> str:
    return as_text(component.get("component_id")) or as_text(component.get("id"))


def is_widget(document: Any) -> bool:
    """The widget of incident.io: `/api/v1/summary`."""
    widget = as_object(document)
    return isinstance(widget.get("ongoing_incidents"), list) and "in_progress_maintenances" in widget


def widget_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """Ongoing incidents, without their begin, for it has their last update only; and maintenances."""

    def is_ours(component: Mapping[str, Any]) -> bool:
        return scope.wants(as_text(component.get("group_name")), _name(component))

    for incident in _listed(document["ongoing_incidents"]):
        affected = as_objects(incident.get("affected_components"))
        impact = VendorState.DEGRADED if affected else _state(incident.get("current_worst_impact"))
        yield from _incident(_name(incident), affected, is_ours, least=impact, key="current_status")
    for planned in _listed(document["in_progress_maintenances"]):
        affected, since = as_objects(planned.get("affected_components")), instant(planned.get("started_at"))
        yield from _incident(_name(planned), affected, is_ours, since=since, planned=True)


def is_better_stack(document: Any) -> bool:
    """Better Stack's `/index.json`."""
    data = as_object(as_object(document).get("data"))
    return "aggregate_state" in as_object(data.get("attributes")) and isinstance(document.get("included"), list)


def better_stack_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The resources; reports only name their incidents, because planned ones are listed long in advance."""
    included = [(item.get("type"), as_object(item.get("attributes"))) for item in _listed(document["included"])]
    resources = [item for kind, item in included if kind == "status_page_resource" and item.get("status") != _UNWATCHED]
    ours = [item for item in resources if scope.wants(as_text(item.get("public_name")))] or resources
    if ours is resources:
        yield PageEntry(state=_state(document["data"]["attributes"]["aggregate_state"]), name="")
    for component in ours:
        yield PageEntry(state=_status(component), name=as_text(component.get("public_name")))
    troubled = worst(*map(_status, ours))
    for kind, report in included:
        reported = _state(report.get("aggregate_state"))
        if kind == "status_report" and reported.is_trouble and reported is troubled:
            since = instant(report.get("starts_at"))
            yield PageEntry(state=reported, name=as_text(report.get("title")), since=since, incident=True)


def is_datadog(document: Any) -> bool:
    """The `/config.json` of a status page by Datadog."""
    page = as_object(document)
    return isinstance(page.get("components"), list) and isinstance(page.get("incidents"), list) and "pageUrl" in page


def datadog_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """Components, which stand in a tree of two levels, and unresolved incidents."""
    components = [
        leaf
        for item in _listed(document["components"])
        for leaf in (as_objects(item["components"]) if isinstance(item.get("components"), list) else [item])
    ]
    scope = scope.within(map(_name, components))
    yield from _components(components, scope)
    for incident in _listed(document["incidents"]):
        if incident.get("resolved") is not True and as_text(incident.get("currentStatus")) not in _OVER:
            yield from _titled(incident, "componentsAffected", scope, instant(incident.get("publishedDate")))


def is_flashcat(document: Any) -> bool:
    """The `/summary/active` of a status page by Flashcat."""
    data = as_object(as_object(document).get("data"))
    page = as_object(data.get("page"))
    return isinstance(data.get("active_changes"), list) and isinstance(page.get("components"), list)


def flashcat_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """Ongoing changes; the components themselves have no state there."""
    data = document["data"]
    scope = scope.within(map(_name, as_objects(data["page"]["components"])))
    for change in _listed(data["active_changes"]):
        if as_text(change.get("status")) not in _OVER:
            yield from _titled(change, "affected_components", scope, instant(change.get("start_at_seconds")))


def _titled(incident: Mapping[str, Any], key: str, scope: PageScope, since: datetime | None) -> Iterator[PageEntry]:
    """An incident whose affected components stand under the key, else in its latest update."""
    latest = (as_objects(update.get(key)) for update in as_objects(incident.get("timeline")))
    affected = as_objects(incident.get(key)) or next(latest, [])
    ours = {_status(component) for component in affected if scope.wants(_name(component))}
    planned = ours == {VendorState.MAINTENANCE}
    title = as_text(incident.get("title"))
    yield from _incident(title, affected, lambda each: scope.wants(_name(each)), since=since, planned=planned)


def _components(components: Sequence[Mapping[str, Any]], scope: PageScope) -> Iterator[PageEntry]:
    for component in components:
        if scope.wants(_name(component)):
            yield PageEntry(state=_status(component), name=_name(component))


def _incident(
    name: str,
    affected: Sequence[Mapping[str, Any]],
    is_ours: Callable[[Mapping[str, Any]], bool],
    *,
    since: datetime | None = None,
    planned: bool = False,
    least: VendorState = VendorState.DEGRADED,
    key: str = "status",
) -> Iterator[PageEntry]:
    """The incident, unless it names the affected components and none is ours; one that goes on is at least degraded."""
    ours = [_state(component.get(key)) for component in affected if is_ours(component)]
    if ours or not affected:
        reported = VendorState.MAINTENANCE if planned else worst(VendorState.DEGRADED, least, *ours)
        yield PageEntry(state=reported, name=name, since=since, incident=True)


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; raises UnexpectedDocumentError unless the value is a list of objects only."""
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise UnexpectedDocumentError("no list of objects")
    return value


def _state(value: Any) -> VendorState:
    """The state that a platform names so; `unknown` for any other name."""
    return _STATES.get(as_text(value).casefold(), VendorState.UNKNOWN)


def _status(item: Mapping[str, Any]) -> VendorState:
    return _state(item.get("status"))


def _name(item: Mapping[str, Any]) -> str:
    return as_text(item.get("name"))
