"""The past as HTML: 90 days of every route and target as bars, and what the failover saved. Pure.

Bars are HTML by hand: a native chart for each of 200 targets would be 200 drawing surfaces in the browser.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from controller.history.availability import PERIODS, DayServed, TargetAvailability
from controller.history.queries import History, RouteDays
from monitor.formatting import format_elapsed, format_percent
from monitor.history.rollup import OutcomeCounts
from ui.components import section, share, table, target, text

#: The least share of a day that is shown as good, and as worth a look.
GOOD, WATCH = 0.995, 0.95
HEADS = {
    "Target": "what is asked",
    "90 days": "a bar for each day (UTC); a bar of a day with an incident opens that",
    **{name: f"the share of probes of the last {name} that users could have used" for name in PERIODS},
}


def routes(history: History) -> str:
    """Every route: 90 days, and how long users were failed in the last 30, with the failover and without it."""
    cards = "".join(map(_route, history.routes))
    return section("Routes", "what users felt; days in UTC", f'<div class="hs-cards">{cards}</div>')


def targets(history: History) -> str:
    """Every target with its 90 days and the share that was served, without links: for a file that stands alone."""
    numbers = history.incidents_by_day
    rows = [
        [target(each.target), bars(each.days, numbers.get(each.target, {}), linked=False), *periods(each)]
        for each in history.targets
    ]
    note = "the share of probes that users could have used"
    return section("Targets", note, table("Targets, 90 days", HEADS, rows, kind="hs-targets hs-quarter"))


def periods(past: TargetAvailability) -> list[str]:
    """The share that was served in each of `PERIODS`."""
    return [_served(past.periods[name]) for name in PERIODS]


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
        f'<p class="hs-reason">{felt}. Moved {month.flips} ×.</p>{bars(route.days, {})}</article>'
    )


def _served(counts: OutcomeCounts) -> str:
    title = f"{counts.answered:,} of {counts.asked:,} probes answered"
    low = " hs-low" if counts.served is not None and counts.served < WATCH else ""
    return f'<span class="hs-rate{low}" title="{title}">{share(counts.served)}</span>'


def bars(days: Sequence[DayServed], incidents: Mapping[datetime, Sequence[int]], *, linked: bool = True) -> str:
    """A bar for each day; those with something to tell are reached by the keyboard, or lead to their incident."""
    known = [day for day in days if day.served is not None]
    worst = min(known, key=lambda day: day.served or 0.0, default=None)
    label = f"{len(known)} of the last {len(days)} days observed"
    if worst and worst.served is not None and worst.served < GOOD:
        label += f"; worst {_tip(worst, ())}"
    html = "".join(_bar(day, incidents.get(day.day, ()), linked=linked) for day in days)
    return f'<span class="hs-strip hs-days" role="group" aria-label="{label}">{html}</span>'


def _bar(day: DayServed, incidents: Sequence[int], *, linked: bool) -> str:
    colour, tip = _colour(day.served), _tip(day, incidents)
    if colour in {"good", "gap"} and not incidents:
        return f'<i class="hs-{colour}" title="{tip}"></i>'
    if incidents and linked:
        where = f'href="incidents?incident={incidents[-1]}" target="_self"'
        return f'<a class="hs-{colour}" {where} title="{tip}" aria-label="{tip}"></a>'
    return f'<i class="hs-{colour}" title="{tip}" role="img" tabindex="0" aria-label="{tip}"></i>'


def _tip(day: DayServed, incidents: Sequence[int]) -> str:
    served = "" if day.served is None else f"served {format_percent(day.served)}, "
    numbers = f"; incident {', '.join(map(str, incidents))}" if incidents else ""
    return f"{day.day:%Y-%m-%d}: {served}{day.words}{numbers}"


def _colour(served: float | None) -> str:
    if served is None:
        return "gap"
    return "good" if served >= GOOD else "watch" if served >= WATCH else "bad"
