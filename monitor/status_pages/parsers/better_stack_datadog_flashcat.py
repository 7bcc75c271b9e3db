"""Parses status pages of Better Stack, Datadog and Flashcat (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.fields import instant, listed, name_of, state, status_of
from monitor.status_pages.reading import PageEntry, PageScope, VendorState, worst
from probes.json_values import as_object, as_objects, as_text

_UNWATCHED = "not_monitored"
_OVER = frozenset({"resolved", "completed", "scheduled"})


def fits_better_stack(document: Any) -> bool:
    """Whether the document is Better Stack's `/index.json`."""
    data = as_object(as_object(document).get("data"))
    return "aggregate_state" in as_object(data.get("attributes")) and isinstance(document.get("included"), list)


def better_stack_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The resources in scope; reports only name their incidents, because planned ones are listed long in advance."""
    included = [(item.get("type"), as_object(item.get("attributes"))) for item in listed(document["included"])]
    resources = [item for kind, item in included if kind == "status_page_resource" and item.get("status") != _UNWATCHED]
    ours = [item for item in resources if scope.wants(as_text(item.get("public_name")))] or resources
    if ours is resources:
        yield PageEntry(state=state(document["data"]["attributes"]["aggregate_state"]), name="")
    troubled = VendorState.OPERATIONAL
    for component in ours:
        troubled = worst(troubled, status_of(component))
        yield PageEntry(state=status_of(component), name=as_text(component.get("public_name")))
    for kind, component in included:
        reported = state(component.get("aggregate_state"))
        if kind == "status_report" and reported.is_trouble and reported is troubled:
            since = instant(component.get("starts_at"))
            yield PageEntry(state=reported, name=as_text(component.get("title")), since=since, incident=True)


def fits_datadog(document: Any) -> bool:
    """Whether the document is the `/config.json` of a status page by Datadog."""
    page = as_object(document)
    return isinstance(page.get("components"), list) and isinstance(page.get("incidents"), list) and "pageUrl" in page


def datadog_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The components in scope, and the unresolved incidents on them."""
    leaves = list(_leaves(listed(document["components"])))
    if not any(scope.wants(name_of(component)) for component in leaves):
        scope = PageScope()
    for component in leaves:
        if scope.wants(name_of(component)):
            yield PageEntry(state=status_of(component), name=name_of(component))
    for incident in listed(document["incidents"]):
        if incident.get("resolved") is not True and as_text(incident.get("currentStatus")) not in _OVER:
            yield from _affecting(incident, "componentsAffected", scope, instant(incident.get("publishedDate")))


def fits_flashcat(document: Any) -> bool:
    """Whether the document is the `/summary/active` of a status page by Flashcat."""
    data = as_object(as_object(document).get("data"))
    page = as_object(data.get("page"))
    return isinstance(data.get("active_changes"), list) and isinstance(page.get("components"), list)


def flashcat_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The ongoing changes in scope; the components themselves have no state there."""
    data = document["data"]
    if not any(scope.wants(name_of(component)) for component in as_objects(data["page"]["components"])):
        scope = PageScope()
    for change in listed(data["active_changes"]):
        if as_text(change.get("status")) not in _OVER:
            yield from _affecting(change, "affected_components", scope, instant(change.get("start_at_seconds")))


def _affecting(incident: Mapping[str, Any], key: str, scope: PageScope, since: Any) -> Iterator[PageEntry]:
    """The incident, unless it names the affected components and none is in scope."""
    latest = (as_objects(entry.get(key)) for entry in as_objects(incident.get("timeline")))
    affected = as_objects(incident.get(key)) or next(latest, [])
    ours = [component for component in affected if scope.wants(name_of(component))]
    if ours or not affected:
        reported = worst(VendorState.DEGRADED, *(status_of(component) for component in ours))
        maintenance = bool(ours) and all(status_of(component) is VendorState.MAINTENANCE for component in ours)
        known = VendorState.MAINTENANCE if maintenance else reported
        yield PageEntry(state=known, name=as_text(incident.get("title")), since=since, incident=True)


def _leaves(components: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The components of a tree of two levels, without the groups."""
    for component in components:
        yield from as_objects(component["components"]) if isinstance(component.get("components"), list) else [component]
