"""Parses status pages that list incidents, where none means that all is well: Google Cloud, AWS, RSS feeds (pure)."""

import html
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as Xml

from monitor.status_pages.reading import PageEntry, PageScope, UnexpectedDocumentError, VendorState, aware, instant
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
#: Refused: a document type can define entities that grow without bound, and no feed needs one.
_DEFINITION = re.compile("<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")
_COMPONENT = re.compile(r"\s*\[([^\[\]]{1,100})\]")
_STATUS = re.compile(r"\bstatus:\s*(\w+)", re.IGNORECASE)
_UPDATE = re.compile(r"<(?:strong|b)>\s*(investigating|identified|monitoring|resolved|completed)\b", re.IGNORECASE)
_SEVERITY = re.compile(r"\bseverity:\s*(\w+)", re.IGNORECASE)
_STAGES = frozenset({"investigating", "identified", "monitoring", "resolved", "completed", "scheduled"})
_OVER = frozenset({"resolved", "completed", "closed", "scheduled"})
_TITLE_OVER = re.compile(r"^\W{0,3}resolved\b|operating normally", re.IGNORECASE)
#: By the first part that the severity contains, in this order.
_SEVERITIES = (
    ("maintenance", VendorState.MAINTENANCE),
    ("partial", VendorState.PARTIAL_OUTAGE),
    ("disrupt", VendorState.PARTIAL_OUTAGE),
    ("outage", VendorState.MAJOR_OUTAGE),
    ("unavailable", VendorState.MAJOR_OUTAGE),
    ("critical", VendorState.MAJOR_OUTAGE),
    ("", VendorState.DEGRADED),
)


def is_google(document: Any) -> bool:
    """Whether the document is Google Cloud's `incidents.json`."""
    return _all_have(document, "begin", "external_desc")


def is_aws(document: Any) -> bool:
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


def rss_entries(text: str, scope: PageScope) -> Iterator[PageEntry]:
    """The items of an RSS feed about something ongoing; raises UnexpectedDocumentError where it is no feed."""
    if _DEFINITION.search(text):
        raise UnexpectedDocumentError("defines a document type")
    try:
        root = Xml.fromstring(text)  # noqa: S314 - text, not bytes, so that no encoding hides a definition; at most 1 MiB
    except (Xml.ParseError, ValueError) as error:
        raise UnexpectedDocumentError("no XML") from error
    channel = root.find("channel")
    if root.tag != "rss" or channel is None:
        raise UnexpectedDocumentError("no RSS feed")
    for item in map(_texts, channel.findall("item")):
        title = item.get("title", "")
        component = _COMPONENT.match(title)
        if not _is_over(item) and (component is None or scope.wants(component[1])):
            yield PageEntry(state=_severity(item), name=title, since=_date(item.get("pubDate", "")), incident=True)


def _texts(item: Xml.Element) -> dict[str, str]:
    """The texts of its elements by tag."""
    texts: dict[str, str] = {}
    for child in item:
        text = (child.text or "").strip()
        texts[child.tag] = f"{texts[child.tag]} {text}" if child.tag in texts else text
    return texts


def _is_over(item: dict[str, str]) -> bool:
    """Whether it is over, by the stage in its category or text (the newest comes first), or by its title."""
    if _TITLE_OVER.search(item.get("title", "")):
        return True
    stages = _STAGES.intersection(item.get("category", "").casefold().split())
    description = html.unescape(item.get("description", ""))
    named = _STATUS.search(_TAG.sub(" ", description)) or _UPDATE.search(description)
    if named:
        stages = stages | {named[1].casefold()}
    return bool(stages) and not _OVER.isdisjoint(stages)


def _severity(item: dict[str, str]) -> VendorState:
    severity = _SEVERITY.search(_TAG.sub(" ", html.unescape(item.get("description", ""))))
    words = f"{severity[1] if severity else ''} {item.get('category', '')}".casefold()
    return next(state for part, state in _SEVERITIES if part in words)


def _date(text: str) -> datetime | None:
    try:
        return aware(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
