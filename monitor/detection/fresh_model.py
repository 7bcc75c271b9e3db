"""How often a test on fresh evidence is wrong, and the threshold that keeps it to its promise (pure).

False verdicts a day are at most (C·a + B + H)·(b + r·E[L]):

- C·a: failures by chance, p0 · probes a day, a tenth more or what bursts come to, times the chance that each three
  probes that confirm one have a failure among them, a = (1 - (1-p)^3)^confirmations. p is p0 and the answers that take
  too long, for which probes asked afresh do not wait.
- B: blips that fail a probe of the schedule, r · E[L] / interval, and those that come upon the three, which is as good
  as failing them, C·r·E[L]. Each is taken for an outage once at the most, so that B is at most r.
- H: answers that take so long, where a failure is confirmed once; else they are among C.
- b: the chance that fresh probes at p reach the threshold, exactly, by carrying the binomial distributions of failures
  from round to round, of those that count and of the others. Without the worst third there are at most as many failures
  as of any fixed two thirds.
- r·E[L]: the chance that another blip is on by then.

The threshold is the smallest at which that is within the promise (Wald, "Sequential Tests of Statistical Hypotheses",
1945, with truncation; his bounds are for single steps, too rough for rounds of eight).
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache

from monitor.config.controller_settings import Blips
from monitor.detection.evidence import step_down, step_up
from monitor.detection.latency import HANGING_SHARE
from probes.observation import hot_dataclass, replaced

_DAY_S = 86400.0
#: Probes asked at once to see whether a failure was a single one.
CONFIRMING_PROBES = 3
#: So often at the most.
MOST_CONFIRMATIONS = 5
#: Probes of one round at the least.
_ROUND = 8
#: Rounds at the most.
MOST_ROUNDS = 8
#: The most targets of a provider that are asked in a round.
MOST_TARGETS = 8
_WORST = 1 / 3
#: Sums of the same steps differ by less.
_TINY = 1e-9
#: Courses less likely than this are not carried on: they count as verdicts.
_UNLIKELY = 1e-13
#: Probes of bursts, as a share of those of the schedule, at the least.
_BURST_SHARE = 0.1


@hot_dataclass
class FreshModel:
    """What the rate of false verdicts depends on. Failure rates per probe: p0 the background, p1 to detect."""

    p0: float
    p1: float
    interval_s: float
    """Between two probes of the schedule, of all targets together."""
    blips: Blips
    targets: int = 1
    """How many are asked afresh."""
    confirmations: int = 1
    """How often in a row three more probes must have a failure among them."""

    @property
    def fails_afresh(self) -> float:
        """How often a probe asked afresh fails by chance: it is given up as soon as it hangs."""
        return self.p0 + HANGING_SHARE

    @property
    def left_out(self) -> int:
        """How many targets are the worst third, whose probes do not count."""
        return round(self.targets * _WORST) if self.targets > 1 else 0

    @property
    def repeats(self) -> int:
        """How often each target is asked in a round."""
        return math.ceil(_ROUND / self.targets)

    @property
    def asked(self) -> int:
        """How many probes a round has."""
        return self.targets * self.repeats

    @property
    def counted(self) -> int:
        """How many probes of a round count."""
        return (self.targets - self.left_out) * self.repeats

    def speaks_against(self, failures: int, rounds: int) -> bool:
        """Whether so many failures of all probes asked speak as clearly against an outage as a good round does."""
        return self.evidence(failures, rounds * self.asked) <= self.evidence(0, self.asked) + _TINY

    def evidence(self, failures: int, probes: int) -> float:
        """The log-likelihood ratio of p1 against p0."""
        return failures * step_up(self.p0, self.p1) - (probes - failures) * step_down(self.p0, self.p1)


@lru_cache(maxsize=1024)
def threshold(model: FreshModel, *, per_day: float) -> float:
    """The smallest evidence at which false verdicts come at most `per_day` times a day; infinite where none does."""
    if false_verdicts_per_day(model, math.inf) > per_day:
        return math.inf
    return _smallest_height(model, lambda height: false_verdicts_per_day(model, height) <= per_day)


def within_promise(model: FreshModel, *, per_day: float) -> tuple[FreshModel, float]:
    """The model, with as many confirmations as its promise takes, and its threshold.

    The threshold is infinite where no evidence keeps the promise.
    """
    for confirmations in range(1, MOST_CONFIRMATIONS + 1):
        careful = replaced(model, confirmations=confirmations)
        needed = threshold(careful, per_day=per_day)
        if needed < math.inf:
            return careful, needed
    return model, math.inf


@lru_cache(maxsize=1024)
def threshold_of_chance(model: FreshModel, chance: float) -> float:
    """The smallest evidence that fresh probes at the background reach at most with this chance."""
    return _smallest_height(model, lambda height: verdict_chance(model, height, model.fails_afresh) <= chance)


def _smallest_height(model: FreshModel, suffices: Callable[[float], bool]) -> float:
    """The smallest evidence of some probes that suffices, which rests on two failures at least; infinite for none."""
    heights = sorted(
        model.evidence(failures, rounds * model.counted)
        for rounds in range(1, MOST_ROUNDS + 1)
        for failures in range(2, rounds * model.counted + 1)
    )
    single = model.evidence(1, model.counted)  # a verdict never rests on a single failure
    possible = [height for height in heights if height > max(0.0, single) + _TINY]
    place = bisect_left(possible, True, key=suffices)
    return possible[place] if place < len(possible) else math.inf


def false_verdicts_per_day(model: FreshModel, height: float) -> float:
    """An upper bound of how often a day chance and blips alone bring the fresh evidence to this height."""
    blips = model.blips
    mean_s = (blips.shortest_s + blips.longest_s) / 2
    blip_is_on = blips.per_day / _DAY_S * mean_s
    by_chance = model.p0 * _DAY_S / model.interval_s * (1 + _burst_share(model))
    hanging = HANGING_SHARE * _DAY_S / model.interval_s
    if model.confirmations > 1:
        by_chance, hanging = by_chance + hanging, 0.0
    confirmed = (1 - (1 - model.fails_afresh) ** CONFIRMING_PROBES) ** model.confirmations
    by_blip = min(blips.per_day, blips.per_day * mean_s / model.interval_s + by_chance * blip_is_on)
    by_rounds = verdict_chance(model, height, model.fails_afresh) if height < math.inf else 0.0
    return (by_chance * confirmed + by_blip + hanging) * (by_rounds + blip_is_on)


def _burst_share(model: FreshModel) -> float:
    """How many probes of bursts follow from each of the schedule by chance, at the most.

    A failure begins as many as take its evidence away, and each of these may fail in turn.
    """
    followed = model.p0 * math.ceil(step_up(model.p0, model.p1) / step_down(model.p0, model.p1))
    return max(_BURST_SHARE, followed / (1 - followed)) if followed < 1 else math.inf


def verdict_chance(model: FreshModel, height: float, rate: float) -> float:
    """The chance that fresh probes that fail at this rate reach this height."""
    single = _round_chances(model, rate)
    alive: Mapping[tuple[int, int], float] = {(0, 0): 1.0}
    reached = MOST_ROUNDS * (1 - sum(single.values()))
    for rounds in range(1, MOST_ROUNDS + 1):
        most = rounds * model.counted
        needed = next((n for n in range(most + 1) if reaches(model.evidence(n, most), height)), most + 1)
        too_few = next(n for n in range(rounds * model.asked + 1) if not model.speaks_against(n, rounds))
        moved: dict[tuple[int, int], float] = defaultdict(float)
        for (counted, others), chance in alive.items():
            for (more, beside), share in single.items():
                if counted + more >= needed:
                    reached += chance * share
                elif counted + more + others + beside >= too_few:
                    moved[counted + more, others + beside] += chance * share
        reached += sum(chance for chance in moved.values() if chance < _UNLIKELY)
        alive = {failures: chance for failures, chance in moved.items() if chance >= _UNLIKELY}
    return reached


def _round_chances(model: FreshModel, rate: float) -> dict[tuple[int, int], float]:
    """The chance of each likely number of failures in one round: among the probes that count, and among the others."""
    counted, others = (_binomial(probes, rate) for probes in (model.counted, model.asked - model.counted))
    chances = {(more, beside): a * b for more, a in enumerate(counted) for beside, b in enumerate(others)}
    return {failures: chance for failures, chance in chances.items() if chance >= _UNLIKELY}


def _binomial(probes: int, rate: float) -> list[float]:
    """The chance of each number of failures."""
    return [math.comb(probes, n) * rate**n * (1 - rate) ** (probes - n) for n in range(probes + 1)]


def reaches(value: float, height: float) -> bool:
    """Whether the evidence is at this height, which is a sum of the same steps."""
    return value >= height - _TINY
