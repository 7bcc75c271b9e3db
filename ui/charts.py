"""Pictures of the past as Vega-Lite specifications for Streamlit's native charts. Pure.

The browser draws instants in its own zone; every tip says UTC too. No colour stands alone: what is bad is also higher,
dashed, or a symbol, and its words are in the tip.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from controller.history.route_rollup import RouteRollup
from controller.status.details.route import RouteDetail
from controller.status.details.target import PHASES, PhaseMedians, TargetDetail, by_hour_of_week
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import format_elapsed, format_percent, instant
from monitor.health import Health
from monitor.history.rollup import OutcomeCounts, Rollup
from probes.outcome import Outcome
from ui.components import outcome_class
from ui.history import GOOD, WATCH

Specification = dict[str, Any]
Rollups = Sequence[tuple[datetime, Rollup]]
#: As the bars of the page, in the light theme and the dark.
_COLOURS: Final = {
    "good": "#4fb985",
    "watch": "#e0a83a",
    "bad": "#d6453e",
    "ours": "#9a76d6",
    "info": "#4b9be0",
    "none": "#a9b2be",
}
_PATH: Final = "#2f7dd1"
_TOKENS: Final = "#c2703a"
#: A picture lies on a card.
FRAME: Final = {
    "background": "transparent",
    "padding": {"left": 8, "right": 12, "top": 12, "bottom": 8},
    "autosize": {"type": "fit-x", "contains": "padding"},
    # One below the other: beside each other they are cut on a narrow screen.
    "config": {"legend": {"layout": {"bottom": {"direction": "vertical", "margin": 2}}}},
}
#: Of things without a tone, such as providers: by Okabe and Ito, told apart by every eye; the last is for the others.
CATEGORIES: Final = ("#0072b2", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#8a94a3")
LEGEND: Final[Specification] = {
    "title": None,
    "orient": "bottom",
    "columns": {"expr": "max(1, floor(width / 130))"},
    "offset": 10,
    "padding": 0,
    "labelLimit": 300,
}
_WIDE_COLUMNS: Final = {"expr": "max(1, floor(width / 270))"}
#: The day's 24 hours; Vega's own are of twelve.
_CLOCK: Final = {
    "month": "%b %d",
    "week": "%b %d",
    "date": "%b %d",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
}
_WHEN: Final = {"field": "at", "type": "temporal", "title": "when", "format": "%b %d %H:%M:%S"}
#: The names of lanes and bars stand inside, above what they name: they may be long, and a screen narrow.
_INNER_LABELS: Final[Specification] = {
    "labelAlign": "left",
    "labelPadding": -6,
    "labelLimit": {"expr": "width - 4"},
    "ticks": False,
    "domain": False,
}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PHASE_COLOURS: Final = ("#5b6675", "#7c8aa0", "#a9b2be", "#2f7dd1", "#e0a83a", "#4fb985")
#: A lane of a route's picture, in pixels; the name stands above what happened.
_LANE: Final = 52
_MOST_NAME: Final = 80


def route_timeline(detail: RouteDetail) -> Specification:
    """A lane for each candidate, the route's path drawn through, and below it when the candidate was not up."""
    # Two targets may be called the same when cut: lanes are known by their numbers.
    lanes = {target: f"{number}  {_cut(target)}" for number, target in enumerate(detail.lanes, 1)}
    path = [{"at": instant(period.since), "lane": lanes[period.target]} for period in detail.path]
    if path:
        path.append({"at": instant(detail.until), "lane": path[-1]["lane"]})
    steps = [{**row, "order": number} for number, row in enumerate(path)]
    order = {"field": "order", "type": "quantitative"}
    layers = [
        *_health_layer(detail, lanes),
        {
            "data": {"values": steps},
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 3, "color": _PATH},
            "encoding": {"order": order},
        },
        *_moves_layer(detail, lanes),
    ]
    lane = {
        "field": "lane",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(lanes.values())},
        "axis": {**_INNER_LABELS, "labelOffset": -15, "grid": True, "tickBand": "extent"},
    }
    return {
        **FRAME,
        "height": {"step": _LANE},
        "encoding": {"x": _time(detail.since, detail.until), "y": lane},
        "layer": layers,
    }


def _health_layer(detail: RouteDetail, lanes: Mapping[str, str]) -> list[Specification]:
    """When the targets were not up: the worse, the thicker, so that colour is not the only sign."""
    thickness = {"bad": 12, "ours": 12, "watch": 8, "info": 6, "none": 3}
    rows = [
        {
            "lane": lanes[period.target],
            "at": instant(period.since),
            "to": instant(period.until),
            "health": f"{period.health.symbol} {period.health}",
            "lasted": format_elapsed((period.until - period.since).total_seconds()),
            "why": plain_reason(period.reason),
            "UTC": _utc(period.since),
            "thickness": thickness[period.health.level],
        }
        for period in detail.health
        if period.health is not Health.UP
    ]
    if not rows:
        return []
    known = [health for health in Health if any(row["health"] == f"{health.symbol} {health}" for row in rows)]
    scale = {
        "domain": [f"{health.symbol} {health}" for health in known],
        "range": [_COLOURS[health.level] for health in known],
    }
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "yOffset": 13},
            "encoding": {
                "x2": {"field": "to"},
                "color": {"field": "health", "type": "nominal", "scale": scale, "legend": LEGEND},
                "size": {"field": "thickness", "type": "quantitative", "scale": None, "legend": None},
                "tooltip": _tips("health", "lasted", "why", "UTC"),
            },
        }
    ]


def _moves_layer(detail: RouteDetail, lanes: Mapping[str, str]) -> list[Specification]:
    rows = [
        {
            "at": instant(move.at),
            "lane": lanes[move.target],
            "move": move.move.replace("_", " "),
            "why": plain_reason(move.reason),
            "UTC": _utc(move.at),
        }
        for move in detail.moves
        if move.target in lanes
    ]
    mark = {"type": "point", "filled": True, "size": 90, "color": _PATH, "opacity": 1}
    layer = {"data": {"values": rows}, "mark": mark, "encoding": {"tooltip": [_WHEN, *_tips("move", "why", "UTC")]}}
    return [layer] if rows else []


def felt(
    course: Sequence[tuple[datetime, RouteRollup]], since: datetime, until: datetime, width: timedelta
) -> Specification:
    """The minutes that users were failed, hour by hour or day by day: with the failover, inside those without it."""
    kinds = ("without the failover", "with it")
    rows = [
        {
            **_part(at, since, until, width),
            "what": what,
            "minutes": round(seconds / 60, 2),
        }
        for at, rollup in course
        for what, seconds in zip(kinds, (rollup.without_s, rollup.felt_s), strict=True)
        if seconds
    ]
    return {
        **FRAME,
        "data": {"values": rows},
        "mark": {"type": "bar"},
        "height": 130,
        "encoding": {
            "x": _time(since, until),
            "x2": {"field": "to"},
            "y": {"field": "minutes", "type": "quantitative", "title": "minutes failed", "stack": None},
            "y2": {"datum": 0},
            "color": {
                "field": "what",
                "type": "nominal",
                "scale": {"domain": list(kinds), "range": [_COLOURS["none"], _PATH]},
                "legend": LEGEND,
            },
            "tooltip": [_WHEN, *_tips("what", "minutes", "UTC")],
        },
    }


def outcomes(rollups: Rollups, since: datetime, until: datetime, width: timedelta) -> Specification:
    """How the probes of each part of the time ended, as shares; the worst on top."""
    rows = [
        {
            **_part(at, since, until, width),
            "outcome": outcome,
            "probes": count,
        }
        for at, rollup in rollups
        for outcome, count in rollup.asked.items()
    ]
    known = [outcome.value for outcome in Outcome if any(row["outcome"] == outcome.value for row in rows)]
    colours = [_COLOURS[outcome_class(Outcome(outcome))] for outcome in known]
    return {
        **FRAME,
        "data": {"values": rows},
        "transform": [
            {"calculate": f"indexof({known}, datum.outcome)", "as": "rank"},
            {
                "stack": "probes",
                "groupby": ["at"],
                "offset": "normalize",
                "sort": [{"field": "rank"}],
                "as": ["low", "high"],
            },
        ],
        "mark": {"type": "bar", "tooltip": False},
        "height": 150,
        "encoding": {
            "x": _time(since, until),
            "x2": {"field": "to"},
            "y": {
                "field": "low",
                "type": "quantitative",
                "title": "share of probes",
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "y2": {"field": "high"},
            "color": {
                "field": "outcome",
                "type": "nominal",
                "scale": {"domain": known, "range": colours},
                "legend": LEGEND,
            },
            "tooltip": [
                _WHEN,
                {"field": "outcome", "type": "nominal"},
                {"field": "probes", "type": "quantitative"},
                {"field": "UTC", "type": "nominal"},
            ],
        },
    }


def latency(detail: TargetDetail) -> Specification:
    """How long answers and first tokens took, on a logarithmic axis, with the slow limit and what is usual."""
    rows = [
        {"at": instant(at), "of": of, "level": level, "seconds": round(value, 3), "UTC": _utc(at)}
        for at, rollup in detail.course
        for of, histogram in (("answer", rollup.duration), ("first token", rollup.first_token))
        for level, share in (("median", 0.5), ("95 %", 0.95))
        if (value := histogram.quantile(share)) is not None
    ]
    legend = {**LEGEND, "symbolType": "stroke"}
    colours = {"domain": ["answer", "first token"], "range": [_PATH, _TOKENS]}
    dashes = {"domain": ["median", "95 %"], "range": [[1, 0], [5, 3]]}
    lines = {
        "data": {"values": rows},
        "mark": {"type": "line", "clip": True},
        "encoding": {
            "x": _time(detail.since, detail.until),
            "color": {"field": "of", "type": "nominal", "scale": colours, "legend": legend},
            "strokeDash": {"field": "level", "type": "nominal", "scale": dashes, "legend": legend},
            "tooltip": [_WHEN, *_tips("of", "level", "seconds", "UTC")],
        },
    }
    axis = {"field": "seconds", "type": "quantitative", "scale": {"type": "log"}, "title": "seconds"}
    return {
        **FRAME,
        "height": 260,
        "encoding": {"y": axis},
        "layer": [lines, _levels(detail)],
        "resolve": {"scale": {"color": "independent", "strokeDash": "independent"}},
    }


def _levels(detail: TargetDetail) -> Specification:
    """Level lines: the slow limit, and what 95 of 100 answers of each check usually stay under; the legend names them.

    Their names on the picture would run into its lines.
    """
    levels = [(detail.slow_s, f"slow limit, {detail.slow_s:g} s", _COLOURS["bad"])]
    levels += [
        (round(usual.high_s, 3), f"usually under {usual.high_s:.2g} s ({measure})", _colour_of(measure))
        for measure, usual in detail.usual.items()
        if usual.high_s > 0
    ]
    names, colours = [name for _, name, _ in levels], [colour for *_, colour in levels]
    return {
        "data": {"values": [{"seconds": seconds, "name": name} for seconds, name, _ in levels]},
        "mark": {"type": "rule", "strokeDash": [2, 3], "size": 1.5},
        "encoding": {
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": names, "range": colours},
                "legend": {**LEGEND, "symbolType": "stroke", "symbolDash": [2, 3], "columns": _WIDE_COLUMNS},
            },
            "tooltip": {"field": "name", "type": "nominal"},
        },
    }


def _colour_of(measure: str) -> str:
    return _TOKENS if "first token" in measure else _PATH


def hours_of_week(hours: Mapping[datetime, OutcomeCounts], zone: tzinfo) -> Specification:
    """The share served by weekday and hour of the day; what was not all served says how much."""
    rows = [
        {
            "day": _DAYS[day],
            "hour": hour,
            "served": round(counts.served, 4),
            "said": f"{format_percent(counts.served)} of {counts.asked:,} probes",
            "mark": "" if counts.served >= GOOD else f"{int(100 * counts.served)}",
        }
        for (day, hour), counts in sorted(by_hour_of_week(hours, zone).items())
        if counts.served is not None
    ]
    place = {
        "x": {"field": "hour", "type": "ordinal", "title": "hour of the day", "axis": {"labelAngle": 0}},
        "y": {"field": "day", "type": "ordinal", "title": None, "sort": list(_DAYS)},
    }
    # As the bars of the days.
    tones = [_COLOURS["bad"], _COLOURS["watch"], _COLOURS["good"]]
    scale = {"type": "threshold", "domain": [WATCH, GOOD], "range": tones}
    return {
        **FRAME,
        "data": {"values": rows},
        "height": {"step": 22},
        "encoding": place,
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "transparent", "strokeWidth": 2},
                "encoding": {
                    "color": {"field": "served", "type": "quantitative", "scale": scale, "legend": None},
                    "tooltip": [*_tips("day", "hour"), {"field": "said", "type": "nominal", "title": "served"}],
                },
            },
            {
                "mark": {"type": "text", "fontSize": 10, "color": "#1c2430"},
                "encoding": {"text": {"field": "mark"}},
            },
        ],
    }


def phases(medians: Sequence[PhaseMedians]) -> Specification:
    """Where the time of the newest answers went, a bar for each check, on new connections and on used ones."""
    rows = [
        {
            "kind": f"{each.check}, {'used' if each.reused else 'new'} connection ({each.answers})",
            "phase": phase,
            "rank": rank,
            "seconds": round(value, 4),
        }
        for each in medians
        for rank, (phase, value) in enumerate(zip(PHASES, each.seconds, strict=True))
        if value
    ]
    return {
        **FRAME,
        "data": {"values": rows},
        "mark": {"type": "bar", "tooltip": True, "height": 16, "yOffset": 8},
        "height": {"step": 46},
        "encoding": {
            "y": {
                "field": "kind",
                "type": "nominal",
                "title": None,
                "axis": {**_INNER_LABELS, "labelOffset": -13},
            },
            "x": {"field": "seconds", "type": "quantitative", "title": "seconds, median of each phase"},
            "color": {
                "field": "phase",
                "type": "nominal",
                "scale": {"domain": list(PHASES), "range": list(_PHASE_COLOURS)},
                "legend": LEGEND,
            },
            "order": {"field": "rank", "type": "quantitative"},
        },
    }


def _time(since: datetime, until: datetime) -> Specification:
    return {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"domain": [instant(since), instant(until)]},
        "axis": {"labelOverlap": True, "tickCount": 8, "format": _CLOCK},
    }


def _part(at: datetime, since: datetime, until: datetime, width: timedelta) -> Specification:
    """The part of the time that begins `at`, as far as it is shown."""
    return {"at": instant(max(at, since)), "to": instant(min(at + width, until)), "UTC": _utc(at)}


def _tips(*fields: str) -> list[Specification]:
    return [{"field": field, "type": "nominal"} for field in fields]


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _cut(name: str) -> str:
    return name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 1]}…"
