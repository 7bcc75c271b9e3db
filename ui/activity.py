"""The sections of overrides, vendors' status pages, decisions and events. Pure, every string escaped."""

from datetime import datetime

from controller.routing import override_text
from controller.routing.decision import Decision
from controller.routing.overrides import ALL, Override, OverrideKind
from controller.status.overview import Overview, VendorView
from monitor.status_pages.reading import VendorState
from monitor.storage.conversions import from_ms
from monitor.storage.tables import EventRow
from ui.components import instant, pill, section, target, text
from ui.sections import as_of

_COLOURS = {
    VendorState.OPERATIONAL: "good",
    VendorState.UNKNOWN: "none",
    VendorState.MAINTENANCE: "info",
    VendorState.DEGRADED: "watch",
    VendorState.PARTIAL_OUTAGE: "bad",
    VendorState.MAJOR_OUTAGE: "bad",
}


def overrides(overview: Overview) -> str:
    """Every override in force; nothing when there is none."""
    if not overview.overrides:
        return ""
    cards = "".join(_override(override, overview.now) for override in overview.overrides)
    return section("Pins, drains and pauses", "times in UTC", f'<div class="hs-cards">{cards}</div>')


def _override(override: Override, now: datetime) -> str:
    left, author = override_text.format_time_left(override, now), text(override.author)
    forced = '<span class="hs-note hs-watch">forced</span>' if override.forced else ""
    return (
        f'<article class="hs-card hs-edge hs-info" aria-label="{text(override_text.describe_override(override))}">'
        f'<div class="hs-row"><span class="hs-note hs-info">{override.kind}</span>{_subject(override)}{forced}'
        f'<span class="hs-since">{left}, at {instant(override.until, now)}</span></div>'
        f'<p class="hs-reason">{author}, {instant(override.at, now)}: {text(override.reason)}</p></article>'
    )


def _subject(override: Override) -> str:
    if override.kind is OverrideKind.DRAIN and "/" in override.subject:
        return target(override.subject)
    every = override.kind is OverrideKind.PAUSE and override.subject == ALL
    name = f'<span class="hs-route">{"all routes" if every else text(override.subject)}</span>'
    return (
        f'{name}<span class="hs-arrow" aria-label="to">→</span>{target(override.target)}' if override.target else name
    )


def vendors(overview: Overview) -> str:
    """Every provider whose vendor has a status page that is read; nothing when there is none."""
    if not overview.vendors:
        return ""
    rows = "".join(_vendor(view, overview.now) for view in overview.vendors)
    subtitle = as_of(overview, "their status pages, read once a minute; no route follows them; times in UTC")
    return section("What vendors say", subtitle, f'<ul class="hs-vendors">{rows}</ul>')


def _vendor(view: VendorView, now: datetime) -> str:
    report = view.report
    colour = _COLOURS[report.state] if report else "none"
    read = f'<span class="hs-since">so since {instant(report.at, now)}</span>' if report else ""
    return (
        f'<li><span class="hs-vendor">{text(view.provider)}</span>'
        f'<span class="hs-we"><span class="hs-quiet">we see</span>{pill(view.health)}</span>'
        f'<span class="hs-they"><span class="hs-dot hs-{colour}" aria-hidden="true"></span>'
        f"{text(view.sentence(now))}</span>{read}</li>"
    )


def log(overview: Overview) -> str:
    """The newest decisions and events together, the newest first."""
    lines = sorted(
        [(decision.at, _decision(decision)) for decision in overview.decisions]
        + [(from_ms(event.at_ms), _event(event)) for event in overview.events],
        key=lambda line: line[0],
        reverse=True,
    )
    items = "".join(f"<li>{instant(at, overview.now)}<span>{line}</span></li>" for at, line in lines[:12])
    body = f'<ol class="hs-timeline">{items}</ol>' if items else '<p class="hs-empty">Nothing has happened yet.</p>'
    return section("Decisions and events", "times in UTC", body)


def _decision(decision: Decision) -> str:
    dry = '<span class="hs-tag">dry run</span> ' if decision.dry_run else ""
    return (
        f'<b>{text(decision.route)}</b> → {target(decision.target)} <span class="hs-tag">{decision.move}</span> {dry}'
        f"{text(decision.reason)}"
    )


def _event(event: EventRow) -> str:
    return f'<span class="hs-tag">{text(event.kind.replace("_", " "))}</span> {text(event.subject)}: {text(event.text)}'
