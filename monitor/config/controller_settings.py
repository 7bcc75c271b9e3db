"""The settings of the controller: how evidence becomes a decision, and how a route returns."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal

from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section
from monitor.config.values import (
    choice,
    duration,
    flag,
    items,
    must,
    number,
    rate,
    share,
)
from monitor.formatting import format_share, plural

#: The largest background failure rate that a target is believed to have.
LARGEST_BACKGROUND: Final = 0.05
_MOST_STEPS: Final = 10
_DAY_S: Final = 86400.0
#: Of the time that blips may take: more of it could not be told from an outage that comes and goes.
_MOST_IN_BLIPS: Final = 0.05


def _detect_problem(detect: float) -> str | None:
    shown = format_share(detect)
    if detect <= LARGEST_BACKGROUND:
        return f"{shown} is not above the background rate a target may have (up to {format_share(LARGEST_BACKGROUND)})"
    if detect >= 1:
        return f"{shown} is not below 100%: only outages that fail every single request would be found"
    return None


def _steps_problem(shares: tuple[float, ...]) -> str | None:
    if not 1 <= len(shares) <= _MOST_STEPS:
        return f"has {plural(len(shares), 'step')}; expected 1 to {_MOST_STEPS} of them, the last one 100%"
    if any(after <= before for before, after in pairwise((0.0, *shares))):
        return "does not rise; expected shares above 0%, each larger than the one before: [10%, 50%, 100%]"
    if shares[-1] != 1:
        return f"ends at {format_share(shares[-1])}; the last step is 100%, or the failback would never be complete"
    return None


def _blip_length_problem(length: tuple[float, ...]) -> str | None:
    if len(length) != 2:
        return f"expected two durations such as [3s, 8s], found {len(length)}"
    if length[0] > length[1]:
        return "expected two durations such as [3s, 8s], the shorter one first"
    return None


BLIP_LENGTH: Final = items(duration(), "two durations such as [3s, 8s]", _blip_length_problem, length=2)
BLIPS_PER_DAY: Final = number(must(lambda value: value >= 0, "{:g} is not zero or more"), minimum=0)
_FALSE_FAILOVERS: Final = must(lambda rate: rate > 0, "is not more than zero; every detector is wrong at times")


def _failure_rate_problem(failing: float) -> str | None:
    return None if 0 < failing <= 1 else f"{format_share(failing)} is not more than 0% and at most 100%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failback(Section):
    """How a route returns to a more preferred candidate."""

    mode: Annotated[
        Literal["auto", "manual", "steps"],
        choice(("auto", "manual", "steps"), "a mode of failback", "auto, manual or steps"),
    ] = "auto"
    """How a route returns to a better candidate: `auto`, `manual` or `steps`; see [failback](#failback). Change it
    when a recovered provider deserves caution, or people decide."""
    hold_s: Annotated[float, duration()] = 300.0
    """How long a recovered target is held first; failures lengthen it. Change it when providers relapse: longer."""
    steps: Annotated[tuple[float, ...], items(share(), "a list of shares such as [10%, 50%, 100%]", _steps_problem)] = (
        0.1,
        0.5,
        1.0,
    )
    """The shares of requests that go back: one to ten, rising, the last `100%`."""
    step_s: Annotated[float, duration()] = 120.0
    """How long each share is held. Change it when relapses show late: longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blips(Section):
    """The short disturbances that must not move a route."""

    per_day: Annotated[float, BLIPS_PER_DAY] = 5.0
    """Short disturbances that a provider has in a day. Change it when your network is worse or better."""
    length: Annotated[tuple[float, float], BLIP_LENGTH] = (3.0, 8.0)
    """The shortest and the longest. An `interval` below the longest makes verdicts need much more evidence."""
    failure_rate: Annotated[float, share(_failure_rate_problem)] = 0.9
    """The share of requests that fails meanwhile."""

    @property
    def shortest_s(self) -> float:
        """How long a blip lasts at least."""
        return self.length[0]

    @property
    def longest_s(self) -> float:
        """How long a blip lasts at most."""
        return self.length[1]

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Blips are rare and short."""
        taken = self.per_day * sum(self.length) / 2 / _DAY_S
        if taken > _MOST_IN_BLIPS:
            problem = (
                f"takes {format_share(round(taken, 3))} of the day, which is an outage and no blip;"
                f" expected per_day × length to come to {format_share(_MOST_IN_BLIPS)} at the most"
            )
            context.report(node.place, problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings(Section):
    """How evidence becomes a decision."""

    detect: Annotated[float, share(_detect_problem)] = 0.30
    """The share of failing requests that is an outage: above `5%`, below `100%`. Smaller takes more probes to be
    sure. Change it when smaller outages hurt."""
    false_failovers_per_day: Annotated[float, rate(_FALSE_FAILOVERS), Key(name="false_failovers")] = 1 / 90
    """The promise, for each route: at most so many moves for nothing. Change it when too often is better than too
    late: `1 per 30d`."""
    min_outage_s: Annotated[float, duration(zero=True)] = 15.0
    """The shortest span of evidence that moves a route; `0s` is allowed. Up to `15s`, sooner where probes asked
    [afresh](judging.md#fresh-evidence) still fail. Above 5 minutes or ten intervals it brings a warning. Change it
    when routes move on disturbances that are over at once."""
    dwell_s: Annotated[float, duration()] = 60.0
    """No second move sooner, unless the current target's health is in `fail_over_on`."""
    failback: Failback = Failback()
    blips: Blips = Blips()
    spend_where_used: Annotated[bool, flag()] = False
    """Probe models in use more often, and those of providers that only wait less often: see [spending where users
    are](#spending-where-users-are). Change it when outages are to be noticed sooner for no more money."""
    dry_run: Annotated[bool, flag()] = False
    """Decide, record and alert, but move no route; see [dry run](#dry-run). Change it when you want to see first
    what Hotspare would do."""
