"""Our own verdict on each provider beside what its vendor says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.incidents.vendor_claim import status_phrase
from monitor.config.settings import Settings
from monitor.health import WORST_FIRST, Health, TargetHealth
from monitor.status_pages.reading import VendorState, VendorStateChange, page_name


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorView:
    """One provider: what we see, and what its vendor says."""

    provider: str
    health: Health
    """Our own verdict: the worst health of the provider's targets."""
    url: str
    """Of the vendor's status page."""
    report: VendorStateChange | None = None
    """What it said last; None while it has not been read. It may stem from anybody, and must be escaped."""

    def sentence(self, now: datetime) -> str:
        """`status.openai.com says: partial outage: Elevated errors, since 14:02 UTC`."""
        page = page_name(self.url)
        if self.report is None:
            return f"{page} has not been read yet"
        if self.report.state is VendorState.UNKNOWN:
            return f"{page} cannot be read"
        return f"{page} says: {status_phrase(self.report.state, self.report.headline, self.report.since, now)}"


def vendor_views(
    settings: Settings, states: Mapping[str, TargetHealth], reports: Mapping[str, VendorStateChange]
) -> tuple[VendorView, ...]:
    """The providers that have a status page, in the order of the configuration; `reports` are the last of each.

    What another page said, which the configuration had before, does not count.
    """
    return tuple(
        VendorView(
            provider=provider.name,
            health=min(
                (states[target.id].health for target in settings.targets if target.provider.name == provider.name),
                key=WORST_FIRST.index,
            ),
            url=provider.status_page,
            report=report if (report := reports.get(provider.name)) and report.url == provider.status_page else None,
        )
        for provider in settings.providers
        if provider.status_page
    )
