"""The section of vendors' status pages, beside our own verdict. Pure, every string escaped."""

from datetime import datetime

from controller.status.overview import Overview
from controller.status.vendor_status import VendorView
from monitor.status_pages.reading import VendorState
from ui.components import instant, pill, section, text
from ui.sections import as_of

_COLOURS = {
    VendorState.OPERATIONAL: "good",
    VendorState.UNKNOWN: "none",
    VendorState.MAINTENANCE: "info",
    VendorState.DEGRADED: "watch",
    VendorState.PARTIAL_OUTAGE: "bad",
    VendorState.MAJOR_OUTAGE: "bad",
}


def vendors(overview: Overview) -> str:
    """Every provider whose vendor has a status page that is read; nothing when there is none."""
    if not overview.vendors:
        return ""
    rows = "".join(_row(view, overview.now) for view in overview.vendors)
    subtitle = as_of(overview, "their status pages, read once a minute; no route follows them; times in UTC")
    return section("What vendors say", subtitle, f'<ul class="hs-vendors">{rows}</ul>')


def _row(view: VendorView, now: datetime) -> str:
    report = view.report
    colour = _COLOURS[report.state] if report else "none"
    read = f'<span class="hs-since">so since {instant(report.at, now)}</span>' if report else ""
    return (
        f'<li><span class="hs-vendor">{text(view.provider)}</span>'
        f'<span class="hs-we"><span class="hs-quiet">we see</span>{pill(view.health)}</span>'
        f'<span class="hs-they"><span class="hs-dot hs-{colour}" aria-hidden="true"></span>'
        f"{text(view.sentence(now))}</span>{read}</li>"
    )
