"""The section about what operators have laid on: who, what, why and until when. Pure, every string escaped."""

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
    cards = "".join(_card(one, overview.now) for one in overview.overrides)
    return section("Laid on by hand", "times in UTC", f'<div class="hs-cards">{cards}</div>')


def _card(one: Override, now: datetime) -> str:
    forced = '<span class="hs-note hs-watch">forced</span>' if one.forced else ""
    return (
        f'<article class="hs-card hs-edge hs-info" aria-label="{text(override_text.describe_override(one))}">'
        f'<div class="hs-row"><span class="hs-note hs-info">{_WORD[one.kind]}</span>{_what(one)}{forced}'
        f'<span class="hs-since">{override_text.format_time_left(one, now)}, at {instant(one.until, now)}</span></div>'
        f'<p class="hs-reason">{text(one.author)}, {instant(one.at, now)}: {text(one.reason)}</p></article>'
    )


def _what(one: Override) -> str:
    if one.kind is OverrideKind.DRAIN:
        return target(one.subject) if "/" in one.subject else f'<span class="hs-route">{text(one.subject)}</span>'
    every = one.kind is OverrideKind.PAUSE and one.subject == ALL
    name = f'<span class="hs-route">{"all routes" if every else text(one.subject)}</span>'
    return f'{name}<span class="hs-arrow" aria-label="to">→</span>{target(one.target)}' if one.target else name
