"""How a monthly cap on what probing costs becomes longer intervals, and what is kept back for bursts (pure).

Regular probes may use 85 % of the cap, evenly over the month. Where the configured intervals cost more, there is a
level in dollars per second that no target may go above, and the dearest are stretched down to it: a target that costs
little keeps its interval, whatever others cost. One probe an hour of those that cost least comes before all else, up to
half of the money. A target that costs more than the level even at one probe an hour is *beyond* the budget: it is asked
once an hour from what the others leave, until that is spent.

The other 15 % are for bursts and surprises: extra probes are made only while what is left is more than the regular ones
may use in the rest of the month and one day. So extra probes never lengthen the intervals, and without surprises the
stretches are the same all month long, and what `hotspare plan` says. Where prices rise, or the month began before the
budget was set, what is left is spread evenly over the rest of the month.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.formatting import format_duration, listed, plural
from monitor.settings import LONGEST_STRETCHED_S, Settings
from probes.target import Target

#: The share of the cap that regular probes leave to bursts, targets that recover, and surprises.
RESERVE: float = 0.15
#: Time past the month's end that money is kept for: by extra probes, and by regular ones, so that the end is not lumpy.
_EXTRAS_KEEP_S = 86400.0
_REGULAR_KEEP_S = 6 * 3600.0
#: An interval becomes shorter again only where that leaves so much of what the target may cost.
_TO_SPARE = 0.10
#: So much of what may be spent goes to one probe an hour of those that cost least, before anybody is asked more often.
_HOURLY_FIRST = 0.5
#: So many different changes of intervals are worth naming.
_NAMED = 3
_ROUNDING = 1e-9
#: Every factor that intervals are stretched by: few, for each costs new thresholds.
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
class Allocation:
    """What the money does to each target."""

    stretches: Mapping[str, float] = field(default_factory=dict)
    """By which factor its interval is longer; without those that keep theirs."""
    beyond: frozenset[str] = frozenset()
    """Those whose share does not pay for one probe an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarMonth:
    """A calendar month in UTC."""

    begins: datetime
    ends: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.ends - self.begins).total_seconds()

    def left_s(self, now: datetime) -> float:
        """How much of it is left, in seconds."""
        return max(0.0, (self.ends - now).total_seconds())

    def holds(self, at: datetime) -> bool:
        """Whether the instant is in it."""
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
    longer = stretches or {}
    return math.fsum(one.usd / stretched_s(one.interval_s, longer.get(one.target, 1.0)) for one in paid)


def shares_of(
    paid: Sequence[PaidTarget],
    month_usd_per_s: float,
    *,
    left_usd_per_s: float = math.inf,
    present: Allocation | None = None,
) -> Allocation:
    """The smallest stretches at which they cost no more than that, the dearest stretched first.

    The month's rate is shared by all; what is left is for those that are not beyond the budget, for the others have had
    theirs. Each target keeps the stretch that it has at `present`, or stays beyond, unless less leaves a tenth of its
    own share to spare.
    """
    before = present or Allocation()
    level, beyond = _filled(paid, month_usd_per_s, before.beyond, hourly_usd_per_s=month_usd_per_s * _HOURLY_FIRST)
    if left_usd_per_s < month_usd_per_s:
        others = [one for one in paid if one.target not in beyond]
        late_level, late = _filled(others, left_usd_per_s, before.beyond, hourly_usd_per_s=left_usd_per_s)
        level, beyond = min(level, late_level), beyond | late
    stretches = {one.target: _kept(one, level, before.stretches.get(one.target, 1.0)) for one in paid}
    return Allocation(
        stretches={target: stretch for target, stretch in stretches.items() if stretch > 1}, beyond=beyond
    )


def _filled(
    paid: Sequence[PaidTarget], allowed: float, before: Collection[str], *, hourly_usd_per_s: float
) -> tuple[float, frozenset[str]]:
    """The level that nobody may go above, and who is beyond it; `hourly_usd_per_s` goes to probes every hour first."""
    first = _hourly_first(paid, hourly_usd_per_s, before)
    level = _level([(one.hourly_usd_per_s * (one.target in first), one.planned_usd_per_s) for one in paid], allowed)
    others = (one for one in paid if one.target not in first)
    beyond = (one.target for one in others if one.hourly_usd_per_s * _margin(one, before) > level * (1 + _ROUNDING))
    return level, frozenset(beyond)


def _hourly_first(paid: Iterable[PaidTarget], left: float, beyond: Collection[str]) -> frozenset[str]:
    """The cheapest, as many as that pays for one probe an hour of."""
    found = set()
    for one in sorted(paid, key=lambda one: (one.hourly_usd_per_s, one.target)):
        left -= one.hourly_usd_per_s * _margin(one, beyond)
        if left < 0:
            break
        found.add(one.target)
    return frozenset(found)


def _margin(one: PaidTarget, beyond: Collection[str]) -> float:
    return 1 / (1 - _TO_SPARE) if one.target in beyond else 1.0


def _level(between: Iterable[tuple[float, float]], allowed: float) -> float:
    """How high the water stands: all targets together, each at that rate but within its two bounds, cost `allowed`.

    Where their upper bounds cost less, it stands above the dearest by what is to spare.
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


def _kept(one: PaidTarget, level: float, present: float) -> float:
    """The stretch that a target needs, or has already where a smaller one would be close to its limit."""
    needed = _needed(one, level)
    return needed if needed >= present else min(present, _needed(one, level * (1 - _TO_SPARE)))


def _needed(one: PaidTarget, level: float) -> float:
    planned = one.planned_usd_per_s
    if planned <= level * (1 + _ROUNDING):
        return 1.0
    wanted = min(planned / level if level > 0 else math.inf, LONGEST_STRETCHED_S / one.interval_s)
    return STRETCHES[min(bisect_left(STRETCHES, wanted * (1 - _ROUNDING)), len(STRETCHES) - 1)]


def kept_usd(
    paid: Sequence[PaidTarget], shares: Allocation, cap_usd: float, month: CalendarMonth, now: datetime
) -> float:
    """What those that are beyond the budget must leave to the others until the month's end, the reserve included."""
    others = [one for one in paid if one.usd and one.target not in shares.beyond]
    if not others:
        return 0.0
    return usd_per_s(others, shares.stretches) * month.left_s(now) + RESERVE * cap_usd


def all_month_usd_per_s(cap_usd: float, month: CalendarMonth) -> float:
    """What regular probes may cost, were this the month's first second."""
    return (1 - RESERVE) * cap_usd / month.seconds


def rest_usd_per_s(left_usd: float, month: CalendarMonth, now: datetime) -> float:
    """What regular probes may cost for what is left to last to the month's end."""
    return max(0.0, left_usd) / (month.left_s(now) + _REGULAR_KEEP_S)


def reserve_usd(cap_usd: float, left_usd: float, month: CalendarMonth, now: datetime) -> float:
    """What extra probes may cost: what is left, without what the regular ones may use in the rest of the month."""
    return left_usd - all_month_usd_per_s(cap_usd, month) * (month.left_s(now) + _EXTRAS_KEEP_S)


def stretched(settings: Settings, stretches: Mapping[str, float]) -> Settings:
    """The settings with the intervals of these targets (ids) stretched; the same object where nothing changes."""
    if all(stretch <= 1 for stretch in stretches.values()):
        return settings
    return replace(settings, targets=tuple(_longer(t, stretches.get(t.id, 1.0)) for t in settings.targets))


def _longer(target: Target, stretch: float) -> Target:
    return replace(target, interval_s=stretched_s(target.interval_s, stretch)) if stretch > 1 else target


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetForecast:
    """What a cap does to a configuration for a whole month without outages."""

    stretches: Mapping[str, float]
    """By which factor the interval of a target is longer; without those that keep theirs."""
    usd_per_month: float
    """What regular probes cost at the configured intervals, as far as prices are known, in the month looked at."""
    stretched_usd_per_month: float
    """The same at the stretched intervals."""
    beyond: tuple[str, ...]
    """The targets of which not even one probe an hour is paid for until the end of the month."""
    lasts_s: float | None
    """For how long those are asked once an hour; None where there are none."""


def forecast(cap_usd: float, paid: Sequence[PaidTarget], month: CalendarMonth) -> BudgetForecast:
    """What the cap will do, by what these targets cost."""
    possible = [one for one in paid if one.usd <= cap_usd]
    shares = shares_of(possible, all_month_usd_per_s(cap_usd, month))
    left = cap_usd - kept_usd(possible, shares, cap_usd, month, month.begins)
    hourly = [one for one in possible if one.target in shares.beyond and one.usd <= left]
    costs = usd_per_s(hourly, shares.stretches)
    served = {one.target for one in hourly} if costs * month.seconds <= left else set()
    beyond = {one.target for one in paid if one.usd > cap_usd} | shares.beyond - served
    return BudgetForecast(
        stretches={**shares.stretches, **{one.target: _needed(one, 0.0) for one in paid if one.usd > cap_usd}},
        usd_per_month=usd_per_s(paid) * month.seconds,
        stretched_usd_per_month=min(usd_per_s(possible, shares.stretches) * month.seconds, cap_usd),
        beyond=tuple(one.target for one in paid if one.target in beyond),
        lasts_s=(left / costs if costs else 0.0) if beyond else None,
    )


def paid_targets(targets: Iterable[Target], paid: Iterable[str], usual: Mapping[str, float | None]) -> list[PaidTarget]:
    """Those whose ids are in `paid`, each with its usual cost."""
    ids = frozenset(paid)
    return [
        PaidTarget(target=one.id, interval_s=one.interval_s, usd=usual.get(one.id) or 0.0)
        for one in targets
        if one.id in ids
    ]


def slower(paid: Sequence[PaidTarget], stretches: Mapping[str, float]) -> str:
    """Who is probed less often, as the beginning of a sentence; empty where nobody is.

    `what costs money is probed less often (30s → 48s)` where all are alike, else
    `some targets are probed less often (openai/m 30s → 1h, 3 targets 30s → 48s)`, the most stretched first.
    """
    longer = {one.target: (stretches[one.target], one.interval_s) for one in paid if stretches.get(one.target, 1.0) > 1}
    if not longer:
        return ""
    alike = Counter(longer.values())
    if len(alike) == 1 and len(longer) == len(paid):
        return f"what costs money is probed less often ({_change(*longer.popitem()[1])})"
    changes = []
    for found, count in sorted(alike.items(), reverse=True):
        who = plural(count, "target") if count > 1 else next(name for name, one in longer.items() if one == found)
        changes.append(f"{who} {_change(*found)}")
    who = "some targets are" if len(longer) > 1 else "one target is"
    return f"{who} probed less often ({listed(changes, _NAMED)})"


def _change(stretch: float, interval_s: float) -> str:
    return f"{format_duration(interval_s)} → {format_duration(round(stretched_s(interval_s, stretch), 1))}"


def money(usd: float) -> str:
    """A budget in words: `$5`, `$2.50`, `$0.0042`; what is next to nothing is `less than $0.0001`."""
    if 0 < usd < 0.0001:
        return "less than $0.0001"
    if usd and abs(usd) < 0.01:
        return f"${usd:.2g}"
    return f"${usd:,.2f}".removesuffix(".00")
