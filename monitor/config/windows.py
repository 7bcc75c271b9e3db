"""The settings of what is planned: maintenance, freezes and fire drills."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section
from monitor.config.values import Value, duration, text
from monitor.config.wall_clock import DAY, ZONE, time_of_day
from monitor.formatting import format_duration

LONGEST_DRILL_S: Final = 3600.0
_SHORTEST_DRILL_S: Final = 10.0
_LONGEST_LEAVE_S: Final = 86400.0
_MOMENT: Final = 'a time of day such as "22:00", or a date and a time such as "2026-12-24 18:00"'


class Moment(NamedTuple):
    """A time on the wall clock, of one day or of every one."""

    day: date | None
    at: time

    @classmethod
    def parse(cls, written: str) -> Self:
        """Of `22:00` or `2026-12-24 18:00`; raises ValueError."""
        day, _, at = written.rpartition(" ")
        return cls(date.fromisoformat(day) if day else None, time.fromisoformat(at))


def _read_moment(expected: str) -> Value:
    shape = text(expected, pattern=r"(\d{4}-\d{2}-\d{2} )?([01][0-9]|2[0-3]):[0-5][0-9]")

    def read(node: Node, context: ReadContext) -> Moment:
        written = shape.read(node, context)
        try:
            return Moment.parse(written)
        except ValueError:
            raise context.report(node.place, f"{written} is no day of the calendar") from None

    return replace(shape, read=read)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSection(Section):
    """From when to when, once or again and again."""

    name: str = ""
    begin: Annotated[Moment, _read_moment(_MOMENT), Key(name="from")]
    """When it begins: a time of day, every day or every `day`, or a date and a time, once: `"2026-12-24 18:00"`."""
    end: Annotated[Moment, _read_moment(_MOMENT), Key(name="to")]
    """When it ends, as `from`; on the next day where it is before `from`."""
    weekday: Annotated[int | None, DAY, Key(name="day", default_text="every day")] = None
    """The day of the week on which it begins: `sunday`."""
    zone: Annotated[str, ZONE] = "UTC"
    """The time zone: `Europe/Berlin`. In the night when clocks change, it begins at the earlier and ends at the later
    of two possible times."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """It ends after it begins."""
        if (self.begin.day is None) != (self.end.day is None):
            context.report(node.at("to"), "must have a date where from has one, and none where it has none")
        elif self.begin.day is None and self.begin == self.end:
            context.report(node.at("to"), "is the same as from: the window would be empty, or the whole day")
        elif self.begin.day is not None and not self.instants(self.begin.day):
            context.report(node.at("to"), "is not after from: the window would end before it begins")
        if self.begin.day is not None and self.weekday is not None:
            context.report(node.at("day"), "does not go with a date: leave one of them out")

    def instants(self, day: date) -> tuple[datetime, datetime] | None:
        """When it begins and ends (UTC) that begins on this local day; None where it ends before it begins."""
        zone, over_midnight = ZoneInfo(self.zone), self.end.day is None and self.end.at < self.begin.at
        last = self.end.day or day + timedelta(days=over_midnight)
        begin, end = min(_possible(day, self.begin.at, zone)), max(_possible(last, self.end.at, zone))
        return (begin, end) if begin < end else None


def _possible(day: date, at: time, zone: ZoneInfo) -> list[datetime]:
    """The instants (UTC) that may be meant: two, an hour apart, where the clock shows this time twice or never."""
    local = datetime.combine(day, at, zone)
    return [local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow(WindowSection):
    """Work on a provider that was announced: messages and availability leave it out."""

    of: Annotated[str, text("a target, as provider/model, or a provider")]
    """A target, as `provider/model`, or a provider."""
    leave_s: Annotated[float | None, duration(zero=True), Key(default_text="routes stay")] = None
    """Routes leave so long before it begins, and come back when it is over: `10m`. Change it when requests are known
    to fail then."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Routes leave at most a day before."""
        WindowSection.check_keys(self, node, context)
        if self.leave_s is not None and self.leave_s > _LONGEST_LEAVE_S:
            context.report(node.at("leave"), f"{format_duration(self.leave_s)} is longer than 1d")


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeWindow(WindowSection):
    """When routes stay where they are, and people are told what would have moved."""

    of: Annotated[str, text("a route, or all")] = "all"
    """A route; `all`: every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSection(Section):
    """When a route is moved to its standby and back."""

    weekday: Annotated[int, DAY, Key(name="day")]
    """The day of the week: `tuesday`."""
    at: Annotated[time, time_of_day("10:00")]
    """The time of day, in quotes: `"10:00"`."""
    for_s: Annotated[float, duration(at_least_s=_SHORTEST_DRILL_S)] = 300.0
    """How long the route stays there; at most an hour."""
    zone: Annotated[str, ZONE] = "UTC"
    """The time zone: `Europe/Berlin`."""
    name: str = ""

    @property
    def route(self) -> str:
        """Which is moved."""
        return self.name

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """It is a drill, and no move."""
        if self.for_s > LONGEST_DRILL_S:
            problem = f"{format_duration(self.for_s)} is longer than {format_duration(LONGEST_DRILL_S)}"
            context.report(node.at("for"), problem)
