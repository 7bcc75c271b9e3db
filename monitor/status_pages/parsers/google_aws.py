"""Parses the status pages of Google Cloud and AWS: lists of incidents; an empty one means that all is well (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.status_pages.parsers.fields import instant
from monitor.status_pages.reading import PageEntry, PageScope, VendorState
from probes.json_values import as_object, as_objects, as_text

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


def google_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The ongoing incidents of the products and the region in scope."""
    for incident in document:
        over = incident.get("end") or as_object(incident.get("most_recent_update")).get("status") == "AVAILABLE"
        products = as_objects(incident.get("affected_products"))
        labels = [as_text(component.get(key)) for component in products for key in ("title", "id")]
        if not over and scope.wants(*labels) and _reaches(incident, scope):
            impact = _GOOGLE.get(as_text(incident.get("status_impact")), VendorState.DEGRADED)
            name = as_text(incident.get("external_desc")) or as_text(incident.get("service_name"))
            yield PageEntry(state=impact, name=name, since=instant(incident["begin"]), incident=True)


def aws_entries(document: Any, scope: PageScope) -> Iterator[PageEntry]:
    """The ongoing events of the services in scope."""
    for event in document:
        impacted = {key: as_object(component) for key, component in as_object(event.get("impacted_services")).items()}
        ours = [component for key, component in impacted.items() if scope.wants(key)]
        if event.get("end_time") or not (ours or scope.wants(as_text(event["service"]))):
            continue
        codes = [component.get("current") for component in ours] or [event["status"]]
        states = [_AWS.get(str(code), VendorState.UNKNOWN) for code in codes]
        since = instant(event.get("date"))
        for reported in states:
            if reported is not VendorState.OPERATIONAL:
                yield PageEntry(state=reported, name=as_text(event["summary"]), since=since, incident=True)


def _all_have(document: Any, *keys: str) -> bool:
    """Whether it is a list of at least one object, all of which have these keys."""
    items = as_objects(document)
    return bool(items) and len(items) == len(document) and all(item.keys() >= set(keys) for item in items)


def _reaches(incident: Mapping[str, Any], scope: PageScope) -> bool:
    places = {as_text(component.get("id")) for component in as_objects(incident.get("currently_affected_locations"))}
    return scope.region is None or not places or not places.isdisjoint({scope.region, _EVERYWHERE})
