"""How a monthly cap on the cost of probing becomes longer intervals, and how much is reserved for bursts (pure).

Regular probes may use 85 % of the cap, evenly over the month. Where the configured intervals cost more, a level in
dollars per second is found that no target may exceed, and the intervals of the most expensive targets are stretched
down to it; a cheap target keeps its interval, whatever others cost. One probe an hour of the cheapest targets has
precedence, up to half of the money. A target that exceeds the level even at one probe an hour is *beyond* the budget:
it is probed once an hour from what the others leave, until that is spent.

The other 15 % are reserved for bursts and surprises: extra probes are made only while more is left than the regular
ones may use in the rest of the month and one day. So extra probes never lengthen the intervals, and without surprises
the stretches stay the same all month, as `hotspare plan` shows them. Where prices rise, or the budget was set during
the month, what is left is spread evenly over the rest of the month.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.config.settings import Settings
from monitor.formatting import format_duration, listed, plural
from probes.target import Target

#: However little money is left, a target that is probed at all is probed once an hour.
LONGEST_STRETCHED_S = 3600.0
#: The share of the cap that is reserved for bursts, recovering targets and surprises.
RESERVE: float = 0.15
#: Time past the month's end that money is kept for, by extra probes and by regular ones: so none of them run out early.
_EXTRAS_KEEP_S = 86400.0
_REGULAR_KEEP_S = 6 * 3600.0
#: An interval becomes shorter again only where so much of the target's share is then left.
_MARGIN = 0.10
#: The share of the money that goes to one probe an hour of the cheapest targets first.
_HOURLY_FIRST = 0.5
#: How many different changes of intervals are named in a sentence.
_NAMED = 3
_ROUNDING = 1e-9
#: The factors by which intervals are stretched: few, because each needs new thresholds.
_FACTORS = tuple(step * 2.0**power for power in range(14) for step in (1.0, 1.5))
STRETCHES: tuple[float, ...] = (1.0, 1.25, *_FACTORS[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidTarget:
    """One target whose probes cost money."""

    target: str
    interval_s: float
    """As configured."""
    usd: float
    """The mean cost of a probe; 0 where that is not known."""

    @property
    def planned_usd_per_s(self) -> float:
        """What it costs as configured."""
        return self.usd / self.interval_s

    @property
    def hourly_usd_per_s(self) -> float:
        """What it costs at the longest interval."""
        return self.usd / max(self.interval_s, LONGEST_STRETCHED_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAllocation:
    """How the budget is divided among the targets."""

    stretches: Mapping[str, float] = field(default_factory=dict)
    """The factor by which each interval is longer, by target; without those that stay."""
    beyond: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarMonth:
    """A calendar month in UTC."""

    begins: datetime
    ends: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.ends - self.begins).total_seconds()

    def left_s(self, now: datetime) -> float:
        """Seconds that are left of it."""
        return max(0.0, (self.ends - now).total_seconds())

    def contains(self, at: datetime) -> bool:
        """Whether the instant is in the month."""
        return self.begins <= at < self.ends


def month_of(now: datetime) -> CalendarMonth:
    """The calendar month of an instant in UTC."""
    begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    return CalendarMonth(begins=begins, ends=begins.replace(year=year, month=month))


def stretched_s(interval_s: float, stretch: float) -> float:
    """A stretched interval: never longer than an hour, unless it is configured so."""
    return max(interval_s, min(interval_s * stretch, LONGEST_STRETCHED_S))


def usd_per_s(paid: Iterable[PaidTarget], stretches: Mapping[str, float] | None = None) -> float:
    """What the regular probes of these targets cost, by default at the configured intervals."""
    factors = stretches or {}
    return math.fsum(item.usd / stretched_s(item.interval_s, factors.get(item.target, 1.0)) for item in paid)


def allocate(
    paid: Sequence[PaidTarget],
    month_usd_per_s: float,
    *,
    left_usd_per_s: float = math.inf,
    present: BudgetAllocation | None = None,
) -> BudgetAllocation:
    """The smallest stretches at which the targets cost no more than `month_usd_per_s`, the most expensive first.

    `left_usd_per_s`, what is left for the rest of the month, limits the targets that are not beyond the budget; the
    others have used their share. Each target keeps its stretch of `present`, or stays beyond, unless a smaller one
    leaves a tenth of its share.
    """
    before = present or BudgetAllocation()
    level, beyond = _fill(paid, month_usd_per_s, before.beyond, hourly_usd_per_s=month_usd_per_s * _HOURLY_FIRST)
    if left_usd_per_s < month_usd_per_s:
        others = [item for item in paid if item.target not in beyond]
        late_level, late = _fill(others, left_usd_per_s, before.beyond, hourly_usd_per_s=left_usd_per_s)
        level, beyond = min(level, late_level), beyond | late
    stretches = {item.target: _stretch(item, level, before.stretches.get(item.target, 1.0)) for item in paid}
    return BudgetAllocation(stretches={name: value for name, value in stretches.items() if value > 1}, beyond=beyond)


def _fill(
    paid: Sequence[PaidTarget], allowed: float, before: Collection[str], *, hourly_usd_per_s: float
) -> tuple[float, frozenset[str]]:
    """The level that no target may exceed, and the targets beyond it; `hourly_usd_per_s` is for hourly probes."""
    first = _hourly_first(paid, hourly_usd_per_s, before)
    level = _level([(item.hourly_usd_per_s * (item.target in first), item.planned_usd_per_s) for item in paid], allowed)
    others = (item for item in paid if item.target not in first)
    beyond = (item.target for item in others if item.hourly_usd_per_s * _margin(item, before) > level * (1 + _ROUNDING))
    return level, frozenset(beyond)


def _hourly_first(paid: Iterable[PaidTarget], left: float, beyond: Collection[str]) -> frozenset[str]:
    """The cheapest targets, as many as `left` pays for one probe an hour of."""
    served = set()
    for item in sorted(paid, key=lambda item: (item.hourly_usd_per_s, item.target)):
        left -= item.hourly_usd_per_s * _margin(item, beyond)
        if left < 0:
            break
        served.add(item.target)
    return frozenset(served)


def _margin(item: PaidTarget, beyond: Collection[str]) -> float:
    return 1 / (1 - _MARGIN) if item.target in beyond else 1.0


def _level(between: Iterable[tuple[float, float]], allowed: float) -> float:
    """The rate at which all targets together cost `allowed`, each at that rate but within its two bounds.

    Where their upper bounds cost less, the rate of the most expensive plus what is left over.
    """
    ranges = list(between)
    edges = sorted([*((low, 1) for low, _ in ranges), *((max(low, high), -1) for low, high in ranges)])
    cost, level, rising = math.fsum(low for low, _ in ranges), 0.0, 0
    for at, step in edges:
        more = rising * (at - level)
        if cost + more > allowed * (1 + _ROUNDING):
            return level + max(0.0, allowed - cost) / rising
        cost, level, rising = cost + more, at, rising + step
    return level + max(0.0, allowed - cost)


def _stretch(item: PaidTarget, level: float, present: float) -> float:
    """The stretch that a target needs, or its present one where a smaller one would be close to its limit."""
    needed = _needed_stretch(item, level)
    return needed if needed >= present else min(present, _needed_stretch(item, level * (1 - _MARGIN)))


def _needed_stretch(item: PaidTarget, level: float) -> float:
    planned = item.planned_usd_per_s
    if planned <= level * (1 + _ROUNDING):
        return 1.0
    wanted = min(planned / level if level > 0 else math.inf, LONGEST_STRETCHED_S / item.interval_s)
    return STRETCHES[min(bisect_left(STRETCHES, wanted * (1 - _ROUNDING)), len(STRETCHES) - 1)]


def reserved_usd(
    paid: Sequence[PaidTarget], shares: BudgetAllocation, cap_usd: float, month: CalendarMonth, now: datetime
) -> float:
    """What the targets beyond the budget must leave to the others until the month's end, with the reserve."""
    others = [item for item in paid if item.usd and item.target not in shares.beyond]
    if not others:
        return 0.0
    return usd_per_s(others, shares.stretches) * month.left_s(now) + RESERVE * cap_usd


def all_month_usd_per_s(cap_usd: float, month: CalendarMonth) -> float:
    """What regular probes may cost per second at the begin of the month."""
    return (1 - RESERVE) * max(0.0, cap_usd) / month.seconds


def rest_usd_per_s(left_usd: float, month: CalendarMonth, now: datetime) -> float:
    """What regular probes may cost per second, so that what is left lasts to the month's end."""
    return max(0.0, left_usd) / (month.left_s(now) + _REGULAR_KEEP_S)


def reserve_usd(cap_usd: float, left_usd: float, month: CalendarMonth, now: datetime) -> float:
    """What extra probes may cost: what is left minus what the regular ones may use in the rest of the month."""
    return left_usd - all_month_usd_per_s(cap_usd, month) * (month.left_s(now) + _EXTRAS_KEEP_S)


def stretched(settings: Settings, stretches: Mapping[str, float]) -> Settings:
    """The settings with the intervals of these targets (by id) stretched; the same object where nothing changes."""
    if all(stretch <= 1 for stretch in stretches.values()):
        return settings
    longer = ((target, stretched_s(target.interval_s, stretches.get(target.id, 1.0))) for target in settings.targets)
    return replace(settings, targets=tuple(replace(target, interval_s=interval_s) for target, interval_s in longer))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetForecast:
    """What a cap does to a configuration for a whole month without outages."""

    stretches: Mapping[str, float]
    usd_per_month: float
    """What regular probes cost in the month at the configured intervals, as far as prices are known."""
    beyond: tuple[str, ...]
    """The targets for which not even one probe an hour is paid until the end of the month."""
    lasts_s: float | None
    """How long those are probed once an hour; None where there are none."""


def forecast(
    cap_usd: float, paid: Sequence[PaidTarget], month: CalendarMonth, *, context_usd_per_s: float = 0.0
) -> BudgetForecast:
    """The effect of the cap on targets that cost this much, beside checks `context` that cost so much together."""
    cap_usd -= context_usd_per_s * month.seconds
    possible = [item for item in paid if item.usd <= cap_usd]
    shares = allocate(possible, all_month_usd_per_s(cap_usd, month))
    left = cap_usd - reserved_usd(possible, shares, cap_usd, month, month.begins)
    hourly = [item for item in possible if item.target in shares.beyond and item.usd <= left]
    costs = usd_per_s(hourly, shares.stretches)
    served = {item.target for item in hourly} if costs * month.seconds <= left else set()
    unaffordable = {item.target: _needed_stretch(item, 0.0) for item in paid if item.usd > cap_usd}
    beyond = unaffordable.keys() | shares.beyond - served
    return BudgetForecast(
        stretches={**shares.stretches, **unaffordable},
        usd_per_month=(usd_per_s(paid) + context_usd_per_s) * month.seconds,
        beyond=tuple(item.target for item in paid if item.target in beyond),
        lasts_s=(left / costs if costs else 0.0) if beyond else None,
    )


def paid_targets(targets: Iterable[Target], paid: Iterable[str], usual: Mapping[str, float | None]) -> list[PaidTarget]:
    """The targets whose ids are in `paid`, each with its usual cost."""
    ids = frozenset(paid)
    return [
        PaidTarget(target=item.id, interval_s=item.interval_s, usd=usual.get(item.id) or 0.0)
        for item in targets
        if item.id in ids
    ]


def describe_stretches(paid: Sequence[PaidTarget], stretches: Mapping[str, float]) -> str:
    """Which targets are probed less often, as the begin of a sentence; empty where none is.

    `paid targets are probed less often (30s → 48s)` where all are alike, else
    `some targets are probed less often (openai/m 30s → 1h, 3 targets 30s → 48s)`, the most stretched first.
    """
    longer = {
        item.target: (stretches[item.target], item.interval_s) for item in paid if stretches.get(item.target, 1.0) > 1
    }
    if not longer:
        return ""
    alike = Counter(longer.values())
    if len(alike) == 1 and len(longer) == len(paid):
        return f"paid targets are probed less often ({_change(*longer.popitem()[1])})"
    changes = []
    for change, count in sorted(alike.items(), reverse=True):
        who = plural(count, "target") if count > 1 else next(name for name, own in longer.items() if own == change)
        changes.append(f"{who} {_change(*change)}")
    who = "some targets are" if len(longer) > 1 else "one target is"
    return f"{who} probed less often ({listed(changes, _NAMED)})"


def _change(stretch: float, interval_s: float) -> str:
    return f"{format_duration(interval_s)} → {format_duration(round(stretched_s(interval_s, stretch), 1))}"


def format_usd(usd: float) -> str:
    """An amount for people: `$5`, `$2.50`, `$0.0042`, `less than $0.0001`."""
    if 0 < usd < 0.0001:
        return "less than $0.0001"
    if usd and abs(usd) < 0.01:
        return f"${usd:.2g}"
    return f"${usd:,.2f}".removesuffix(".00")
