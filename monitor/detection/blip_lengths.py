"""How long the failing periods of a target last that end by themselves: the longest blip is learned from them (pure).

A period is found by a CUSUM of its own (Page 1954), between what is usual and the rate at which blips fail: it begins
with the first failure and ends with the one at which the statistic is highest, which is the most likely place of both
changes. It counts when the odds for a blip have reached `_CERTAIN` and no other period came within ten minutes: what
comes and goes is an outage. Its length is from the first failure to the first good answer after the last one: a target
that was found down is probed less often, so that its last failure alone would make the period much too short. A quarter
is added to the longest, because few periods do not show the longest there is.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.config.controller_settings import Blips
from probes.observation import hot_dataclass, replaced

#: No blip is taken to be longer, so that outages are found so much later at the most.
LONGEST_S = 90.0
#: Log odds at which a period is none of chance: a hundred thousand to one.
_CERTAIN = math.log(1e5)
#: Good answers so heavy against it end a period: four at the defaults.
_OVER = math.log(1e3)
#: Periods closer together than this are those of one outage.
_ALONE = timedelta(minutes=10)
#: So many times the longest configured blip is longer: a failure by chance soon after a blip seems to belong to it.
_LONGER = 2.0
#: So many longer periods are needed; so many are remembered, the longest ones, for so long.
_FEWEST, _MOST = 3, 12
_MEMORY = timedelta(days=14)
#: What the longest there is may be, against the longest of those that were seen.
_UNSEEN = 1.25


@hot_dataclass
class FailingPeriod:
    """A period that ended by itself."""

    ended_at: datetime
    length_s: float


@hot_dataclass
class BlipLengths:
    """The last failing periods of one target that were longer than blips should be, and the one under way."""

    value: float = 0.0
    highest: float = 0.0
    began_at: datetime | None = None
    last_at: datetime | None = None
    """When the statistic was highest: the last failure of the period, as far as is known."""
    good_at: datetime | None = None
    """The first good answer after it."""
    last_end_at: datetime | None = None
    """When the period before ended, whatever its length."""
    ended: tuple[FailingPeriod, ...] = ()

    def add_probe(self, at: datetime, *, failed: bool, p0: float, blips: Blips) -> "BlipLengths":
        """The lengths after one more probe that failed or was answered at this instant; `p0` is usual."""
        if failed:
            return self._add_failure(at, math.log(max(blips.failure_rate, 2 * p0) / p0))
        if not self.value:
            return self
        value = self.value - math.log((1 - p0) / (1 - min(blips.failure_rate, 0.95)))
        good_at = self.good_at or at
        if value > max(0.0, self.highest - _OVER):
            return replaced(self, value=value, good_at=good_at)
        return self._closed(good_at, _LONGER * blips.longest_s)

    def _add_failure(self, at: datetime, step: float) -> "BlipLengths":
        began_at = self.began_at if self.value else at
        value = self.value + step
        if value <= self.highest and self.value:
            return replaced(self, value=value)
        return replaced(self, value=value, highest=value, began_at=began_at, last_at=at, good_at=None)

    def _closed(self, good_at: datetime, longer_than_s: float) -> "BlipLengths":
        after = replaced(self, value=0.0, highest=0.0, began_at=None, last_at=None, good_at=None)
        if self.highest < _CERTAIN or self.began_at is None or self.last_at is None:
            return after
        alone = self.last_end_at is None or self.began_at - self.last_end_at >= _ALONE
        ended = self.ended if alone else tuple(each for each in self.ended if each.ended_at != self.last_end_at)
        # Where nobody looked for long after the last failure, it is only known how long it was at the least.
        lengths_s = ((end - self.began_at).total_seconds() for end in (good_at, self.last_at))
        length_s = next((length_s for length_s in lengths_s if length_s <= LONGEST_S), math.inf)
        if alone and longer_than_s < length_s <= LONGEST_S:
            ended = _longest((*ended, FailingPeriod(ended_at=self.last_at, length_s=length_s)), self.last_at)
        return replaced(after, last_end_at=self.last_at, ended=ended)

    def longest_s(self, at: datetime, blips: Blips) -> float:
        """How long the longest blip is, as it was learned by this instant; 0: no longer than it is configured."""
        if len(self.ended) < _FEWEST:
            return 0.0
        known = [
            period.length_s
            for period in self.ended
            if _ALONE <= at - period.ended_at <= _MEMORY and period.length_s > _LONGER * blips.longest_s
        ]
        return min(LONGEST_S, _UNSEEN * max(known)) if len(known) >= _FEWEST else 0.0


def _longest(periods: tuple[FailingPeriod, ...], at: datetime) -> tuple[FailingPeriod, ...]:
    """The longest periods that are remembered at this instant, in the order in which they ended."""
    known = [period for period in periods if at - period.ended_at <= _MEMORY]
    kept = sorted(known, key=lambda period: -period.length_s)[:_MOST]
    return tuple(period for period in known if period in kept)[-_MOST:]


NO_PERIODS = BlipLengths()


def learned_s(targets: Iterable[BlipLengths], at: datetime, blips: Blips) -> float:
    """How long the longest blip of a provider is, as any of its targets has learned; 0: as it is configured."""
    return max((periods.longest_s(at, blips) for periods in targets if periods.ended), default=0.0)
