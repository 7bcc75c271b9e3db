"""The picture of the report: how soon each rule moves the route, beside how often it does so for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt

#: A false failover rarer than this is drawn at the edge.
_RAREST = 0.01
_LATEST_S = 3600.0
_OURS, _PROBES, _TRAFFIC = "#0b7a5b", "#44546a", "#a9742c"
_SHADES = {"100 %": "#7b1e3b", "50 %": "#d1495b", "20 %": "#edae49"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of the picture."""

    label: str
    ours: bool
    in_path: bool
    flip_s: dict[str, float]
    """The mean time to flip by the outage's height (`20 %`, `50 %`, `100 %`)."""
    false_per_quarter: float


def draw(bars: Sequence[Bar], path: Path) -> None:
    """Write it as PNG, twice as fine as it is wide; one row for each bar, in the order given."""
    order = [bar.label for bar in bars]
    rows = alt.Y("label:N", sort=order, title=None, axis=_names(bars))
    chart = alt.hconcat(_times(bars, rows), _falses(bars, order), spacing=14).resolve_scale(color="independent")
    chart.configure(background="#ffffff", padding=16, font="DejaVu Sans, Arial, sans-serif").configure_view(
        stroke="#d0d7de"
    ).configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#e6e9ec").save(str(path), scale_factor=2)


def _names(bars: Sequence[Bar]) -> alt.Axis:
    ours = " || ".join(f"datum.value == '{bar.label}'" for bar in bars if bar.ours)
    in_path = " || ".join(f"datum.value == '{bar.label}'" for bar in bars if bar.in_path) or "false"
    coloured = [{"test": ours, "value": _OURS}, {"test": in_path, "value": _TRAFFIC}]
    colours: Any = {"condition": coloured, "value": _PROBES}
    weights: Any = {"condition": {"test": ours, "value": "bold"}, "value": "normal"}
    return alt.Axis(labelColor=colours, labelFontWeight=weights, labelLimit=260, ticks=False, domain=False)


def _times(bars: Sequence[Bar], rows: alt.Y) -> alt.LayerChart | alt.FacetChart:
    points = [
        {"label": bar.label, "outage": outage, "seconds": min(_LATEST_S, seconds), "late": seconds > 0.8 * _LATEST_S}
        for bar in bars
        for outage, seconds in bar.flip_s.items()
    ]
    base = alt.Chart(alt.InlineData(values=points))
    ticks = [1, 3, 10, 30, 60, 180, 600, 3600]
    words = "{'1':'1 s','3':'3 s','10':'10 s','30':'30 s','60':'1 min','180':'3 min','600':'10 min'}"
    axis = alt.Axis(values=ticks, labelExpr=f"{words}[datum.value] || 'never'", labelOverlap=False)
    scale = alt.Scale(type="log", domain=[1, _LATEST_S * 1.15], nice=False)
    seconds = alt.X("seconds:Q", scale=scale, axis=axis, title="time to flip, mean")
    colours = alt.Color(
        "outage:N",
        scale=alt.Scale(domain=list(_SHADES), range=list(_SHADES.values())),
        legend=alt.Legend(title="requests failing", orient="top", symbolSize=110),
    )
    line = base.mark_line(color="#b8c0c8", strokeWidth=2).encode(x=seconds, y=rows, detail="label:N")
    dots = base.mark_circle(size=110, opacity=1).encode(x=seconds, y=rows, color=colours)
    return alt.layer(line, dots).properties(width=470, height=26 * len(bars))


def _falses(bars: Sequence[Bar], order: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    points = [
        {
            "label": bar.label,
            "false": max(_RAREST, bar.false_per_quarter),
            "word": "none seen" if bar.false_per_quarter == 0 else _word(bar.false_per_quarter),
            "kept": bar.false_per_quarter <= 1,
            "edge": _RAREST,
        }
        for bar in bars
    ]
    base = alt.Chart(alt.InlineData(values=points))
    rows = alt.Y("label:N", sort=list(order), title=None, axis=None)
    scale = alt.Scale(type="log", domain=[_RAREST, 100_000], nice=False)
    axis = alt.Axis(values=[0.01, 0.1, 1, 10, 100, 1000, 10_000], format="~g", labelOverlap=False)
    length = alt.X("edge:Q", scale=scale, axis=axis, title="false failovers per route and 90 days")
    kept: Any = alt.condition("datum.kept", alt.value("#6aa98f"), alt.value("#c0504d"))
    bar = base.mark_bar(height=12).encode(x=length, x2="false:Q", y=rows, color=kept)
    words = base.mark_text(align="left", dx=5, fontSize=11, color="#44546a").encode(
        x=alt.X("false:Q", scale=scale), y=rows, text="word:N"
    )
    promise = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(strokeDash=[4, 3], color="#44546a")
    return alt.layer(bar, words, promise.encode(x=alt.X("one:Q", scale=scale))).properties(
        width=280, height=26 * len(bars)
    )


def _word(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
