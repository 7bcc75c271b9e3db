"""Reads the body of a status page in any of the known formats (pure)."""

from collections.abc import Callable, Iterator
from typing import Any

from monitor.status_pages.parsers import better_stack_datadog_flashcat, google_aws, incident_io, rss, statuspage
from monitor.status_pages.parsers.fields import complete_items, decoded, parsed
from monitor.status_pages.reading import UNKNOWN, PageEntry, PageScope, StatusPageReading, UnexpectedError, summarize

#: Each format: how to recognise it by its shape, and its parser. Not by host, because vendors change platforms.
_FORMATS: tuple[tuple[Callable[[Any], bool], Callable[[Any, PageScope], Iterator[PageEntry]]], ...] = (
    (incident_io.fits, incident_io.entries),
    (incident_io.fits_widget, incident_io.widget_entries),
    (statuspage.fits, statuspage.entries),
    (google_aws.fits_google, google_aws.google_entries),
    (google_aws.fits_aws, google_aws.aws_entries),
    (better_stack_datadog_flashcat.fits_better_stack, better_stack_datadog_flashcat.better_stack_entries),
    (better_stack_datadog_flashcat.fits_datadog, better_stack_datadog_flashcat.datadog_entries),
    (better_stack_datadog_flashcat.fits_flashcat, better_stack_datadog_flashcat.flashcat_entries),
)
_EVERYTHING = PageScope()


def read(body: bytes, scope: PageScope = _EVERYTHING, *, cut: bool = False) -> StatusPageReading:
    """What the page says about the scope; `unknown` for anything but a known format. Never raises.

    `cut`: the body is incomplete; then only a list of incidents, newest first, can be read.
    """
    try:
        return summarize(_entries(decoded(body, cut=cut), scope, cut=cut))
    except UnexpectedError:
        return UNKNOWN


def _entries(text: str, scope: PageScope, *, cut: bool) -> Iterator[PageEntry]:
    if cut:
        items = complete_items(text)
        if not google_aws.fits_google(items):
            raise UnexpectedError("cut off")
        return google_aws.google_entries(items, scope)
    if text.lstrip()[:1] == "<":
        return rss.entries(rss.items(text), scope)
    document = parsed(text)
    for fits, parse in _FORMATS:
        if fits(document):
            return parse(document, scope)
    raise UnexpectedError("no known format")
