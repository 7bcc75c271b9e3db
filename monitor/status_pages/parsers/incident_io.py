"""Parses status pages of incident.io: `/proxy/HOST`, and the widget's `/api/v1/summary` (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.fields import instant, listed, name_of, state, status_of
from monitor.status_pages.reading import PageEntry, PageScope, VendorState, worst
from probes.json_values import as_object, as_objects, as_text


def fits(document: Any) -> bool:
    """Whether the document is the page itself."""
    summary = as_object(as_object(document).get("summary"))
    return isinstance(summary.get("components"), list) and isinstance(summary.get("ongoing_incidents"), list)


def fits_widget(document: Any) -> bool:
    """Whether the document is the widget."""
    widget = as_object(document)
    return isinstance(widget.get("ongoing_incidents"), list) and "in_progress_maintenances" in widget


def entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The entries of the page in scope; it lists affected components only, all others are operational."""
    summary = document["summary"]
    names = _names(summary)
    if not any(scope.wants(*labels) for labels in names.values()):
        scope = PageScope()
    wanted = {ident for ident, labels in names.items() if scope.wants(*labels)}
    for component in as_objects(summary.get("affected_components")):
        if _ident(component) in wanted or _ident(component) not in names:
            yield PageEntry(state=status_of(component), name=names.get(_ident(component), ("",))[-1])
    for incident in listed(summary["ongoing_incidents"]):
        yield from _incident(incident, wanted)
    for planned in as_objects(summary.get("scheduled_maintenances")):
        if "in_progress" in as_text(planned.get("status")):
            yield from _incident({**planned, "type": "maintenance"}, wanted)


def widget_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The entries of the widget in scope; it has no begin of an incident, only its last update."""
    for incident in listed(document["ongoing_incidents"]):
        affected = as_objects(incident.get("affected_components"))
        ours = [component for component in affected if _is_wanted(component, scope)]
        if ours or not affected:
            reported = [state(component.get("current_status")) for component in ours]
            reported = reported or [state(incident.get("current_worst_impact"))]
            # An ongoing incident is at least degraded, whatever its components are.
            yield PageEntry(state=worst(VendorState.DEGRADED, *reported), name=name_of(incident), incident=True)
    for planned in listed(document["in_progress_maintenances"]):
        affected = as_objects(planned.get("affected_components"))
        if not affected or any(_is_wanted(component, scope) for component in affected):
            since = instant(planned.get("started_at"))
            yield PageEntry(state=VendorState.MAINTENANCE, name=name_of(planned), since=since, incident=True)


def _is_wanted(component: Mapping[str, Any], scope: PageScope) -> bool:
    return scope.wants(as_text(component.get("group_name")), name_of(component))


def _names(summary: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of each component by its id: its group's name, if any, then its own."""
    names: dict[str, tuple[str, ...]] = {}
    for component in as_objects(summary["components"]):
        names[_ident(component)] = (name_of(component),)
    for item in as_objects(as_object(summary.get("structure")).get("items")):
        group = as_object(item.get("group"))
        for component in as_objects(group.get("components")):
            own = names.get(_ident(component), (name_of(component),))[-1]
            names[_ident(component)] = (name_of(group), own)
    return names


def _ident(component: Mapping[str, Any]) -> str:
    return as_text(component.get("component_id")) or as_text(component.get("id"))


def _incident(incident: Mapping[str, Any], wanted: set[str]) -> Iterator[PageEntry]:
    impacts = [component for component in as_objects(incident.get("component_impacts")) if not component.get("end_at")]
    affected = [*impacts, *as_objects(incident.get("affected_components"))]
    ours = [component for component in affected if _ident(component) in wanted]
    if affected and not ours:
        return
    maintenance = "maintenance" in as_text(incident.get("type")) + as_text(incident.get("status"))
    states = (VendorState.DEGRADED, *map(status_of, ours))
    reported = VendorState.MAINTENANCE if maintenance else worst(*states)
    began = [at for component in ours if (at := instant(component.get("start_at")))]
    since = min(began, default=None) or instant(incident.get("published_at"))
    yield PageEntry(state=reported, name=name_of(incident), since=since, incident=True)
