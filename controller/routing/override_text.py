"""What people read about operator overrides: the same sentences in the log, the database, Slack and the page (pure)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import ALL, Override, OverrideKind, Overrides
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import clock, format_elapsed, instant, listed
from monitor.health import TargetHealth
from probes.redaction import one_line

_LONGEST_QUOTE = 500
#: The kinds of the events of a beginning and of an end by hand.
_BEGUN = {OverrideKind.MAINTENANCE: "maintenance_begun", OverrideKind.DRILL: "drill_begun"}
_ENDED = {
    OverrideKind.PIN: "unpinned",
    OverrideKind.DRAIN: "undrained",
    OverrideKind.PAUSE: "resumed",
    OverrideKind.MAINTENANCE: "maintenance_ended",
    OverrideKind.DRILL: "drill_ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideEvent:
    """A change of an override that is reported to people once and stored among the events."""

    kind: str
    subject: str
    text: str


def describe_override(override: Override) -> str:
    """`the pin of chat to openai/gpt-6-luna`, `the drain of openai`, `the pause of all routes`."""
    to = f" to {override.target}" if override.target else ""
    return f"the {override.kind} of {_subject(override)}{to}"


def with_author(override: Override, effect: str) -> str:
    """`pinned to X by ana until 14:30 UTC: reason` for the effect `pinned to X`; one line whatever was typed."""
    same_day = override.until.date() == override.at.date()
    until = f"{override.until:%H:%M}" if same_day else f"{override.until:%Y-%m-%d %H:%M}"
    author, reason = one_line(override.author, _LONGEST_QUOTE), one_line(override.reason, _LONGEST_QUOTE)
    return f"{effect} by {author} until {until} UTC: {reason}"


def format_time_left(override: Override, now: datetime) -> str:
    """`expires in 43 min`; `expired` once it has."""
    left_s = (override.until - now).total_seconds()
    if left_s <= 0:
        return "expired"
    # Whole minutes from two minutes on: nobody plans by the second.
    return f"expires in {format_elapsed(round(left_s / 60) * 60 if left_s >= 120 else round(left_s))}"


def format_end(override: Override, now: datetime) -> str:
    """`until 16:30:00 UTC`."""
    return f"until {clock(override.until, now)}"


def route_reason(state: Decision, overrides: Overrides) -> str:
    """Why the route points where it does, with the pin or the pause that holds it there."""
    pin = overrides.pin(state.route)
    override = pin or overrides.paused(state.route)
    if override is None:
        return state.reason
    held = with_author(override, f"pinned to {override.target}" if pin else "paused")
    if held in state.reason:
        return state.reason
    # The reason of a pin that was replaced would only mislead.
    replaced = pin and state.move is MoveKind.PIN and not state.dry_run
    return held if replaced else f"{state.reason}; {held}"


def begun_event(
    override: Override,
    replaced: Sequence[Override] = (),
    *,
    before: str | None = None,
    failing: TargetHealth | None = None,
    left_dry: Sequence[str] = (),
) -> OverrideEvent:
    """Reports that the override began.

    `before` is where a pinned route pointed, `failing` the health of a pinned target that fails, `left_dry` are the
    routes that it leaves without a candidate.
    """
    to = f" to {override.target}" if override.target else ""
    lasts = f"{format_end(override, override.at)} ({format_elapsed((override.until - override.at).total_seconds())})"
    verb = f"{override.kind.participle} {_subject(override)}"
    if override.kind is OverrideKind.MAINTENANCE:
        verb = f"put {override.subject} in maintenance"
    text = f"{override.author} {verb}{to} {lasts}: {override.reason}"
    if before and before != override.target:
        text += f"; it pointed at {before}"
    for old in replaced:
        text += f"; it replaces {describe_override(old)} by {old.author}"
    if failing:
        text += f"; forced, although {plain_reason(failing.sentence)}"
    if left_dry:
        routes = f"route {left_dry[0]} has" if len(left_dry) == 1 else f"routes {listed(left_dry, most=6)} have"
        text += f"; {routes} no other candidate and {'holds' if len(left_dry) == 1 else 'hold'}"
    kind = _BEGUN.get(override.kind, override.kind.participle)
    return OverrideEvent(kind=kind, subject=override.subject, text=text)


def ended_event(override: Override) -> OverrideEvent:
    """The event of an override that somebody ended; takes the override as stored after its end."""
    after = format_elapsed(((override.ended_at or override.at) - override.at).total_seconds())
    whose = "" if override.author == override.ended_by else f" by {override.author}"
    why = f": {override.ended_reason}" if override.ended_reason else ""
    text = f"{override.ended_by} ended {describe_override(override)}{whose} after {after}{why}"
    return OverrideEvent(kind=_ENDED[override.kind], subject=override.subject, text=text)


def expired_event(override: Override, now: datetime) -> OverrideEvent:
    """Reports that the override's time is over."""
    expired = f"{describe_override(override)} by {override.author} expired at {clock(override.until, now)}"
    text = f"{expired}; its reason was: {override.reason}"
    return OverrideEvent(kind=f"{override.kind}_expired", subject=override.subject, text=text)


def pin_warning_event(pin: Override, state: TargetHealth, now: datetime) -> OverrideEvent:
    """Warns that a pinned route points at a target that fails."""
    text = (
        # The remedy first: a notification is cut, and backticks would not survive Slack.
        f"{pin.subject} is pinned to {pin.target} {format_end(pin, now)} by {pin.author}; "
        f"hotspare unpin {pin.subject} ends it. {plain_reason(state.sentence)}. The pin's reason was: {pin.reason}"
    )
    return OverrideEvent(kind="pin_to_failing_target", subject=pin.subject, text=text)


def no_effect_event(override: Override, why: str) -> OverrideEvent:
    """Reports that the override means nothing in the present configuration."""
    text = f"{describe_override(override)} by {override.author} has no effect: {why}"
    return OverrideEvent(kind=f"{override.kind}_ignored", subject=override.subject, text=text)


def _subject(override: Override) -> str:
    return "all routes" if override.kind is OverrideKind.PAUSE and override.subject == ALL else override.subject


def override_document(override: Override) -> dict[str, str | int | bool | None]:
    """The override as JSON for scripts; instants in UTC, null where it has not ended."""
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in asdict(override).items()}
