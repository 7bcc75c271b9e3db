"""Renders single facts: escaped text, instants, durations, shares, money, health. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape
from itertools import zip_longest
from urllib.parse import urlencode

from monitor.formatting import percent_number
from monitor.health import Health
from probes.outcome import Outcome

_NONE = '<span class="hs-none" title="nothing measured yet">–</span>'
_UTC = re.compile(r"(?:(?P<day>\d{4}-\d\d-\d\d) )?\b(?P<time>\d\d:\d\d(?::\d\d)?) UTC\b")
_MINUTES = len("14:02")
#: By the effect of the worst outcome.
_BAR = {
    "up": "good",
    "down": "bad",
    "degraded": "watch",
    "throttled": "ours",
    "misconfigured": "ours",
    "nothing": "none",
}


def text(value: str) -> str:
    """Any string as HTML text or attribute value: nothing in it can become markup."""
    return escape(value, quote=True)


def outcome_class(outcome: Outcome | None) -> str:
    """The colour class of an outcome; `gap` where nothing was observed."""
    return _BAR[outcome.effect] if outcome else "gap"


def pill(health: Health, title: str = "") -> str:
    """A health as symbol and word, because colour must never be the only sign."""
    return (
        f'<span class="hs-pill hs-{health.level}" title="{text(title)}">'
        f'<span class="hs-symbol" aria-hidden="true">{health.symbol}</span>{health}</span>'
    )


def link(page: str, html: str, attributes: str = "", **state: str) -> str:
    """A link to a page of ours in this state of its address, around this HTML; `attributes` are further ones."""
    query = f"?{urlencode(state)}" if state else ""
    further = f" {attributes}" if attributes else ""
    return f'<a{further} href="{text(page + query)}" target="_self">{html}</a>'


def target_link(target_id: str, **state: str) -> str:
    """A target's id that leads to its page."""
    return link("target", target(target_id), target=target_id, **state)


def target(target_id: str) -> str:
    """A target's id, with the provider in a quieter colour."""
    provider, slash, model = target_id.partition("/")
    return f'<span class="hs-id"><span class="hs-quiet">{text(provider + slash)}</span>{text(model)}</span>'


def instant(at: datetime, now: datetime) -> str:
    """A time of day in the zone of `now`, with its date when that is not today's; UTC is its title."""
    local = at.astimezone(now.tzinfo)
    shown = f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%b %d %H:%M}"
    return f'<time datetime="{at.isoformat()}" title="{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC">{shown}</time>'


def zone_note(now: datetime) -> str:
    """In which zone times are shown: that of `now`."""
    zone = str(now.tzinfo)
    return "times in UTC" if zone == "UTC" else f"times in {text(zone)}, UTC where you point at them"


def prose(sentence: str, now: datetime | None = None) -> str:
    """A sentence as HTML: what stands between backticks is code; its instants are in UTC, or in the zone of `now`."""
    parts = text(sentence).split("`")
    if now is not None and str(now.tzinfo) != "UTC":
        parts = [_UTC.sub(partial(_local, now=now), part) for part in parts]
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _local(written: re.Match[str], now: datetime) -> str:
    """The instant that a sentence names, as `monitor.formatting.clock` writes it, in the zone of `now`."""
    whole = written["day"] or f"{now.astimezone(UTC):%Y-%m-%d}"
    try:
        at = datetime.fromisoformat(f"{whole} {written['time']}").replace(tzinfo=UTC).astimezone(now.tzinfo)
    except ValueError:  # Somebody else's words.
        return written[0]
    shown = f"{at:%H:%M:%S}" if len(written["time"]) > _MINUTES else f"{at:%H:%M}"
    day = f"{at:%Y-%m-%d} " if written["day"] else ""
    return f'<time datetime="{at.isoformat()}" title="{written[0]}">{day}{shown}</time>'


def seconds(value: float | None) -> str:
    """A latency: `840 ms`, `1.24 s`, `12.3 s`."""
    if value is None:
        return _NONE
    if value < 1:
        return f'{value * 1000:.0f}<span class="hs-unit">ms</span>'
    return f'{value:.{2 if value < 10 else 1}f}<span class="hs-unit">s</span>'


def share(value: float | None) -> str:
    """A success rate in percent, never rounded up to 100."""
    if value is None:
        return _NONE
    return f'{percent_number(value)}<span class="hs-unit">%</span>'


def money(usd: float | None, *, answered: bool = False) -> str:
    """A cost in dollars, to a tenth of a cent below one dollar; `unknown` where what `answered` has no known price."""
    if usd is None:
        shown, why = ("unknown", "no price known") if answered else ("–", "no price known, or nothing that costs")
        return f'<span class="hs-none" title="{why}">{shown}</span>'
    if 0 < usd < 0.001:
        return "&lt;$0.001"
    return f"${usd:.{3 if 0 < usd < 1 else 2}f}"


def section(title: str, subtitle: str, body: str) -> str:
    """A part of the page under a heading; all three are HTML."""
    return f'<section class="hs-section"><h2>{title}<span class="hs-sub">{subtitle}</span></h2>{body}</section>'


def table(
    label: str,
    heads: Mapping[str, str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str] = (),
    *,
    kind: str = "",
) -> str:
    """A table of HTML cells that a narrow screen stacks; `heads` are the columns' names with what they mean.

    `notes` are what is worth saying below each row, empty where nothing is. Roles by hand: a browser takes them from a
    table whose rows are laid out as a grid.
    """
    names = list(heads)
    head = "".join(f'<th role="columnheader" scope="col" title="{text(heads[n])}">{text(n)}</th>' for n in names)
    body = "".join(_row(names, row, note) for row, note in zip_longest(rows, notes, fillvalue=""))
    return (
        f'<table class="hs-table {kind}" role="table" aria-label="{text(label)}"><thead role="rowgroup">'
        f'<tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table>'
    )


def _row(names: Sequence[str], row: Sequence[str], note: str) -> str:
    cells = "".join(
        f'<td role="cell" data-label="{text(name)}">{cell}</td>' for name, cell in zip(names, row, strict=True)
    )
    below = f'<tr role="row" class="hs-below"><td role="cell" colspan="{len(names)}">{note}</td></tr>' if note else ""
    return f'<tr role="row">{cells}</tr>{below}'


def empty(sentence: str) -> str:
    """What stands where there is nothing to show; what stands between backticks is code."""
    return f'<p class="hs-empty">{prose(sentence)}</p>'


def legend(kinds: Mapping[str, str]) -> str:
    """What the colours of bars mean, by the colour's class."""
    items = "".join(f'<span><i class="hs-{colour}"></i>{word}</span>' for colour, word in kinds.items())
    return f'<p class="hs-legend">{items}</p>'
