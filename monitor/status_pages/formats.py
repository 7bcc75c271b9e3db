"""Reads the body of a status page in any of the known formats (pure)."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from monitor.status_pages import component_pages as pages
from monitor.status_pages import incident_lists as lists
from monitor.status_pages.reading import (
    UNKNOWN,
    PageEntry,
    PageScope,
    StatusPageReading,
    UnexpectedDocumentError,
    summarize,
)

#: Each format: how to recognise it by its shape, and its parser. Not by host, because vendors change platforms.
_FORMATS: tuple[tuple[Callable[[Any], bool], Callable[[Any, PageScope], Iterator[PageEntry]]], ...] = (
    (pages.is_incident_io, pages.incident_io_entries),
    (pages.is_widget, pages.widget_entries),
    (pages.is_statuspage, pages.statuspage_entries),
    (lists.is_google, lists.google_entries),
    (lists.is_aws, lists.aws_entries),
    (pages.is_better_stack, pages.better_stack_entries),
    (pages.is_datadog, pages.datadog_entries),
    (pages.is_flashcat, pages.flashcat_entries),
)
_EVERYTHING = PageScope()


def read(body: bytes, scope: PageScope = _EVERYTHING, *, cut: bool = False) -> StatusPageReading:
    """What the page says about the scope; `unknown` for anything but a known format. Never raises.

    `cut`: the body is incomplete; then only a list of incidents, newest first, can be read.
    """
    try:
        return summarize(_entries(body, scope, cut=cut))
    except (ValueError, RecursionError):  # neither the text nor the document that is expected
        return UNKNOWN


def _entries(body: bytes, scope: PageScope, *, cut: bool) -> Iterator[PageEntry]:
    encoding = "utf-16" if body[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    text = body.decode(encoding, "replace" if cut else "strict")
    if cut:
        items = _complete_items(text)
        if not lists.is_google(items):
            raise UnexpectedDocumentError("cut off")
        return lists.google_entries(items, scope)
    if text.lstrip()[:1] == "<":
        return lists.rss_entries(text, scope)
    document = json.loads(text)
    for fits, parse in _FORMATS:
        if fits(document):
            return parse(document, scope)
    raise UnexpectedDocumentError("no known format")


def _complete_items(text: str) -> list[Any]:
    """The complete items of a JSON list that is cut off."""
    decoder, items, at = json.JSONDecoder(), [], text.find("[") + 1
    if text[:at].strip() != "[":
        raise UnexpectedDocumentError("no list")
    while at < len(text):
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items
