"""The body of a status page, whatever its kind, to the vendor's word (pure)."""

from collections.abc import Callable, Iterator
from typing import Any

from monitor.status_pages.parsers import (
    better_stack_datadog_flashcat as others,
)
from monitor.status_pages.parsers import (
    google_aws as clouds,
)
from monitor.status_pages.parsers import (
    incident_io,
    statuspage,
)
from monitor.status_pages.parsers import (
    rss as feeds,
)
from monitor.status_pages.parsers.json_access import UnexpectedError, complete_items, decoded, parsed
from monitor.status_pages.reading import UNKNOWN, PageEntry, PageScope, StatusPageReading, word_of

#: Each kind of page: how to tell it by its shape, and what it says. The host says nothing: vendors change platform.
_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, PageScope], Iterator[PageEntry]]], ...] = (
    (incident_io.fits, incident_io.troubles),
    (incident_io.fits_widget, incident_io.widget_troubles),
    (statuspage.fits, statuspage.troubles),
    (clouds.fits_google, clouds.google_troubles),
    (clouds.fits_aws, clouds.aws_troubles),
    (others.fits_better_stack, others.better_stack_troubles),
    (others.fits_datadog, others.datadog_troubles),
    (others.fits_flashcat, others.flashcat_troubles),
)
_EVERYTHING = PageScope()


def read(body: bytes, scope: PageScope = _EVERYTHING, *, cut: bool = False) -> StatusPageReading:
    """What the page says about what matters; anything that is not the expected document is `unknown`. Never raises.

    `cut` says that the body does not end where it should: then only a list of incidents, newest first, is understood.
    """
    try:
        return word_of(_troubles(decoded(body, cut=cut), scope, cut=cut))
    except UnexpectedError:
        return UNKNOWN


def _troubles(text: str, scope: PageScope, *, cut: bool) -> Iterator[PageEntry]:
    if cut:
        whole = complete_items(text)
        if not clouds.fits_google(whole):
            raise UnexpectedError("cut off")
        return clouds.google_troubles(whole, scope)
    if text.lstrip()[:1] == "<":
        return feeds.troubles(feeds.items(text), scope)
    document = parsed(text)
    for fits, troubles in _KINDS:
        if fits(document):
            return troubles(document, scope)
    raise UnexpectedError("of no kind that is known")
