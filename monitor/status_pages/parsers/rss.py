"""Parses status pages that are RSS feeds (pure)."""

import html
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as Xml

from monitor.status_pages.reading import PageEntry, PageScope, UnexpectedError, VendorState, aware

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


def items(text: str) -> list[dict[str, str]]:
    """The items of an RSS feed, each as the texts of its elements by tag; raises UnexpectedError for anything else."""
    if _DEFINITION.search(text):
        raise UnexpectedError("defines a document type")
    try:
        root = Xml.fromstring(text)  # noqa: S314 - text, not bytes, so that no encoding hides a definition; at most 1 MiB
    except (Xml.ParseError, ValueError) as error:
        raise UnexpectedError("no XML") from error
    channel = root.find("channel")
    if root.tag != "rss" or channel is None:
        raise UnexpectedError("no RSS feed")
    return [_texts(item) for item in channel.findall("item")]


def entries(feed_items: list[dict[str, str]], scope: PageScope) -> Iterator[PageEntry]:
    """The items in scope about something ongoing; a feed without any means that all is well."""
    for item in feed_items:
        title = item.get("title", "")
        component = _COMPONENT.match(title)
        if not _is_over(item) and (component is None or scope.wants(component[1])):
            yield PageEntry(state=_severity(item), name=title, since=_date(item.get("pubDate", "")), incident=True)


def _texts(item: Xml.Element) -> dict[str, str]:
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
