"""Charts of one target's past, as Vega-Lite specifications for Streamlit's native charts. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from monitor.formatting import instant
from monitor.history.rollup import Rollup
from probes.outcome import Outcome
from ui.components import outcome_class

Rollups = Sequence[tuple[datetime, Rollup]]
#: As the bars of the page, in the light theme and the dark.
_COLOURS: Final = {"good": "#4fb985", "watch": "#e0a83a", "bad": "#d6453e", "ours": "#9a76d6", "none": "#a9b2be"}
_LATENCIES: Final = (
    ("answer, median", "duration", 0.5),
    ("answer, 95 %", "duration", 0.95),
    ("first token, median", "first_token", 0.5),
    ("first token, 95 %", "first_token", 0.95),
)
_TIME: Final = {
    "field": "at",
    "type": "temporal",
    "title": None,
    "axis": {"format": "%b %d %H:%M", "labelOverlap": True, "tickCount": 8},
}


def outcomes(rollups: Rollups) -> dict[str, Any]:
    """How the probes of each hour or day ended, as shares."""
    rows = [
        {"at": instant(at), "outcome": outcome, "probes": count}
        for at, rollup in rollups
        for outcome, count in rollup.asked.items()
    ]
    known = [outcome.value for outcome in Outcome if any(row["outcome"] == outcome.value for row in rows)]
    colours = [_COLOURS[outcome_class(Outcome(outcome))] for outcome in known]
    return {
        "data": {"values": rows},
        "mark": {"type": "bar", "tooltip": True},
        "height": 220,
        "encoding": {
            "x": _TIME,
            "y": {"field": "probes", "type": "quantitative", "stack": "normalize", "title": "share of probes"},
            "color": {
                "field": "outcome",
                "type": "nominal",
                "title": None,
                "scale": {"domain": known, "range": colours},
            },
            "order": {"field": "outcome"},
        },
    }


def latency(rollups: Rollups) -> dict[str, Any]:
    """How long answers and first tokens took, in seconds on a logarithmic axis."""
    rows = [
        {"at": instant(at), "what": what, "seconds": round(value, 3)}
        for at, rollup in rollups
        for what, name, share in _LATENCIES
        if (value := getattr(rollup, name).quantile(share)) is not None
    ]
    names = [what for what, _, _ in _LATENCIES]
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "tooltip": True},
        "height": 220,
        "encoding": {
            "x": _TIME,
            "y": {"field": "seconds", "type": "quantitative", "scale": {"type": "log"}, "title": "seconds"},
            "color": {"field": "what", "type": "nominal", "title": None, "sort": names},
            "strokeDash": {"field": "what", "type": "nominal", "title": None, "sort": names},
        },
    }
