"""Renders single facts: escaped text, instants, durations, shares, money, health. Pure."""

from datetime import datetime
from html import escape

from monitor.formatting import percent_number
from monitor.health import Health
from probes.outcome import Outcome

_NONE = '<span class="hs-none" title="nothing measured yet">–</span>'
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


def target(target_id: str) -> str:
    """A target's id, with the provider in a quieter colour."""
    provider, slash, model = target_id.partition("/")
    return f'<span class="hs-id"><span class="hs-quiet">{text(provider + slash)}</span>{text(model)}</span>'


def instant(at: datetime, now: datetime) -> str:
    """A time of day in UTC, with its date when that is not today's; the section's heading says that it is UTC."""
    shown = f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%b %d %H:%M}"
    return f'<time datetime="{at.isoformat()}" title="{at:%Y-%m-%d %H:%M:%S} UTC">{shown}</time>'


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
