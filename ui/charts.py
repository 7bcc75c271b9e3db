"""What all pictures of the past share, as parts of Vega-Lite specifications for Streamlit's native charts. Pure.

The browser draws instants in its own zone; every tip says UTC too. No colour stands alone: what is bad is also higher,
dashed, or a symbol, and its words are in the tip.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from monitor.formatting import instant

Specification = dict[str, Any]
#: As the bars of the page, in the light theme and the dark.
COLOURS: Final = {
    "good": "#4fb985",
    "watch": "#e0a83a",
    "bad": "#d6453e",
    "ours": "#9a76d6",
    "info": "#4b9be0",
    "none": "#a9b2be",
}
#: Of what a picture is about.
ACCENT: Final = "#2f7dd1"
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
#: The day's 24 hours; Vega's own are of twelve.
_CLOCK: Final = {
    "month": "%b %d",
    "week": "%b %d",
    "date": "%b %d",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
}
WHEN: Final = {"field": "at", "type": "temporal", "title": "when", "format": "%b %d %H:%M:%S"}
#: The names of lanes and bars stand inside, above what they name: they may be long, and a screen narrow.
INNER_LABELS: Final[Specification] = {
    "labelAlign": "left",
    "labelPadding": -6,
    "labelLimit": {"expr": "width - 4"},
    "ticks": False,
    "domain": False,
}


def time_axis(since: datetime, until: datetime) -> Specification:
    """The axis of a picture from `since` to `until`."""
    return {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"domain": [instant(since), instant(until)]},
        "axis": {"labelOverlap": True, "tickCount": 8, "format": _CLOCK},
    }


def time_part(at: datetime, since: datetime, until: datetime, width: timedelta) -> Specification:
    """The part of the time that begins `at`, as far as it is shown."""
    return {"at": instant(max(at, since)), "to": instant(min(at + width, until)), "UTC": utc(at)}


def tips(*fields: str) -> list[Specification]:
    """What a tip says in words."""
    return [{"field": field, "type": "nominal"} for field in fields]


def utc(at: datetime) -> str:
    """An instant as a tip says it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
