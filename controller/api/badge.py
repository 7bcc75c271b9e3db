"""Badges: one fact of the overview as a small picture, SVG, for a wiki or a README (pure)."""

from html import escape
from typing import Final

from controller.status.headline import Level
from controller.status.overview import Overview
from monitor.health import FAILING, HealthLevel

_COLOURS: Final = {Level.GOOD: "#2c7a3f", Level.NOTICE: "#8a6100", Level.BAD: "#b3261e", Level.UNKNOWN: "#5f6368"}
_WORDS: Final = {Level.GOOD: "all well", Level.NOTICE: "handled", Level.BAD: "trouble", Level.UNKNOWN: "not known"}
_LEVELS: Final = {
    HealthLevel.GOOD: Level.GOOD,
    HealthLevel.WATCH: Level.NOTICE,
    HealthLevel.INFO: Level.NOTICE,
    HealthLevel.BAD: Level.BAD,
    HealthLevel.OURS: Level.BAD,
    HealthLevel.NONE: Level.UNKNOWN,
}
_LONGEST: Final = 60
#: What a character of Verdana, 11 pixels high, takes on average; longer texts are squeezed.
_CHARACTER_PX: Final = 6.6
_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {value}">'
    "<title>{label}: {value}</title>"
    '<rect width="{width}" height="20" rx="3" fill="#555"/>'
    '<rect x="{split}" width="{right}" height="20" rx="3" fill="{colour}"/>'
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
    '<text x="6" y="14" textLength="{label_px}" lengthAdjust="spacingAndGlyphs">{label}</text>'
    '<text x="{value_x}" y="14" textLength="{value_px}" lengthAdjust="spacingAndGlyphs">{value}</text>'
    "</g></svg>\n"
)


def status_badge(overview: Overview, title: str) -> bytes:
    """How bad the headline is."""
    return _badge(title, _WORDS[overview.level], overview.level)


def route_badge(overview: Overview, name: str) -> bytes | None:
    """Where a route points, in the colour of that target's health; None when there is no such route."""
    for route in overview.routes:
        if route.name == name:
            health = next(each.health for each in route.candidates if each.target == route.target)
            level = Level.BAD if route.stuck or health in FAILING else _LEVELS[health.level]
            is_moved = route.failed_over and level is Level.GOOD
            return _badge(name, route.target, Level.NOTICE if is_moved else level)
    return None


def target_badge(overview: Overview, target: str) -> bytes | None:
    """The health of a target; None when there is no such target."""
    for view in overview.targets:
        if view.state.target == target:
            return _badge(target, view.state.health, _LEVELS[view.state.health.level])
    return None


def _badge(label: str, value: str, level: Level) -> bytes:
    label, value = label[:_LONGEST], value[:_LONGEST]
    label_px, value_px = (round(len(text) * _CHARACTER_PX) for text in (label, value))
    split, right = label_px + 12, value_px + 12
    return _SVG.format(
        width=split + right,
        split=split,
        right=right,
        label=escape(label),
        value=escape(value),
        label_px=label_px,
        value_px=value_px,
        value_x=split + 6,
        colour=_COLOURS[level],
    ).encode(errors="replace")
