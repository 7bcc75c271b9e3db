"""The section of overrides in force: who, what, why and until when. Pure, every string escaped."""

from datetime import datetime

from controller.routing import override_text
from controller.routing.overrides import ALL, Override, OverrideKind
from controller.status.overview import Overview
from ui.components import instant, section, target, text

_WORD = {OverrideKind.PIN: "pin", OverrideKind.DRAIN: "drain", OverrideKind.PAUSE: "pause"}


def overrides(overview: Overview) -> str:
    """Every override in force; nothing when there is none."""
    if not overview.overrides:
        return ""
    cards = "".join(_card(override, overview.now) for override in overview.overrides)
    return section("Pins, drains and pauses", "times in UTC", f'<div class="hs-cards">{cards}</div>')


def _card(override: Override, now: datetime) -> str:
    left, author = override_text.format_time_left(override, now), text(override.author)
    forced = '<span class="hs-note hs-watch">forced</span>' if override.forced else ""
    return (
        f'<article class="hs-card hs-edge hs-info" aria-label="{text(override_text.describe_override(override))}">'
        f'<div class="hs-row"><span class="hs-note hs-info">{_WORD[override.kind]}</span>{_subject(override)}{forced}'
        f'<span class="hs-since">{left}, at {instant(override.until, now)}</span></div>'
        f'<p class="hs-reason">{author}, {instant(override.at, now)}: {text(override.reason)}</p></article>'
    )


def _subject(override: Override) -> str:
    if override.kind is OverrideKind.DRAIN:
        return (
            target(override.subject)
            if "/" in override.subject
            else f'<span class="hs-route">{text(override.subject)}</span>'
        )
    every = override.kind is OverrideKind.PAUSE and override.subject == ALL
    name = f'<span class="hs-route">{"all routes" if every else text(override.subject)}</span>'
    return (
        f'{name}<span class="hs-arrow" aria-label="to">→</span>{target(override.target)}' if override.target else name
    )
