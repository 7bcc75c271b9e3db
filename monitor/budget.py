"""How a monthly cap on what probing costs becomes longer intervals, and what is kept back for bursts (pure).

Regular probes may use 85 % of the cap, evenly over the month; where the configured intervals cost more, all that cost
money are stretched by one factor. The other 15 % are for bursts and surprises: extra probes are made only while
what is left is more than the regular ones may use in the rest of the month and one day. So extra probes never lengthen
the intervals, and without surprises the factor is the same all month long, and what `hotspare plan` says. Where prices
rise, or the month began before the budget was set, what is left is spread evenly over the rest of the month.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.settings import LONGEST_STRETCHED_S, Settings
from monitor.units import format_duration
from monitor.words import plural
from probes.target import Target

#: The share of the cap that regular probes leave to bursts, targets that recover, and surprises.
RESERVE: float = 0.15
#: Time past the month's end that money is kept for: by extra probes, and by regular ones, so that the end is not lumpy.
_EXTRAS_KEEP_S = 86400.0
_REGULAR_KEEP_S = 6 * 3600.0
#: An interval becomes shorter again only where that leaves so much of what may be spent.
_TO_SPARE = 0.10
_ROUNDING = 1e-9
#: Every factor that intervals are stretched by: few, for each costs new thresholds.
_FACTORS = tuple(step * 2.0**power for power in range(14) for step in (1.0, 1.5))
STRETCHES: tuple[float, ...] = (1.0, 1.25, *_FACTORS[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One target whose probes cost money."""

    target: str
    interval_s: float
    """As configured."""
    usd: float
    """The mean cost of a probe; 0 where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
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


def month_of(now: datetime) -> Month:
    """The calendar month of an instant in UTC."""
    begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    return Month(begins=begins, ends=begins.replace(year=year, month=month))


def stretched_s(interval_s: float, stretch: float) -> float:
    """A stretched interval: never longer than an hour, unless it is configured so."""
    return max(interval_s, min(interval_s * stretch, LONGEST_STRETCHED_S))


def usd_per_s(paid: Iterable[Paid], stretch: float = 1.0) -> float:
    """What the regular probes of these targets cost."""
    return math.fsum(one.usd / stretched_s(one.interval_s, stretch) for one in paid)


def stretch_for(paid: Sequence[Paid], allowed_usd_per_s: float, *, present: float = 1.0) -> float:
    """The smallest stretch at which they cost no more than that, or all are at their longest interval.

    It is `present` or more, unless a smaller one leaves a tenth to spare.
    """
    needed = _smallest(paid, allowed_usd_per_s)
    if needed >= present:
        return needed
    return min(present, _smallest(paid, allowed_usd_per_s * (1 - _TO_SPARE)))


def _smallest(paid: Sequence[Paid], allowed_usd_per_s: float) -> float:
    # Few intervals for many targets: this runs on the loop that times the probes.
    alike: dict[float, float] = {}
    for one in paid:
        alike[one.interval_s] = alike.get(one.interval_s, 0.0) + one.usd
    most = max((LONGEST_STRETCHED_S / interval_s for interval_s in alike), default=1.0)
    for stretch in STRETCHES:
        costs = math.fsum(usd / stretched_s(interval_s, stretch) for interval_s, usd in alike.items())
        if costs <= allowed_usd_per_s * (1 + _ROUNDING) or stretch >= most:
            return stretch
    return STRETCHES[-1]


def all_month_usd_per_s(cap_usd: float, month: Month) -> float:
    """What regular probes may cost, were this the month's first second."""
    return (1 - RESERVE) * cap_usd / month.seconds


def rest_usd_per_s(left_usd: float, month: Month, now: datetime) -> float:
    """What regular probes may cost for what is left to last to the month's end."""
    return max(0.0, left_usd) / (month.left_s(now) + _REGULAR_KEEP_S)


def reserve_usd(cap_usd: float, left_usd: float, month: Month, now: datetime) -> float:
    """What extra probes may cost: what is left, without what the regular ones may use in the rest of the month."""
    return left_usd - all_month_usd_per_s(cap_usd, month) * (month.left_s(now) + _EXTRAS_KEEP_S)


def stretched(settings: Settings, paid: Iterable[str], stretch: float) -> Settings:
    """The settings with the intervals of these targets (ids) stretched; the same object where nothing changes."""
    if stretch <= 1:
        return settings
    ids = frozenset(paid)
    return replace(settings, targets=tuple(_longer(t, stretch) if t.id in ids else t for t in settings.targets))


def _longer(target: Target, stretch: float) -> Target:
    return replace(target, interval_s=stretched_s(target.interval_s, stretch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a cap does to a configuration for a whole month without outages."""

    stretch: float
    usd_per_month: float
    """What regular probes cost at the configured intervals, as far as prices are known, in the month looked at."""
    stretched_usd_per_month: float
    """The same at the stretched intervals."""
    lasts_s: float | None
    """How long the cap lasts where even the longest intervals cost more; None where it lasts."""


def forecast(cap_usd: float, paid: Sequence[Paid], month: Month, *, extra: float = 1.0) -> Forecast:
    """What the cap will do, by what these targets cost; `extra` is how many times as many probes bursts make."""
    stretch = stretch_for(paid, all_month_usd_per_s(cap_usd, month))
    wanted, costs = (usd_per_s(paid, factor) * month.seconds * extra for factor in (1.0, stretch))
    return Forecast(
        stretch=stretch,
        usd_per_month=wanted,
        stretched_usd_per_month=min(costs, cap_usd),
        lasts_s=month.seconds * cap_usd / costs if costs > cap_usd else None,
    )


def paid_targets(targets: Iterable[Target], paid: Iterable[str], usual: Mapping[str, float | None]) -> list[Paid]:
    """Those whose ids are in `paid`, each with its usual cost."""
    ids = frozenset(paid)
    return [
        Paid(target=one.id, interval_s=one.interval_s, usd=usual.get(one.id) or 0.0) for one in targets if one.id in ids
    ]


def longer_intervals(paid: Sequence[Paid], stretch: float) -> str:
    """`30s → 48s`; of several, the one with most targets, and that there are others."""
    intervals = [one.interval_s for one in paid]
    if not intervals:
        return ""
    usual_s = max(sorted(set(intervals)), key=intervals.count)
    others = len(intervals) - intervals.count(usual_s)
    text = f"{format_duration(usual_s)} → {format_duration(round(stretched_s(usual_s, stretch), 1))}"
    return f"{text}, and {plural(others, 'other target')} alike" if others else text


def money(usd: float) -> str:
    """A budget in words: `$5`, `$2.50`, `$0.0042`."""
    if usd and abs(usd) < 0.01:
        return f"${usd:.2g}"
    return f"${usd:,.2f}".removesuffix(".00")
