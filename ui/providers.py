"""The providers with their targets as HTML: health, 90 days, how fast they are now, and the vendors' own word. Pure."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from controller.history.availability import PERIODS, TargetAvailability
from controller.history.queries import History
from controller.incidents.text import short_reason
from controller.status.overview import Overview, TargetView
from controller.status.vendor_views import VendorView
from monitor.formatting import plural
from monitor.health import HEALTHY, WORST_FIRST, Health
from monitor.status_pages.reading import VendorState
from ui import history
from ui.components import empty, instant, legend, pill, prose, seconds, section, table, target_link, text
from ui.sections import as_of

_VENDOR_COLOURS: Final = {
    VendorState.OPERATIONAL: "good",
    VendorState.UNKNOWN: "none",
    VendorState.MAINTENANCE: "info",
    VendorState.DEGRADED: "watch",
    VendorState.PARTIAL_OUTAGE: "bad",
    VendorState.MAJOR_OUTAGE: "bad",
}
_SHARE_COLOURS: Final = {
    "good": f"at least {history.GOOD * 100:g} % served",
    "watch": f"at least {history.WATCH * 100:g} %",
    "bad": "less",
    "gap": "not observed",
}
#: A browser takes a second for each further hundred.
AT_ONCE: Final = 50
_HEADS: Final = {
    "Target": "opens its page",
    "Health": "how it is now",
    **{name: tip for name, tip in history.HEADS.items() if name != "Target"},
    "First token": "median of the last ten minutes; of whole answers where no stream is asked for",
    "p95": "95 % of them came no later",
}


def providers(
    overview: Overview, past: History, *, query: str = "", only_failing: bool = False, at_most: int = AT_ONCE
) -> str:
    """Every provider with its targets, those that fail first, so many; `query` is part of the names that are shown."""
    matching = [view for view in overview.targets if _matches(view, query, only_failing=only_failing)]
    failing = {view.state.target.partition("/")[0] for view in matching if view.state.health not in HEALTHY}
    # Stable: else as configured, so that the targets of a provider stay together.
    matching.sort(key=lambda view: view.state.target.partition("/")[0] not in failing)
    shown = matching[:at_most]
    if not shown:
        return section("Providers", "", empty(f"None of {plural(len(overview.targets), 'target')} is like that."))
    by_provider = [
        (name, list(views)) for name, views in groupby(shown, key=lambda view: view.state.target.partition("/")[0])
    ]
    vendors = {view.provider: view for view in overview.vendors}
    body = "".join(_provider(name, views, vendors.get(name), past, overview.now) for name, views in by_provider)
    every = len(overview.targets)
    note = "what the probes see"
    if len(shown) < every:
        note = f"{len(shown)} of {plural(every, 'target')}, those that fail first"
    return section("Providers", as_of(overview, note), body + legend(_SHARE_COLOURS))


def _matches(view: TargetView, query: str, *, only_failing: bool) -> bool:
    if only_failing and view.state.health in HEALTHY:
        return False
    return query.strip().casefold() in view.state.target.casefold()


def _provider(
    name: str,
    views: Sequence[TargetView],
    vendor: VendorView | None,
    past: History,
    now: datetime,
) -> str:
    days = {each.target: each for each in past.targets if each.target.startswith(f"{name}/")}
    worst = min((view.state.health for view in views), key=WORST_FIRST.index)
    ordered = sorted(views, key=lambda view: view.state.health in HEALTHY)
    rows = [_target(view, days.get(view.state.target), past) for view in ordered]
    reasons = [_why(view, now) for view in ordered]
    # What is said of several targets stands below the first of them.
    once = ["" if why in reasons[:number] else why for number, why in enumerate(reasons)]
    notes = [why + "".join(map(_said, view.remarks)) for why, view in zip(once, ordered, strict=True)]
    said = _vendor(vendor, now) if vendor else ""
    head = f'<div class="hs-row"><h3 class="hs-route">{text(name)}</h3>{pill(worst)}{said}</div>'
    body = table(f"Targets of {name}", _HEADS, rows, notes, kind="hs-targets")
    return f'<article class="hs-provider" aria-label="Provider {text(name)}">{head}{body}</article>'


def _vendor(view: VendorView, now: datetime) -> str:
    """The vendor's own word."""
    colour = _VENDOR_COLOURS[view.report.state] if view.report else "none"
    return (
        f'<span class="hs-vendor-word"><span class="hs-dot hs-{colour}" aria-hidden="true"></span>'
        f"<span>{prose(view.sentence(now), now)}</span></span>"
    )


def _target(view: TargetView, past: TargetAvailability | None, of_all: History) -> list[str]:
    incidents = of_all.incidents_by_day.get(view.state.target, {})
    days = history.bars(past.days, incidents) if past else ""
    recent = view.history
    token = recent.first_token_p50_s is not None
    fast = (recent.first_token_p50_s, recent.first_token_p95_s) if token else (recent.p50_s, recent.p95_s)
    of = "" if token or recent.p50_s is None else '<span class="hs-unit" title="of whole answers">answer</span>'
    shares = history.periods(past) if past else ["–"] * len(PERIODS)
    return [
        target_link(view.state.target),
        pill(view.state.health),
        days,
        *shares,
        seconds(fast[0]) + of,
        seconds(fast[1]),
    ]


def _why(view: TargetView, now: datetime) -> str:
    """The reason of a health other than `up`, and the last words."""
    state, last = view.state, view.details.last
    lines = []
    if state.health is not Health.UP:
        since = f" (since {instant(state.since, now)})" if state.health is not Health.UNKNOWN else ""
        lines.append(f'<span class="hs-why">{prose(short_reason(state), now)}{since}</span>')
        # The reason mostly quotes the same words.
        if last and last[1] and last[1] not in state.reason:
            lines.append(_said(f"last: {last[0]}: {last[1]}"))
    return "".join(lines)


def _said(words: str) -> str:
    return f'<span class="hs-said" title="{text(words)}">{text(words)}</span>'
