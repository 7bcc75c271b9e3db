"""The status pages of the big clouds: lists of incidents, in which silence means that all is well (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.json_access import instant, mapping, objects, word
from monitor.status_pages.reading import PageEntry, PageScope, VendorState

_GOOGLE = {
    "SERVICE_INFORMATION": VendorState.DEGRADED,
    "SERVICE_DISRUPTION": VendorState.PARTIAL_OUTAGE,
    "SERVICE_OUTAGE": VendorState.MAJOR_OUTAGE,
}
#: As AWS's own page reads them: resolved, informational, degraded, disrupted.
_AWS = {
    "0": VendorState.OPERATIONAL,
    "1": VendorState.DEGRADED,
    "2": VendorState.DEGRADED,
    "3": VendorState.MAJOR_OUTAGE,
}
_EVERYWHERE = "global"


def fits_google(document: Any) -> bool:
    """Whether the document is Google Cloud's `incidents.json`."""
    return _all_have(document, "begin", "external_desc")


def fits_aws(document: Any) -> bool:
    """Whether the document is AWS's `currentevents`; an empty list says that there are none."""
    return document == [] or _all_have(document, "service", "status", "summary")


def google_troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The incidents that have no end yet, of the products and in the region that matter."""
    for incident in document:
        over = incident.get("end") or mapping(incident.get("most_recent_update")).get("status") == "AVAILABLE"
        products = objects(incident.get("affected_products"))
        labels = [word(one.get(key)) for one in products for key in ("title", "id")]
        if not over and scope.wants(*labels) and _reaches(incident, scope):
            impact = _GOOGLE.get(word(incident.get("status_impact")), VendorState.DEGRADED)
            name = word(incident.get("external_desc")) or word(incident.get("service_name"))
            yield PageEntry(state=impact, name=name, since=instant(incident["begin"]), incident=True)


def aws_troubles(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The events that go on, of the services that matter."""
    for event in document:
        impacted = {key: mapping(one) for key, one in mapping(event.get("impacted_services")).items()}
        ours = [one for key, one in impacted.items() if scope.wants(key)]
        if event.get("end_time") or not (ours or scope.wants(word(event["service"]))):
            continue
        codes = [one.get("current") for one in ours] or [event["status"]]
        states = [_AWS.get(str(code), VendorState.UNKNOWN) for code in codes]
        since = instant(event.get("date"))
        for said in states:
            if said is not VendorState.OPERATIONAL:
                yield PageEntry(state=said, name=word(event["summary"]), since=since, incident=True)


def _all_have(document: Any, *keys: str) -> bool:
    """Whether it is a list of objects, at least one, that all have these keys."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(one, dict) and all(key in one for key in keys) for one in document)
    )


def _reaches(incident: Mapping[str, Any], scope: PageScope) -> bool:
    places = {word(one.get("id")) for one in objects(incident.get("currently_affected_locations"))}
    return scope.region is None or not places or not places.isdisjoint({scope.region, _EVERYWHERE})
