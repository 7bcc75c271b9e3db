"""The past as HTML: 90 days of every route and target as bars, and what the failover saved. Pure.

Bars are HTML by hand: a native chart for each of 200 targets would be 200 drawing surfaces in the browser.
"""

from collections.abc import Sequence
from urllib.parse import quote

from controller.history.availability import PERIODS, DayServed, TargetAvailability
from controller.history.queries import History, RouteDays
from monitor.formatting import format_elapsed, format_percent
from monitor.history.rollup import OutcomeCounts
from ui.components import section, share, target, text

#: The least share of a day that is shown as good, and as worth a look.
_GOOD, _WATCH = 0.995, 0.95


def routes(history: History) -> str:
    """Every route: 90 days, and how long users were failed in the last 30, with the failover and without it."""
    cards = "".join(map(_route, history.routes))
    return section("Routes", "what users felt; days in UTC", f'<div class="hs-cards">{cards}</div>')


def targets(history: History, *, linked: bool = True) -> str:
    """Every target: its 90 days, and the share that was served in the last day, week, month and quarter."""
    heads = ("Target", "90 days", *(f"Served {name}" for name in PERIODS))
    head = "".join(f'<th role="columnheader" scope="col">{title}</th>' for title in heads)
    rows = "".join(_target(view, linked=linked) for view in history.targets)
    table = (
        '<table class="hs-targets hs-quarter" role="table" aria-label="Targets, 90 days">'
        f'<thead><tr role="row">{head}</tr></thead><tbody>{rows}</tbody></table>'
    )
    note = "; a name opens its charts" if linked else ""
    return section("Targets", f"the share of probes that users could have used{note}", table)


def _route(route: RouteDays) -> str:
    month, felt = route.month, "Nothing was observed in 30 days"
    if month.observed_s:
        felt = (
            f'Users were failed for <b class="hs-felt">{format_elapsed(month.felt_s)}</b> in 30 days;'
            f' without the failover <b class="hs-felt">{format_elapsed(month.without_s)}</b>'
        )
    return (
        f'<article class="hs-card" aria-label="Route {text(route.route)}"><div class="hs-row">'
        f'<span class="hs-route">{text(route.route)}</span><span class="hs-since">{share(month.served)}</span></div>'
        f'<p class="hs-reason">{felt}. Moved {month.flips} ×.</p>{_bars(route.days)}</article>'
    )


def _target(view: TargetAvailability, *, linked: bool) -> str:
    name = target(view.target)
    if linked:
        name = f'<a href="target?target={quote(view.target, safe="")}" target="_self">{name}</a>'
    periods = "".join(
        f'<td role="cell" class="hs-c-period" data-label="{title}">{_served(view.periods[title])}</td>'
        for title in PERIODS
    )
    return (
        f'<tr role="row"><td role="cell" class="hs-c-name">{name}</td>'
        f'<td role="cell" class="hs-c-strip">{_bars(view.days)}</td>{periods}</tr>'
    )


def _served(counts: OutcomeCounts) -> str:
    title = f"{counts.answered:,} of {counts.asked:,} probes answered"
    return f'<span class="hs-rate" title="{title}">{share(counts.served)}</span>'


def _bars(days: Sequence[DayServed]) -> str:
    bars = "".join(f'<i class="hs-{_colour(day.served)}" title="{_tip(day)}"></i>' for day in days)
    known = [day for day in days if day.served is not None]
    worst = min(known, key=lambda day: day.served or 0.0, default=None)
    label = f"{len(known)} of the last {len(days)} days observed" + (f"; worst {_tip(worst)}" if worst else "")
    return f'<span class="hs-strip hs-days" role="img" aria-label="{label}">{bars}</span>'


def _tip(day: DayServed) -> str:
    served = "" if day.served is None else f"served {format_percent(day.served)}, "
    return f"{day.day:%Y-%m-%d}: {served}{day.words}"


def _colour(served: float | None) -> str:
    if served is None:
        return "gap"
    return "good" if served >= _GOOD else "watch" if served >= _WATCH else "bad"
