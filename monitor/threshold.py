"""How much evidence makes a verdict: the threshold that keeps the promise about false failovers.

A Bernoulli CUSUM (Page 1954) raises a false alarm when failures of the background happen to come close together.
How often depends on more than the failure rate: a failure is followed by a burst of quick probes, and a blip (a
disturbance of a few seconds) fails several of them at once. So the rate is computed for the whole loop:

1. An *excursion* begins with a failed probe while the evidence is zero: by chance (p0), or because the probe fell
   into a blip (blips a day × mean length, a Poisson stream). Its evidence is then `log(p1/p0)`.
2. From there the distribution over (failures so far, is the blip still on) is carried forward, probe by probe: a few
   quick ones, then at the interval. A blip that was on at the first failure is still on t seconds later with
   probability E[max(0, L-t)] / E[L], L being its length (the residual life of a renewal process); a probe inside a
   blip fails with the blip's own rate, any other with p0, or with the blip's rate when a new one has begun.
3. Probability that reaches the threshold, not before `min_outage`, is the chance `q` of a false alarm per excursion;
   probability that returns to zero has ended.
4. Excursions begin every `interval / P(failure)` seconds, plus their own length D: false alarms per second =
   q / (interval / P(failure) + D).

The threshold is the smallest at which that rate is within the promise, found by bisection.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from monitor.settings import Blips

DAY_S = 86400.0

_NEGLIGIBLE = 1e-13
_FIRST_GUESS = 16.0
_HIGHEST = 512.0
_PRECISION = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What the false-alarm rate depends on. Rates are per probe, durations in seconds."""

    p0: float
    """Background failure rate."""
    p1: float
    """Failure rate to detect."""
    interval_s: float
    quick_s: float
    """The time between the probes of a burst."""
    burst: int
    """How many quick probes follow the first failure at the most."""
    min_outage_s: float
    blips: Blips

    @property
    def step_up(self) -> float:
        """Evidence that one failed probe adds: log(p1/p0)."""
        return math.log(self.p1 / self.p0)

    @property
    def step_down(self) -> float:
        """Evidence that one good probe takes away: log((1-p0)/(1-p1))."""
        return math.log((1 - self.p0) / (1 - self.p1))


@lru_cache(maxsize=4096)
def threshold(loop: Loop, *, per_day: float) -> float:
    """The smallest evidence at which false alarms come at most `per_day` times a day, or up to 0.5 % more.

    It takes a few hundredths of a second, but seconds where many probes fall into one blip, or where p1 is close to
    p0. Raises ValueError when no evidence could keep that promise (p1 is not above p0).
    """
    if not 0 < loop.p0 < loop.p1 < 1:
        raise ValueError(f"a failure rate of {loop.p1:.3g} cannot be told from a background of {loop.p0:.3g}")
    low, high = 0.0, _FIRST_GUESS
    while high < _HIGHEST and false_alarms_per_day(loop, high) > per_day:
        low, high = high, 2 * high
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if false_alarms_per_day(loop, middle) <= per_day:
            high = middle
        else:
            low = middle
    return high


def false_alarms_per_day(loop: Loop, evidence: float) -> float:
    """How often a day chance and blips alone carry a target's evidence to this height."""
    in_blip = _share_of_time_in_blips(loop.blips)
    by_blip = in_blip * loop.blips.failure_rate
    by_chance = (1 - in_blip) * loop.p0
    begun = by_blip + by_chance
    alarm_blip, length_blip = _excursion(loop, evidence, blip_is_on=True)
    alarm_chance, length_chance = _excursion(loop, evidence, blip_is_on=False)
    alarm = (by_blip * alarm_blip + by_chance * alarm_chance) / begun
    length_s = (by_blip * length_blip + by_chance * length_chance) / begun
    return alarm / (loop.interval_s / begun + length_s) * DAY_S


def _excursion(loop: Loop, evidence: float, *, blip_is_on: bool) -> tuple[float, float]:
    """The chance that an excursion ends in an alarm, and its mean length in seconds.

    `alive[failures, age]` is the probability of having seen so many failures, in a blip whose first hit was `age`
    seconds ago (None: in no blip).
    """
    alive: dict[tuple[int, float | None], float] = {(1, 0.0 if blip_is_on else None): 1.0}
    alarmed = length_s = elapsed_s = 0.0
    probes = 1
    while alive and sum(alive.values()) > _NEGLIGIBLE:
        gap_s = loop.quick_s if probes <= loop.burst else loop.interval_s
        length_s += gap_s * sum(alive.values())
        elapsed_s += gap_s
        probes += 1
        moved = _one_probe(loop, alive, gap_s)
        alive = {}
        for (failures, age), chance in moved.items():
            height = failures * loop.step_up - (probes - failures) * loop.step_down
            if height >= evidence and elapsed_s >= loop.min_outage_s:
                alarmed += chance
            elif height > 0 and chance > _NEGLIGIBLE:
                alive[failures, age] = chance
    return alarmed, length_s


def _one_probe(
    loop: Loop, alive: dict[tuple[int, float | None], float], gap_s: float
) -> dict[tuple[int, float | None], float]:
    """The distribution one probe later, `gap_s` after the last."""
    new_blip = _share_of_time_in_blips(loop.blips)
    moved: dict[tuple[int, float | None], float] = {}

    def add(failures: int, age: float | None, chance: float) -> None:
        moved[failures, age] = moved.get((failures, age), 0.0) + chance

    for (failures, age), chance in alive.items():
        still = 0.0 if age is None else _still_on(loop.blips, age + gap_s) / _still_on(loop.blips, age)
        if age is not None and still > 0:
            add(failures + 1, age + gap_s, chance * still * loop.blips.failure_rate)
            add(failures, age + gap_s, chance * still * (1 - loop.blips.failure_rate))
        over = chance * (1 - still)
        add(failures + 1, 0.0, over * new_blip * loop.blips.failure_rate)
        add(failures, 0.0, over * new_blip * (1 - loop.blips.failure_rate))
        add(failures + 1, None, over * (1 - new_blip) * loop.p0)
        add(failures, None, over * (1 - new_blip) * (1 - loop.p0))
    return moved


def _share_of_time_in_blips(blips: Blips) -> float:
    return min(0.5, blips.per_day * (blips.shortest_s + blips.longest_s) / 2 / DAY_S)


def _still_on(blips: Blips, after_s: float) -> float:
    """The chance that a blip which a probe has hit is still on so much later: E[max(0, L-t)] / E[L], L uniform."""
    mean = (blips.shortest_s + blips.longest_s) / 2
    if after_s <= blips.shortest_s:
        return (mean - after_s) / mean
    if after_s >= blips.longest_s:
        return 0.0
    return (blips.longest_s - after_s) ** 2 / (2 * (blips.longest_s - blips.shortest_s)) / mean
