"""Pictures of a route's past: where it pointed and why, and what its users felt. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from controller.history.route_rollup import RouteRollup
from controller.status.details.route import RouteDetail
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import format_elapsed, instant
from monitor.health import Health
from ui.charts import ACCENT, COLOURS, FRAME, INNER_LABELS, LEGEND, WHEN, Specification, time_axis, time_part, tips, utc

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
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 3, "color": ACCENT},
            "encoding": {"order": order},
        },
        *_moves_layer(detail, lanes),
    ]
    lane = {
        "field": "lane",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(lanes.values())},
        "axis": {**INNER_LABELS, "labelOffset": -15, "grid": True, "tickBand": "extent"},
    }
    return {
        **FRAME,
        "height": {"step": _LANE},
        "encoding": {"x": time_axis(detail.since, detail.until), "y": lane},
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
            "UTC": utc(period.since),
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
        "range": [COLOURS[health.level] for health in known],
    }
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "yOffset": 13},
            "encoding": {
                "x2": {"field": "to"},
                "color": {"field": "health", "type": "nominal", "scale": scale, "legend": LEGEND},
                "size": {"field": "thickness", "type": "quantitative", "scale": None, "legend": None},
                "tooltip": tips("health", "lasted", "why", "UTC"),
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
            "UTC": utc(move.at),
        }
        for move in detail.moves
        if move.target in lanes
    ]
    mark = {"type": "point", "filled": True, "size": 90, "color": ACCENT, "opacity": 1}
    layer = {"data": {"values": rows}, "mark": mark, "encoding": {"tooltip": [WHEN, *tips("move", "why", "UTC")]}}
    return [layer] if rows else []


def felt(
    course: Sequence[tuple[datetime, RouteRollup]], since: datetime, until: datetime, width: timedelta
) -> Specification:
    """The minutes that users were failed, hour by hour or day by day: with the failover, inside those without it."""
    kinds = ("without the failover", "with it")
    rows = [
        {
            **time_part(at, since, until, width),
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
            "x": time_axis(since, until),
            "x2": {"field": "to"},
            "y": {"field": "minutes", "type": "quantitative", "title": "minutes failed", "stack": None},
            "y2": {"datum": 0},
            "color": {
                "field": "what",
                "type": "nominal",
                "scale": {"domain": list(kinds), "range": [COLOURS["none"], ACCENT]},
                "legend": LEGEND,
            },
            "tooltip": [WHEN, *tips("what", "minutes", "UTC")],
        },
    }


def _cut(name: str) -> str:
    return name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 1]}…"
