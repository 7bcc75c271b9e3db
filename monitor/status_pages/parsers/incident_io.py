"""Status pages of incident.io: `/proxy/HOST`, and the widget's `/api/v1/summary` (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.json_access import instant, listed, mapping, objects, state, word, worst
from monitor.status_pages.reading import PageEntry, PageScope, VendorState


def fits(document: Any) -> bool:
    """Whether the document is of this kind: the page itself."""
    summary = mapping(mapping(document).get("summary"))
    return isinstance(summary.get("components"), list) and isinstance(summary.get("ongoing_incidents"), list)


def fits_widget(document: Any) -> bool:
    """Whether the document is of this kind: the widget."""
    widget = mapping(document)
    return isinstance(widget.get("ongoing_incidents"), list) and "in_progress_maintenances" in widget


def troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """What matters of the page; only what is affected is listed there, all else is operational."""
    summary = document["summary"]
    names = _names(summary)
    if not any(scope.wants(*labels) for labels in names.values()):
        scope = PageScope()
    wanted = {ident for ident, labels in names.items() if scope.wants(*labels)}
    for one in objects(summary.get("affected_components")):
        if _ident(one) in wanted or _ident(one) not in names:
            yield PageEntry(state=state(one.get("status")), name=names.get(_ident(one), ("",))[-1])
    for incident in listed(summary["ongoing_incidents"]):
        yield from _incident(incident, wanted)
    for planned in objects(summary.get("scheduled_maintenances")):
        if "in_progress" in word(planned.get("status")):
            yield from _incident({**planned, "type": "maintenance"}, wanted)


def widget_troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """What matters of the widget; it does not say when an incident began, only when it was last written about."""
    for incident in listed(document["ongoing_incidents"]):
        affected = objects(incident.get("affected_components"))
        ours = [one for one in affected if scope.wants(word(one.get("group_name")), word(one.get("name")))]
        if ours or not affected:
            said = [state(one.get("current_status")) for one in ours] or [state(incident.get("current_worst_impact"))]
            yield PageEntry(state=_at_least_degraded(said), name=word(incident.get("name")), incident=True)
    for planned in listed(document["in_progress_maintenances"]):
        affected = objects(planned.get("affected_components"))
        if not affected or any(scope.wants(word(one.get("group_name")), word(one.get("name"))) for one in affected):
            since = instant(planned.get("started_at"))
            yield PageEntry(state=VendorState.MAINTENANCE, name=word(planned.get("name")), since=since, incident=True)


def _names(summary: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of each component by its id: that of its group, if any, before its own."""
    names: dict[str, tuple[str, ...]] = {}
    for one in objects(summary["components"]):
        names[_ident(one)] = (word(one.get("name")),)
    for item in objects(mapping(summary.get("structure")).get("items")):
        group = mapping(item.get("group"))
        for one in objects(group.get("components")):
            own = names.get(_ident(one), (word(one.get("name")),))[-1]
            names[_ident(one)] = (word(group.get("name")), own)
    return names


def _ident(one: Mapping[str, Any]) -> str:
    return word(one.get("component_id")) or word(one.get("id"))


def _incident(incident: Mapping[str, Any], wanted: set[str]) -> Iterator[PageEntry]:
    impacts = [one for one in objects(incident.get("component_impacts")) if not one.get("end_at")]
    affected = [*impacts, *objects(incident.get("affected_components"))]
    ours = [one for one in affected if _ident(one) in wanted]
    if affected and not ours:
        return
    maintenance = "maintenance" in word(incident.get("type")) + word(incident.get("status"))
    said = VendorState.MAINTENANCE if maintenance else _at_least_degraded([state(one.get("status")) for one in ours])
    began = [at for one in ours if (at := instant(one.get("start_at")))]
    since = min(began, default=None) or instant(incident.get("published_at"))
    yield PageEntry(state=said, name=word(incident.get("name")), since=since, incident=True)


def _at_least_degraded(said: list[VendorState]) -> VendorState:
    """An incident that goes on is one, whatever its components are said to be."""
    return worst(VendorState.DEGRADED, *said)
