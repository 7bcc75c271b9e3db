"""Pictures of a target's past: how its probes ended, how long they took, and in which hours. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from controller.status.details.target import PHASES, PhaseMedians, TargetDetail, by_hour_of_week
from monitor.formatting import format_percent, instant
from monitor.history.rollup import OutcomeCounts, Rollup
from probes.outcome import Outcome
from ui.charts import ACCENT, COLOURS, FRAME, INNER_LABELS, LEGEND, WHEN, Specification, time_axis, time_part, tips, utc
from ui.components import outcome_class
from ui.history import GOOD, WATCH

Rollups = Sequence[tuple[datetime, Rollup]]
_TOKENS: Final = "#c2703a"
_WIDE_COLUMNS: Final = {"expr": "max(1, floor(width / 270))"}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PHASE_COLOURS: Final = ("#5b6675", "#7c8aa0", "#a9b2be", "#2f7dd1", "#e0a83a", "#4fb985")


def outcomes(rollups: Rollups, since: datetime, until: datetime, width: timedelta) -> Specification:
    """How the probes of each part of the time ended, as shares; the worst on top."""
    rows = [
        {
            **time_part(at, since, until, width),
            "outcome": outcome,
            "probes": count,
        }
        for at, rollup in rollups
        for outcome, count in rollup.asked.items()
    ]
    known = [outcome.value for outcome in Outcome if any(row["outcome"] == outcome.value for row in rows)]
    colours = [COLOURS[outcome_class(Outcome(outcome))] for outcome in known]
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
            "x": time_axis(since, until),
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
                WHEN,
                {"field": "outcome", "type": "nominal"},
                {"field": "probes", "type": "quantitative"},
                {"field": "UTC", "type": "nominal"},
            ],
        },
    }


def latency(detail: TargetDetail) -> Specification:
    """How long answers and first tokens took, on a logarithmic axis, with the slow limit and what is usual."""
    rows = [
        {"at": instant(at), "of": of, "level": level, "seconds": round(value, 3), "UTC": utc(at)}
        for at, rollup in detail.course
        for of, histogram in (("answer", rollup.duration), ("first token", rollup.first_token))
        for level, share in (("median", 0.5), ("95 %", 0.95))
        if (value := histogram.quantile(share)) is not None
    ]
    legend = {**LEGEND, "symbolType": "stroke"}
    colours = {"domain": ["answer", "first token"], "range": [ACCENT, _TOKENS]}
    dashes = {"domain": ["median", "95 %"], "range": [[1, 0], [5, 3]]}
    lines = {
        "data": {"values": rows},
        "mark": {"type": "line", "clip": True},
        "encoding": {
            "x": time_axis(detail.since, detail.until),
            "color": {"field": "of", "type": "nominal", "scale": colours, "legend": legend},
            "strokeDash": {"field": "level", "type": "nominal", "scale": dashes, "legend": legend},
            "tooltip": [WHEN, *tips("of", "level", "seconds", "UTC")],
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
    levels = [(detail.slow_s, f"slow limit, {detail.slow_s:g} s", COLOURS["bad"])]
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
    return _TOKENS if "first token" in measure else ACCENT


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
    tones = [COLOURS["bad"], COLOURS["watch"], COLOURS["good"]]
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
                    "tooltip": [*tips("day", "hour"), {"field": "said", "type": "nominal", "title": "served"}],
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
                "axis": {**INNER_LABELS, "labelOffset": -13},
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
