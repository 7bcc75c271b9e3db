"""The page of what probing costs: by provider, check and day, against the budget, and what would cost less."""

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import streamlit as st

from controller.history.queries import CheckCost, read_costs, read_request_costs
from controller.history.request_costs import RequestCosts
from controller.plan.savings import Alternative
from monitor.budget.allocation import format_usd
from monitor.budget.summary import BudgetSummary, read_summary
from monitor.config.settings import Settings
from monitor.formatting import capitalized, format_elapsed
from monitor.history.rollup import DAY, span_start
from monitor.storage.database import open_reader, shared_now
from monitor.storage.store import Store
from ui import charts, exports, request_costs, savings
from ui.components import empty, section, text

_DAYS: Final = 30
_KEPT_S: Final = 60.0
_LOOK_S: Final = 1.0


@st.cache_resource(show_spinner=False, ttl=_KEPT_S, hash_funcs={Settings: lambda settings: str(settings.path)})
def _costs(settings: Settings) -> tuple[BudgetSummary, list[CheckCost], RequestCosts | None]:
    """The month and the last 30 days, read at most once a minute for all viewers together; raises DatabaseError."""
    engine, now = open_reader(settings.database), shared_now(settings.database)
    names = [target.id for target in settings.targets]
    since = span_start(now, DAY) - (_DAYS - 1) * DAY
    requests = read_request_costs(engine, settings, now)
    return read_summary(settings, Store(engine), now), read_costs(engine, names, since=since), requests


@st.cache_resource(show_spinner=False)
def _savings(path: str) -> Future[Sequence[Alternative]]:
    """Worked out once as long as this process runs: it depends on the configuration and the price list alone."""
    return savings.start(Path(path))


def show(path: str, settings: Settings) -> None:
    """The page; raises DatabaseError."""
    summary, costs, requests = _costs(settings)
    sentence = capitalized(summary.sentence)
    st.html(section("Cost of probing", "known costs; months and days are UTC", f"<p>{text(sentence)}.</p>"))
    if summary.cap_usd:
        st.progress(min(1.0, summary.spent_usd / summary.cap_usd))
    if not costs:
        st.html(empty("Nothing was probed in 30 days."))
    else:
        st.vega_lite_chart(daily_chart(costs, by="provider"))
        rows = table(costs)
        st.html(section("By provider and check", f"the last {_DAYS} days", _html("Cost by provider and check", rows)))
        st.download_button("Costs as CSV", lambda: exports.costs(rows), "costs.csv", "text/csv", on_click="ignore")
    if requests:
        request_costs.show(requests)
    head = "by the trials of <code>hotspare plan</code>, with an outage of a provider at 50 %"
    st.html(section("What other settings would cost", head, ""))
    st.fragment(_show_savings, run_every=_LOOK_S if not _savings(path).done() else None)(path)


def _show_savings(path: str) -> None:
    future = _savings(path)
    if not future.done():
        st.html(empty("Being worked out …"))
        return
    try:
        alternatives = future.result()
    except (OSError, subprocess.SubprocessError, ValueError):
        st.html(empty("It could not be worked out; `hotspare plan` says why."))
        return
    st.html(_html("What other settings would cost", savings_table(alternatives)))


def _html(label: str, rows: Sequence[Mapping[str, str | int]]) -> str:
    return request_costs.cost_table(label, rows[0], (row.values() for row in rows))


def daily_chart(costs: Sequence[CheckCost], *, by: str) -> dict[str, Any]:
    """The dollars of each day, stacked, as a Vega-Lite specification."""
    sums: dict[tuple[str, str], float] = {}
    for cost in costs:
        key = f"{cost.day:%Y-%m-%d}", getattr(cost, by)
        sums[key] = sums.get(key, 0.0) + cost.usd
    rows = [{"day": day, by: name, "usd": round(usd, 6)} for (day, name), usd in sums.items()]
    return {
        **charts.FRAME,
        "data": {"values": rows},
        "mark": {"type": "bar", "tooltip": True},
        "height": 170,
        "encoding": {
            "x": {
                "field": "day",
                "type": "ordinal",
                "title": None,
                "axis": {"labelOverlap": True, "labelAngle": 0, "labelExpr": "slice(datum.label, 5)"},
            },
            "y": {"field": "usd", "type": "quantitative", "title": "dollars a day"},
            "color": {
                "field": by,
                "type": "nominal",
                "scale": {"range": list(charts.CATEGORIES)},
                "legend": charts.LEGEND,
            },
            "order": {"field": by},
        },
    }


def table(costs: Sequence[CheckCost]) -> list[dict[str, str | int]]:
    """A row for each provider and check, the most expensive first."""
    sums: dict[tuple[str, str], tuple[float, int, int]] = {}
    for cost in costs:
        usd, probes, unpriced = sums.get((cost.provider, cost.check), (0.0, 0, 0))
        sums[cost.provider, cost.check] = usd + cost.usd, probes + cost.probes, unpriced + cost.unpriced
    return [
        {
            "provider": provider,
            "check": check,
            "probes": probes,
            "cost": format_usd(usd) if unpriced < probes else "price unknown",
            "per 1,000": format_usd(1000 * usd / (probes - unpriced)) if unpriced < probes else "–",
            "of unknown price": unpriced,
        }
        for (provider, check), (usd, probes, unpriced) in sorted(sums.items(), key=lambda item: -item[1][0])
    ]


def savings_table(alternatives: Sequence[Alternative]) -> list[dict[str, str]]:
    """A row for each way to probe; what it saves is against the first, which is how it is now."""
    now_usd = alternatives[0].usd_per_month
    return [
        {
            "setting": each.name,
            "a month": format_usd(each.usd_per_month),
            "saves": _difference(now_usd - each.usd_per_month) if each is not alternatives[0] else "–",
            "routes move after, mean": _after(each.mean_s),
            "19 of 20 within": _after(each.p95_s),
        }
        for each in alternatives
    ]


def _difference(usd: float) -> str:
    return format_usd(usd) if usd >= 0 else f"costs {format_usd(-usd)} more"


def _after(seconds: float | None) -> str:
    return "–" if seconds is None else format_elapsed(round(seconds))
