"""The week in a few lines: availability of targets and routes, incidents, cost; and when a digest is due (pure)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from controller.alerts.slack.blocks import Message, footer, header, safe, section
from monitor.budget.allocation import format_usd
from monitor.config.alert_settings import WeeklyDigest
from monitor.formatting import format_elapsed, percent_number, plural
from probes.redaction import one_line

#: The kind of the event that holds a digest.
DIGEST: Final = "weekly_digest"
WEEK: Final = timedelta(days=7)
#: A digest that could not be made on its day is still made within this: on the next day it would say little new.
_LATE: Final = timedelta(hours=24)
#: All of it is to fit into an event.
_MOST_LINES: Final = 6
_NAME_CHARS: Final = 60
#: Less than this is missing where the history is called whole.
_WHOLE: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWeek:
    """One target's week."""

    target: str
    answered: int = 0
    """Probes whose answer users could use: `ok` and `slow`."""
    asked: int = 0
    """All probes but those that failed on this machine."""
    answer_s: float | None = None
    """How long its answers took on average; None without answers."""
    fell: int = 0
    """How often it began to fail."""
    usd: float = 0.0
    """As far as is known."""

    @property
    def served(self) -> float | None:
        """The share of answers that users could use; None when nothing was asked."""
        return self.answered / self.asked if self.asked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteWeek:
    """One route's week."""

    route: str
    on_failing_s: float
    """How long it pointed at a target that failed."""
    flips: int
    """How often it was moved, back included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What the database knows of a week."""

    begins: datetime
    ends: datetime
    known_from: datetime | None
    """The oldest observation of that week; None where there is none."""
    targets: tuple[TargetWeek, ...]
    """In the order of the configuration, like the routes."""
    routes: tuple[RouteWeek, ...]
    incidents: int
    """Those that were opened in it."""
    still_open: int
    incident_s: float
    """How long they lasted together, as far as it lies in this week."""
    money: str
    """This month's cost and what the budget makes of it, as a sentence without its end."""

    @property
    def observed_s(self) -> float:
        """How much of the week was observed."""
        return (self.ends - self.known_from).total_seconds() if self.known_from else 0.0


def digest_day(digest: WeeklyDigest, now: datetime, last: date | None) -> date | None:
    """The day of the digest that is to be made now; None where none is. `last` is the day of the last one made.

    At most one a week, also when the day or the zone in the configuration changes meanwhile.
    """
    local = now.astimezone(ZoneInfo(digest.zone))
    day = local.date() - timedelta(days=(local.weekday() - digest.weekday) % 7)
    at = datetime.combine(day, digest.at, tzinfo=ZoneInfo(digest.zone))
    if not at <= now < at + _LATE:
        return None
    return None if last is not None and (day - last).days < 6 else day


def format_digest(week: Week) -> str:
    """All of it as plain text: the headline in the first line."""
    lines = [*_history_notes(week), *_route_lines(week), *_target_lines(week), *_totals(week)]
    return "\n".join([_headline(week), *lines])


def digest_message(text: str, *, at: datetime) -> Message:
    """The text of `format_digest` as a message for Slack."""
    headline, *lines = [one_line(line, 400) for line in text.splitlines()] or [""]
    final = footer(f"{at:%Y-%m-%d %H:%M} UTC. This message is final.")
    shown = [safe(line, 400) for line in lines]
    blocks = (header(headline), *([section(shown)] if shown else []), final)
    return Message(text="\n".join([safe(headline, 200), *shown[:2]]), blocks=blocks)


def _headline(week: Week) -> str:
    begins, ends = (f"{at:%b} {at.day}" for at in (week.begins, week.ends))
    summary = "no incident"
    if week.incidents or week.still_open:
        still = f", {week.still_open} still open" if week.still_open else ""
        summary = f"{plural(week.incidents, 'incident')}{still}, {format_elapsed(week.incident_s)} in all"
    return f"📊 The week from {begins} to {ends}: {summary}"


def _history_notes(week: Week) -> Iterator[str]:
    if week.known_from is None:
        yield "Nothing was observed in it."
    elif week.known_from - week.begins > _WHOLE:
        yield f"Probes are known for its last {format_elapsed(week.observed_s)} only."


def _route_lines(week: Week) -> Iterator[str]:
    routes = sorted(week.routes, key=lambda route: -route.on_failing_s)
    for route in routes[:_MOST_LINES]:
        # Without observations nobody knows how the targets were.
        if not week.observed_s:
            continue
        well = max(0.0, 1.0 - route.on_failing_s / week.observed_s)
        moved = f"moved {format_times(route.flips)}" if route.flips else "never moved"
        failing = f", {format_elapsed(route.on_failing_s)} on a failing target" if route.on_failing_s else ""
        yield f"Route {_name(route.route)}: on a working target {percent_number(well)} % of the time{failing}, {moved}"
    yield from _left_out(len(routes), "route")


def _target_lines(week: Week) -> Iterator[str]:
    observed = sorted((target for target in week.targets if target.asked), key=lambda target: target.served or 0.0)
    for target in observed[:_MOST_LINES]:
        fell = f", began to fail {format_times(target.fell)}" if target.fell else ""
        share = percent_number(target.answered / target.asked)
        yield f"{_name(target.target)}: {share} % of {target.asked:,} probes answered{fell}"
    yield from _left_out(len(observed), "target")
    others = [target for target in week.targets if not target.asked]
    if others and observed:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        yield f"Not observed: {', '.join(_name(target.target) for target in others[:3])}{more}"


def _totals(week: Week) -> Iterator[str]:
    slowest = max(week.targets, key=lambda target: target.answer_s or 0.0, default=None)
    if slowest and slowest.answer_s and len(week.targets) > 1:
        yield f"Slowest: {_name(slowest.target)}, {slowest.answer_s:.2f} s an answer on average"
    flakiest = max(week.targets, key=lambda target: (target.fell, -(target.served or 0.0)), default=None)
    if flakiest and flakiest.fell and len(week.targets) > 1:
        yield f"Flakiest: {_name(flakiest.target)}, which began to fail {format_times(flakiest.fell)}"
    flips = sum(route.flips for route in week.routes)
    cost = sum(target.usd for target in week.targets)
    yield f"{plural(flips, 'flip')}; the week's probes cost {format_usd(cost)}; {week.money}"


def _left_out(count: int, what: str) -> Iterator[str]:
    if count > _MOST_LINES:
        yield f"… and {plural(count - _MOST_LINES, what)} that did better"


def format_times(count: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _name(text: str) -> str:
    return one_line(text, _NAME_CHARS)
