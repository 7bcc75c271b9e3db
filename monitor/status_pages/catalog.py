"""Finds a provider's status page, by the host of its base URL, among those that dialects declare (pure)."""

import re
from urllib.parse import urlsplit

from monitor.status_pages.reading import PageScope
from probes.dialects.base import VendorStatusPage
from probes.dialects.registry import STATUS_PAGES
from probes.target import Provider


def default_page(base_url: str) -> str | None:
    """The address of the vendor's status page; None where nobody has one, as for a server of one's own."""
    page, _ = _find(base_url)
    return page.url if page else None


def scope_of(provider: Provider) -> PageScope:
    """The parts of the provider's status page that concern it.

    By its base URL; behind a gateway, by the status page that was configured. All of a page that no dialect declares.
    """
    page, region = _find(provider.base_url)
    page = page or next((declared for declared in STATUS_PAGES if declared.url == provider.status_page), None)
    region = provider.region or region
    if page is None:
        return PageScope()
    # Without a region, "bedrock-" is in the name of every region's.
    return PageScope(names=tuple(name.format(region=region or "") for name in page.components), region=region)


def _find(base_url: str) -> tuple[VendorStatusPage | None, str | None]:
    """The page whose vendor has this address, and the region that the address names."""
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return None, None
    for page in STATUS_PAGES:
        if match := re.fullmatch(page.host, host):
            return page, match.groupdict().get("region")
    return None, None
