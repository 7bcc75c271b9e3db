"""Status pages of Atlassian's kind: `/api/v2/summary.json`, `incidents/unresolved.json` and `status.json` (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.json_access import (
    UnexpectedError,
    instant,
    listed,
    mapping,
    objects,
    state,
    word,
    worst,
)
from monitor.status_pages.reading import PageEntry, PageScope, VendorState

_IMPACTS = {
    "none": VendorState.DEGRADED,  # an incident that is not resolved is one, whatever the impact says
    "minor": VendorState.DEGRADED,
    "major": VendorState.PARTIAL_OUTAGE,
    "critical": VendorState.MAJOR_OUTAGE,
    "maintenance": VendorState.MAINTENANCE,
}
_OVER = frozenset({"resolved", "postmortem", "completed"})
_UNDER_WAY = frozenset({"in_progress", "verifying"})


def fits(document: Any) -> bool:
    """Whether the document is of this kind."""
    page = mapping(document)
    return isinstance(page.get("page"), dict) and (
        isinstance(page.get("incidents"), list) or bool(word(mapping(page.get("status")).get("indicator")))
    )


def troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """What matters of it; raises UnexpectedError when it is not what it seemed."""
    components = [one for one in objects(document.get("components")) if one.get("group") is not True]
    known = any(scope.wants(word(one.get("name"))) for one in components)
    if components and not known:
        scope = PageScope()  # names drift: then the whole page matters
    if not known:
        yield from _indicator(document)
    for one in components:
        if scope.wants(word(one.get("name"))):
            yield PageEntry(state=state(one.get("status")), name=word(one.get("name")))
    for incident in listed(document.get("incidents", [])):
        if word(incident.get("status")) not in _OVER and not incident.get("resolved_at"):
            yield from _incident(incident, scope)
    for planned in objects(document.get("scheduled_maintenances")):
        if word(planned.get("status")) in _UNDER_WAY:
            yield from _incident({**planned, "impact": "maintenance"}, scope)


def _indicator(document: Mapping[str, Any]) -> Iterator[PageEntry]:
    if "status" not in document:
        return
    indicator = word(mapping(document["status"]).get("indicator"))
    if indicator not in _IMPACTS:
        raise UnexpectedError("no indicator that is known")
    if indicator != "none":
        yield PageEntry(state=_IMPACTS[indicator], name=word(mapping(document["status"]).get("description")))


def _incident(incident: Mapping[str, Any], scope: PageScope) -> Iterator[PageEntry]:
    affected = objects(incident.get("components"))
    ours = [one for one in affected if scope.wants(word(one.get("name")))]
    if affected and not ours:
        return
    planned = word(incident.get("impact")) == "maintenance"
    said = [state(one.get("status")) for one in ours]
    hit = [one for one in said if one.admits] if not planned else []
    impact = worst(*hit) if hit else _IMPACTS.get(word(incident.get("impact")), VendorState.DEGRADED)
    since = instant(incident.get("started_at")) or instant(incident.get("created_at"))
    yield PageEntry(state=impact, name=word(incident.get("name")), since=since, incident=True)
