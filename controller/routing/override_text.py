"""What people read about an operator's hand: the same sentences in the log, the database, Slack and the page (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.routing.candidates import laid
from controller.routing.decision import Move, RouteState
from controller.routing.overrides import ALL, Override, OverrideKind, Overrides
from monitor.formatting import clock, instant, span
from monitor.health import TargetHealth

_DONE = {OverrideKind.PIN: "pinned", OverrideKind.DRAIN: "drained", OverrideKind.PAUSE: "paused"}
_UNDONE = {OverrideKind.PIN: "unpinned", OverrideKind.DRAIN: "undrained", OverrideKind.PAUSE: "resumed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideEvent:
    """Something that people are told once, and that stands among the events."""

    kind: str
    """A past-tense name."""
    subject: str
    text: str


def what(override: Override) -> str:
    """`the pin of chat to openai/gpt-6-luna`, `the drain of openai`, `the pause of all routes`."""
    to = f" to {override.target}" if override.target else ""
    return f"the {override.kind} of {_subject(override)}{to}"


def expires_in(override: Override, now: datetime) -> str:
    """`expires in 43 min`; `expired` once it has."""
    left_s = (override.until - now).total_seconds()
    if left_s <= 0:
        return "expired"
    # The coarse word for the long ones: nobody plans by the second.
    return f"expires in {span(round(left_s / 60) * 60 if left_s >= 120 else round(left_s))}"


def until(override: Override, now: datetime) -> str:
    """`until 16:30:00 UTC`."""
    return f"until {clock(override.until, now)}"


def reason(state: RouteState, overrides: Overrides) -> str:
    """Why the route points where it does, with the pin or the pause that holds it there."""
    pin = overrides.pin(state.route)
    one = pin or overrides.paused(state.route)
    if one is None:
        return state.reason
    said = laid(one, f"pinned to {one.target}" if pin else "paused")
    if said in state.reason:
        return state.reason
    # The words of a pin that was replaced would only mislead.
    replaced = pin and state.move is Move.PIN and not state.dry_run
    return said if replaced else f"{state.reason}; {said}"


def begun(
    override: Override,
    *,
    replaced: Sequence[Override] = (),
    was: str | None = None,
    failing: TargetHealth | None = None,
    dry: Sequence[str] = (),
) -> OverrideEvent:
    """That it began.

    `was` is where a pinned route pointed, `failing` the state of a pinned target that fails, `dry` are the routes
    that it leaves without a candidate.
    """
    to = f" to {override.target}" if override.target else ""
    lasts = f"{until(override, override.at)} ({span((override.until - override.at).total_seconds())})"
    text = f"{override.author} {_DONE[override.kind]} {_subject(override)}{to} {lasts}: {override.reason}"
    if was and was != override.target:
        text += f"; it pointed at {was}"
    for old in replaced:
        text += f"; it replaces {what(old)} by {old.author}"
    if failing:
        text += f"; forced, although {failing.sentence}"
    if dry:
        text += f"; {_routes(dry)} no other candidate and {'holds' if len(dry) == 1 else 'hold'}"
    return OverrideEvent(kind=_DONE[override.kind], subject=override.subject, text=text)


def ended(override: Override) -> OverrideEvent:
    """That somebody took it back; `override` is as it stands after that."""
    after = span(((override.ended_at or override.at) - override.at).total_seconds())
    whose = "" if override.author == override.ended_by else f" by {override.author}"
    text = f"{override.ended_by} took back {what(override)}{whose} after {after}: {override.ended_reason}"
    return OverrideEvent(kind=_UNDONE[override.kind], subject=override.subject, text=text)


def expired(override: Override, now: datetime) -> OverrideEvent:
    """That its time is over."""
    text = f"{what(override)} by {override.author} expired at {clock(override.until, now)}; its reason was: "
    return OverrideEvent(kind=f"{override.kind}_expired", subject=override.subject, text=f"{text}{override.reason}")


def warning(pin: Override, state: TargetHealth, now: datetime) -> OverrideEvent:
    """That a pinned route points at a target that fails."""
    text = (
        # The remedy first: a notification is cut, and backticks would not survive Slack.
        f"{pin.subject} is pinned to {pin.target} {until(pin, now)} by {pin.author}; "
        f"hotspare unpin {pin.subject} --reason … ends it. {state.sentence}. The pin's reason was: {pin.reason}"
    )
    return OverrideEvent(kind="pin_to_failing_target", subject=pin.subject, text=text)


def adrift(override: Override, why: str) -> OverrideEvent:
    """That it means nothing in the present configuration."""
    text = f"{what(override)} by {override.author} has no effect: {why}"
    return OverrideEvent(kind=f"{override.kind}_ignored", subject=override.subject, text=text)


def _subject(override: Override) -> str:
    return "all routes" if override.kind is OverrideKind.PAUSE and override.subject == ALL else override.subject


def _routes(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"route {names[0]} has"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"routes {shown} have"


def document(override: Override) -> dict[str, str | int | bool | None]:
    """The override as JSON for scripts; instants in UTC, null where it has not ended."""
    return {
        "id": override.id,
        "kind": override.kind.value,
        "subject": override.subject,
        "target": override.target,
        "author": override.author,
        "reason": override.reason,
        "forced": override.forced,
        "at": instant(override.at),
        "until": instant(override.until),
        "ended_at": instant(override.ended_at) if override.ended_at else None,
        "ended_by": override.ended_by,
        "ended_reason": override.ended_reason,
    }
