"""How often a target fails while nothing is wrong with it: what is usual, learned from its quiet probes (pure).

The background of some targets breathes over the day, with the load of their provider. A rate learned as one mean is
then too low in the busy hours, and evidence against it too heavy. So three shares of failures are remembered, and fade:

1. Of about a week.
2. Of each hour of the day (UTC). They count by as much as they differ by more than chance would have it: the factor
   max(0, 1 - 1.5 · expected / found), of the squared deviations from the week's failures, is that of James and Stein
   ("Estimation with quadratic loss", 1961), a little more careful. A steady background is so left alone.
3. Of about the last 250 probes, drawn to what is usual at this hour. It counts where it is half as much again and rests
   on more than one failure, and it lags by one probe: a failure must not weaken the evidence that it is itself.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from monitor.config.controller_settings import LARGEST_BACKGROUND
from probes.observation import hot_dataclass

_PRIOR_FAILURES = 5.0
_PRIOR_PROBES = 1000.0
_LOWEST = 0.002
_MEMORY_PROBES = 20_000.0
_RECENT_PROBES = 250.0
_HOURS = 24
_HOUR_S = 3600.0
#: The weight, in probes, by which the rate of an hour is drawn to that of the week, and that of late to the hour's.
_DRAWN_HOUR, _DRAWN_RECENT = 50.0, 300.0
#: So many times the squares that chance makes must be found before hours count.
_CHANCE = 1.5
#: And so many failures must be expected in them together, half a one in each.
_FEWEST_FAILURES = 12.0
#: What failed of late counts from so many times the usual rate on, and beyond so many failures.
_CLEARLY_MORE, _SINGLE = 1.5, 1.0
#: Learned rates are rounded to this grid (ratio of neighbours), so that the threshold is computed for few of them.
_GRID = 1.25

#: Failures among so many probes; both fade.
_Count = tuple[float, float]
_NOTHING: _Count = (0.0, 0.0)
_Sums = tuple[float, float, float, float]


@hot_dataclass
class BackgroundRate:
    """A target's own failure rate in quiet times, learned from its history.

    What is calculated is kept, so that no field may be changed by `replaced`.
    """

    failures: float = 0.0
    probes: float = 0.0
    """About the last 20,000 quiet probes count, a week at 30 s."""
    recent_failures: float = 0.0
    recent_probes: float = 0.0
    """About 250 count, two hours, without the last one."""
    last_failed: bool = False
    hours: tuple[_Count, ...] = ()
    """Failures and probes in each hour of the day, from the first failure on: about the last 833 each count."""
    hour: int = 0
    """That of the last quiet probe."""

    def add_probe(self, at: datetime, *, failed: bool) -> "BackgroundRate":
        """The rate after one more probe in quiet times, which ended at this instant."""
        hour, hours = _hour(at.timestamp()), self.hours
        if hours:
            hours = _with(hours, {hour: _add_probe(hours[hour], _MEMORY_PROBES / _HOURS, failed=failed)})
        elif failed:
            hours = (_NOTHING,) * _HOURS  # this failure tells that there are some, and not how many
        failures, probes = _add_probe((self.failures, self.probes), _MEMORY_PROBES, failed=failed)
        recent = self._recent_with_last()
        return BackgroundRate(
            failures=failures,
            probes=probes,
            recent_failures=recent[0],
            recent_probes=recent[1],
            last_failed=failed,
            hours=hours,
            hour=hour,
        )

    def add_clean_probes(self, probes: int, until: datetime, interval_s: float) -> "BackgroundRate":
        """The rate after so many more good probes in quiet times, one an interval, the last of which ended then.

        It is the same as adding them one by one.
        """
        if not probes:
            return self
        asked = probes, until, interval_s
        known: tuple[object, BackgroundRate] | None = self.__dict__.get("_with_clean")
        if known and known[0] == asked:  # several ask for the same after each failure
            return known[1]
        whole = _add_clean((self.failures, self.probes), probes, _MEMORY_PROBES)
        recent = _add_clean(self._recent_with_last(), probes - 1, _RECENT_PROBES)
        last_s, hours = until.timestamp(), self.hours
        added = _clean_by_hour(hours, probes, last_s, interval_s) if hours else {}
        after = BackgroundRate(
            failures=whole[0],
            probes=whole[1],
            recent_failures=recent[0],
            recent_probes=recent[1],
            hours=_with(hours, added) if added else hours,
            hour=_hour(last_s),
        )
        if added:  # so that the sums need not be made anew
            after.__dict__["_sums"] = self._sums_with(added)
        self.__dict__["_with_clean"] = asked, after
        return after

    def rate_after(self, probes: int, until: datetime, interval_s: float) -> float:
        """The rate after so many more good probes, as `add_clean_probes` has it."""
        if not probes:
            return self.rate
        asked = probes, until, interval_s
        known: tuple[object, float] | None = self.__dict__.get("_rate_after")
        if known is None or known[0] != asked:
            known = self.__dict__["_rate_after"] = asked, self._find_rate_after(probes, until, interval_s)
        return known[1]

    def _find_rate_after(self, probes: int, until: datetime, interval_s: float) -> float:
        whole = _add_clean((self.failures, self.probes), probes, _MEMORY_PROBES)
        recent = _add_clean(self._recent_with_last(), probes - 1, _RECENT_PROBES)
        if not self.hours:
            return _rate(_usual(whole, None, _NOTHING), recent)
        last_s = until.timestamp()
        added = _clean_by_hour(self.hours, probes, last_s, interval_s)
        return _rate(_usual(whole, self._sums_with(added), added[_hour(last_s)]), recent)

    def _sums_with(self, added: Mapping[int, _Count]) -> _Sums:
        """The sums of the hours where these have changed to that."""
        gone, new = _sums([self.hours[hour] for hour in added]), _sums(added.values())
        (a, b, c, d), (e, f, g, h), (i, j, k, m) = self._hour_sums, gone, new
        return a - e + i, b - f + j, c - g + k, d - h + m

    @property
    def usual(self) -> float:
        """The share of failures that is usual at this hour of the day."""
        whole = self.failures, self.probes
        return _usual(whole, self._hour_sums, self.hours[self.hour]) if self.hours else _usual(whole, None, _NOTHING)

    @property
    def _hour_sums(self) -> _Sums:
        known: _Sums | None = self.__dict__.get("_sums")
        if known is None:
            known = self.__dict__["_sums"] = _sums(self.hours)
        return known

    @property
    def rate(self) -> float:
        """The background failure rate p0: the usual one, or that of late where it is clearly higher; 0.2 to 5 %."""
        known: float | None = self.__dict__.get("_rate")  # kept as by `cached_property`, without its lock
        if known is None:
            known = self.__dict__["_rate"] = self._find_rate()
        return known

    def _find_rate(self) -> float:
        return _rate(self.usual, (self.recent_failures, self.recent_probes))

    def _recent_with_last(self) -> _Count:
        if not self.probes:
            return _NOTHING
        return _add_probe((self.recent_failures, self.recent_probes), _RECENT_PROBES, failed=self.last_failed)


def _usual(whole: _Count, sums: _Sums | None, of_hour: _Count) -> float:
    """The share that is usual at this hour, by all probes and by the sums of the hours, where any is known."""
    failures, probes = whole
    usual = (_PRIOR_FAILURES + failures) / (_PRIOR_PROBES + probes)
    if sums is None:
        return usual
    probed, failures_squared, products, probes_squared = sums
    expected = probed * usual
    if expected < _FEWEST_FAILURES:
        return usual
    found = failures_squared - 2 * usual * products + usual**2 * probes_squared
    if found <= _CHANCE * expected:
        return usual
    return usual + (1 - _CHANCE * expected / found) * (_drawn(of_hour, usual, _DRAWN_HOUR) - usual)


def _rate(usual: float, recent: _Count) -> float:
    """The usual share, or that of late where it is clearly higher."""
    of_late = _drawn(recent, usual, _DRAWN_RECENT)
    return rounded(of_late if recent[0] > _SINGLE and of_late > _CLEARLY_MORE * usual else usual)


def _drawn(count: _Count, usual: float, weight: float) -> float:
    failures, probes = count
    return (weight * usual + failures) / (weight + probes)


def _with(hours: tuple[_Count, ...], changed: Mapping[int, _Count]) -> tuple[_Count, ...]:
    counts = list(hours)
    for hour, count in changed.items():
        counts[hour] = count
    return tuple(counts)


def _hour(second: float) -> int:
    return int(second // _HOUR_S) % _HOURS


def _add_probe(count: _Count, memory: float, *, failed: bool) -> _Count:
    failures, probes = count
    if probes + 1 <= memory:
        return failures + failed, probes + 1
    fade = memory / (probes + 1)
    return (failures + failed) * fade, (probes + 1) * fade


def _add_clean(count: _Count, added: int, memory: float) -> _Count:
    failures, probes = count
    if probes + added <= memory:
        return failures, probes + added
    fading = probes + added - memory
    full = math.floor(fading)
    failures *= (memory / (memory + 1)) ** full
    if fading > full:
        failures *= memory / (memory + fading - full)
    return failures, memory


def _clean_by_hour(hours: tuple[_Count, ...], probes: int, last_s: float, interval_s: float) -> dict[int, _Count]:
    """The hours after good probes one interval apart, the last of them at this second; those that have any."""
    counts = dict[int, _Count]()
    while probes > 0:
        hour, own = int(last_s // _HOUR_S) % _HOURS, int(last_s % _HOUR_S // interval_s) + 1
        own = min(own, probes)
        counts[hour] = _add_clean(counts.get(hour) or hours[hour], own, _MEMORY_PROBES / _HOURS)
        probes, last_s = probes - own, last_s - own * interval_s
    return counts


def _sums(counts: Iterable[_Count]) -> _Sums:
    """The sums of the probes, and of the squares and products by which the hours differ from their mean."""
    counted = probed = failures_squared = products = 0.0
    for failures, probes in counts:
        counted += probes
        failures_squared += failures * failures
        products += failures * probes
        probed += probes * probes
    return counted, failures_squared, products, probed


@lru_cache(maxsize=1024)
def rounded(rate: float) -> float:
    """A background failure rate within its bounds and on the grid for which thresholds are computed."""
    steps = round(math.log(rate / _LOWEST, _GRID))
    return min(LARGEST_BACKGROUND, max(_LOWEST, _LOWEST * _GRID**steps))
