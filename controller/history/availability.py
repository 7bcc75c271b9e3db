"""How well targets and routes served users, day by day (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.history.route_rollup import RouteRollup
from controller.incidents.incident import Incident
from monitor.formatting import format_elapsed
from monitor.history.rollup import DAY, OutcomeCounts, span_start

DAYS: Final = 90
PERIODS: Final = {"24 h": timedelta(hours=24), "7 d": 7 * DAY, "30 d": 30 * DAY, "90 d": 90 * DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayServed:
    """One day (UTC) of a target or a route."""

    day: datetime
    served: float | None
    """The share that was served, 0 to 1; None where nothing was observed."""
    words: str
    """What it rests on: `2,880 probes, 12 failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAvailability:
    """One target over the last 90 days."""

    target: str
    days: tuple[DayServed, ...]
    """`DAYS` of them, the oldest first; the last is today."""
    periods: Mapping[str, OutcomeCounts]
    """By the names of `PERIODS`; but for 24 h, they begin at midnight."""


def target_availability(
    target: str, days: Mapping[datetime, OutcomeCounts], hours: Mapping[datetime, OutcomeCounts], now: datetime
) -> TargetAvailability:
    """The availability of a target from its counts by day and, of the last 24 hours, by hour."""
    dates = last_days(now)
    periods = {name: _since(days if length > DAY else hours, now - length) for name, length in PERIODS.items()}
    counts = [days.get(day, OutcomeCounts()) for day in dates]
    served = (DayServed(day=day, served=c.served, words=_words(c)) for day, c in zip(dates, counts, strict=True))
    return TargetAvailability(target=target, days=tuple(served), periods=periods)


def route_days(days: Mapping[datetime, RouteRollup], now: datetime) -> tuple[DayServed, ...]:
    """The last `DAYS` days of a route."""
    sums = ((day, days.get(day, RouteRollup())) for day in last_days(now))
    return tuple(DayServed(day=day, served=rollup.served, words=_felt(rollup)) for day, rollup in sums)


def last_days(now: datetime) -> Sequence[datetime]:
    """The last `DAYS` midnights (UTC), the oldest first."""
    today = span_start(now, DAY)
    return [today - DAY * ago for ago in reversed(range(DAYS))]


def incidents_by_day(
    incidents: Iterable[Incident], *, since: datetime, until: datetime
) -> dict[str, dict[datetime, tuple[int, ...]]]:
    """The ids of the incidents by affected target and day (midnight, UTC) on which they lasted, oldest first."""
    numbers: dict[str, dict[datetime, tuple[int, ...]]] = {}
    for incident in sorted(incidents, key=lambda each: each.id):
        day = span_start(max(incident.opened_at, since), DAY)
        last = min(incident.resolved_at or until, until)
        while day <= last:
            for affected in incident.affected:
                of_target = numbers.setdefault(affected.target, {})
                of_target[day] = (*of_target.get(day, ()), incident.id)
            day += DAY
    return numbers


def _since(counts: Mapping[datetime, OutcomeCounts], since: datetime) -> OutcomeCounts:
    return _sum(part for at, part in counts.items() if at >= since)


def _sum(parts: Iterable[OutcomeCounts]) -> OutcomeCounts:
    return sum(parts, start=OutcomeCounts())


def _words(counts: OutcomeCounts) -> str:
    if not counts.asked:
        return "not observed"
    return f"{counts.asked:,} probes, {counts.asked - counts.answered:,} not answered"


def _felt(rollup: RouteRollup) -> str:
    if not rollup.observed_s:
        return "not observed"
    felt, without = format_elapsed(rollup.felt_s), format_elapsed(rollup.without_s)
    return f"users failed for {felt}, without a failover for {without}"
