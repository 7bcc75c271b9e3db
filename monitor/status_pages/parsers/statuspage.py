"""Parses Atlassian Statuspage: `/api/v2/summary.json`, `incidents/unresolved.json` and `status.json` (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.fields import instant, listed, name_of, status_of
from monitor.status_pages.reading import PageEntry, PageScope, UnexpectedError, VendorState, worst
from probes.json_values import as_object, as_objects, as_text

_IMPACTS = {
    "none": VendorState.DEGRADED,  # an unresolved incident counts, whatever its impact
    "minor": VendorState.DEGRADED,
    "major": VendorState.PARTIAL_OUTAGE,
    "critical": VendorState.MAJOR_OUTAGE,
    "maintenance": VendorState.MAINTENANCE,
}
_OVER = frozenset({"resolved", "postmortem", "completed"})
_UNDER_WAY = frozenset({"in_progress", "verifying"})


def fits(document: Any) -> bool:
    """Whether the document is of this format."""
    page = as_object(document)
    return isinstance(page.get("page"), dict) and (
        isinstance(page.get("incidents"), list) or bool(as_text(as_object(page.get("status")).get("indicator")))
    )


def entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The entries in scope; raises UnexpectedError when the document is malformed."""
    components = [item for item in as_objects(document.get("components")) if item.get("group") is not True]
    known = any(scope.wants(name_of(component)) for component in components)
    if components and not known:
        scope = PageScope()  # vendors rename components: then the whole page is in scope
    if not known:
        yield from _indicator(document)
    for component in components:
        if scope.wants(name_of(component)):
            yield PageEntry(state=status_of(component), name=name_of(component))
    for incident in listed(document.get("incidents", [])):
        if as_text(incident.get("status")) not in _OVER and not incident.get("resolved_at"):
            yield from _incident(incident, scope)
    for planned in as_objects(document.get("scheduled_maintenances")):
        if as_text(planned.get("status")) in _UNDER_WAY:
            yield from _incident({**planned, "impact": "maintenance"}, scope)


def _indicator(document: Mapping[str, Any]) -> Iterator[PageEntry]:
    if "status" not in document:
        return
    indicator = as_text(as_object(document["status"]).get("indicator"))
    if indicator not in _IMPACTS:
        raise UnexpectedError("no indicator that is known")
    if indicator != "none":
        yield PageEntry(state=_IMPACTS[indicator], name=as_text(as_object(document["status"]).get("description")))


def _incident(incident: Mapping[str, Any], scope: PageScope) -> Iterator[PageEntry]:
    affected = as_objects(incident.get("components"))
    ours = [component for component in affected if scope.wants(name_of(component))]
    if affected and not ours:
        return
    planned = as_text(incident.get("impact")) == "maintenance"
    troubles = [state for state in map(status_of, ours) if state.is_trouble and not planned]
    impact = worst(*troubles) if troubles else _IMPACTS.get(as_text(incident.get("impact")), VendorState.DEGRADED)
    since = instant(incident.get("started_at")) or instant(incident.get("created_at"))
    yield PageEntry(state=impact, name=name_of(incident), since=since, incident=True)
