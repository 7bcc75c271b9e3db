"""Three more kinds of status page: Better Stack's, Datadog's and Flashcat's (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.json_access import instant, listed, mapping, objects, state, word, worst
from monitor.status_pages.reading import PageEntry, PageScope, VendorState

_UNWATCHED = "not_monitored"
_OVER = frozenset({"resolved", "completed", "scheduled"})


def fits_better_stack(document: Any) -> bool:
    """Whether the document is Better Stack's `/index.json`."""
    data = mapping(mapping(document).get("data"))
    return "aggregate_state" in mapping(data.get("attributes")) and isinstance(document.get("included"), list)


def better_stack_troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The resources that matter; reports only give them a name: planned ones stand there long before they begin."""
    included = [(one.get("type"), mapping(one.get("attributes"))) for one in listed(document["included"])]
    resources = [one for kind, one in included if kind == "status_page_resource" and one.get("status") != _UNWATCHED]
    ours = [one for one in resources if scope.wants(word(one.get("public_name")))] or resources
    if ours is resources:
        yield PageEntry(state=state(document["data"]["attributes"]["aggregate_state"]), name="")
    troubled = VendorState.OPERATIONAL
    for one in ours:
        troubled = worst(troubled, state(one.get("status")))
        yield PageEntry(state=state(one.get("status")), name=word(one.get("public_name")))
    for kind, one in included:
        said = state(one.get("aggregate_state"))
        if kind == "status_report" and said.admits and said is troubled:
            since = instant(one.get("starts_at"))
            yield PageEntry(state=said, name=word(one.get("title")), since=since, incident=True)


def fits_datadog(document: Any) -> bool:
    """Whether the document is the `/config.json` of a status page by Datadog."""
    page = mapping(document)
    return isinstance(page.get("components"), list) and isinstance(page.get("incidents"), list) and "pageUrl" in page


def datadog_troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The components that matter, and the incidents on them that are not resolved."""
    leaves = list(_leaves(listed(document["components"])))
    if not any(scope.wants(word(one.get("name"))) for one in leaves):
        scope = PageScope()
    for one in leaves:
        if scope.wants(word(one.get("name"))):
            yield PageEntry(state=state(one.get("status")), name=word(one.get("name")))
    for incident in listed(document["incidents"]):
        if incident.get("resolved") is not True and word(incident.get("currentStatus")) not in _OVER:
            yield from _affecting(incident, "componentsAffected", scope, instant(incident.get("publishedDate")))


def fits_flashcat(document: Any) -> bool:
    """Whether the document is the `/summary/active` of a status page by Flashcat."""
    data = mapping(mapping(document).get("data"))
    page = mapping(data.get("page"))
    return isinstance(data.get("active_changes"), list) and isinstance(page.get("components"), list)


def flashcat_troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The changes that go on; the components themselves are named there without a state."""
    data = document["data"]
    if not any(scope.wants(word(one.get("name"))) for one in objects(data["page"]["components"])):
        scope = PageScope()
    for change in listed(data["active_changes"]):
        if word(change.get("status")) not in _OVER:
            yield from _affecting(change, "affected_components", scope, instant(change.get("start_at_seconds")))


def _affecting(incident: Mapping[str, Any], key: str, scope: PageScope, since: Any) -> Iterator[PageEntry]:
    """The incident, unless it names what it affects and nothing of that matters."""
    affected = objects(incident.get(key)) or _latest(incident, key)
    ours = [one for one in affected if scope.wants(word(one.get("name")))]
    if ours or not affected:
        said = worst(VendorState.DEGRADED, *(state(one.get("status")) for one in ours))
        maintenance = bool(ours) and all(state(one.get("status")) is VendorState.MAINTENANCE for one in ours)
        known = VendorState.MAINTENANCE if maintenance else said
        yield PageEntry(state=known, name=word(incident.get("title")), since=since, incident=True)


def _latest(incident: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """What the latest entry of its timeline says is affected."""
    return next((objects(one.get(key)) for one in objects(incident.get("timeline"))), [])


def _leaves(components: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The components of a tree two levels deep, without the groups."""
    for one in components:
        yield from objects(one["components"]) if isinstance(one.get("components"), list) else [one]
