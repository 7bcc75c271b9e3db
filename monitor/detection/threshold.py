"""How much evidence makes a verdict: the threshold that keeps the promise about false failovers.

A Bernoulli CUSUM (Page 1954) raises a false alarm when failures of the background happen to come close together.
How often depends on more than the failure rate: a failure is followed by a burst of probes, and a blip (a
disturbance of a few seconds) fails several of them at once. So the rate is computed for probes and bursts together:

1. An *excursion* begins with a failed probe while the evidence is zero: by chance (p0), or because the probe fell
   into a blip (blips a day × mean length, a Poisson stream). Its evidence is then `log(p1/p0)`.
2. From there the distribution over (failures so far, whether the last probe failed, is a blip on) is carried forward,
   probe by probe: those of a burst, later after a failure than after a good answer, then at the interval. Of
   blips of length L that begin at a rate r, one is on at a probe, and was not at the last one g seconds before, with
   probability r·E[min(L, g)]; it is still on t seconds later with probability E[min(max(0, L-t), g)] / E[min(L, g)]
   (for large g the residual life of a renewal process). A probe inside a blip fails with the blip's own rate, any
   other with p0.
3. Probability that is at the threshold once `min_outage` is over is the chance `q` of a false alarm per excursion;
   probability that returns to zero has ended.
4. Excursions begin every `interval / P(failure)` seconds, plus their own length D: false alarms per second =
   q / (interval / P(failure) + D).

The threshold is the smallest at which that rate is within the promise, found by bisection.

For a provider, the probes of all its targets are one stream, and the interval is that of the stream. That a verdict on
a provider must stand without any one of the targets is not counted; it makes false alarms rarer still.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from monitor.config.settings import Blips
from monitor.detection.evidence import step_down, step_up

DAY_S = 86400.0

_NEGLIGIBLE = 1e-10
_LARGEST_SHARE = 0.5
#: An excursion of so many probes that is not over counts as an alarm.
_LONGEST = 1500
#: How many ages a blip may have at the most.
_AGES = 16
_ON_THE_GRID = 1e-6
_FIRST_GUESS = 16.0
_HIGHEST = 512.0
_PRECISION = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmModel:
    """What the false-alarm rate depends on: failure rates per probe, p0 the background, p1 to detect; seconds."""

    p0: float
    p1: float
    interval_s: float
    failed_s: float
    """From a failed probe to the next burst probe."""
    passed_s: float
    """From a good probe to the next burst probe."""
    burst: int
    min_outage_s: float
    blips: Blips

    @property
    def step_up(self) -> float:
        """Evidence that one failed probe adds: log(p1/p0)."""
        return step_up(self.p0, self.p1)

    @property
    def step_down(self) -> float:
        """Evidence that one good probe takes away: log((1-p0)/(1-p1))."""
        return step_down(self.p0, self.p1)

    def gap_s(self, probes: int, *, failed: bool) -> float:
        """Seconds from an excursion's probe of this number to the next one."""
        if probes > self.burst:
            return self.interval_s
        return min(self.interval_s, self.failed_s if failed else self.passed_s)

    def elapsed_s(self, failures: int, probes: int, *, failed: bool) -> float:
        """Seconds from the first probe of an excursion to its present one; infinite once the burst is over."""
        if probes > self.burst:
            return math.inf
        before = min(self.interval_s, self.failed_s) * (failures - failed)
        return before + min(self.interval_s, self.passed_s) * (probes - failures - (not failed))


@lru_cache(maxsize=4096)
def threshold(model: AlarmModel, *, per_day: float) -> float:
    """The smallest evidence at which false alarms come at most `per_day` times a day, or up to 0.5 % more.

    It takes a few hundredths of a second, but seconds where many probes fall into one blip, or where p1 is close to
    p0. Raises ValueError when no evidence could keep that promise (p1 is not above p0).
    """
    if not 0 < model.p0 < model.p1 < 1:
        raise ValueError(f"a failure rate of {model.p1:.3g} cannot be told from a background of {model.p0:.3g}")
    # A verdict never rests on a single failure, however long it is remembered.
    low, high = model.step_up, max(_FIRST_GUESS, 2 * model.step_up)
    while high < _HIGHEST and false_alarms_per_day(model, high) > per_day:
        low, high = high, 2 * high
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if false_alarms_per_day(model, middle) <= per_day:
            high = middle
        else:
            low = middle
    return high


def false_alarms_per_day(model: AlarmModel, evidence: float) -> float:
    """How often a day chance and blips alone carry a target's evidence to this height."""
    in_blip = min(_LARGEST_SHARE, _begun(model.blips, math.inf))
    by_blip = in_blip * model.blips.failure_rate
    by_chance = (1 - in_blip) * model.p0
    begun = by_blip + by_chance
    alarm_blip, length_blip = _excursion(model, evidence, blip_is_on=True)
    alarm_chance, length_chance = _excursion(model, evidence, blip_is_on=False)
    alarm = (by_blip * alarm_blip + by_chance * alarm_chance) / begun
    length_s = (by_blip * length_blip + by_chance * length_chance) / begun
    return alarm / (model.interval_s / begun + length_s) * DAY_S


#: A blip that is on: the gap in which it began, and the seconds since the first probe that it hit. None: no blip.
_Blip = tuple[float, float] | None
#: Failures so far, whether the last probe failed, and the blip.
_State = tuple[int, bool, _Blip]
#: Whether the next probe fails, the blip then, and the chance of that.
_Leads = list[tuple[bool, _Blip, float]]


def _excursion(model: AlarmModel, evidence: float, *, blip_is_on: bool) -> tuple[float, float]:
    """The chance that an excursion ends in an alarm, and its mean length in seconds."""
    alive: dict[_State, float] = {(1, True, (model.interval_s, 0.0) if blip_is_on else None): 1.0}
    step_up, step_down = model.step_up, model.step_down
    leads: dict[tuple[_Blip, float], _Leads] = {}
    alarmed = length_s = 0.0
    probes = 1
    while alive and probes < _LONGEST:
        moved: dict[_State, float] = {}
        for (failures, failed, blip), chance in alive.items():
            gap_s = model.gap_s(probes, failed=failed)
            so_far_s = model.elapsed_s(failures, probes, failed=failed)
            height = failures * step_up - (probes - failures) * step_down
            if so_far_s < model.min_outage_s <= so_far_s + gap_s and height >= evidence:
                # A verdict that only waits for `min_outage` does not wait for another probe.
                alarmed += chance
                continue
            length_s += gap_s * chance
            if (blip, gap_s) not in leads:
                leads[blip, gap_s] = _one_probe(model, blip, gap_s)
            for fails, blip_then, share in leads[blip, gap_s]:
                state = failures + fails, fails, blip_then
                moved[state] = moved.get(state, 0.0) + chance * share
        probes += 1
        alive = {}
        for state, chance in moved.items():
            if chance <= _NEGLIGIBLE:
                continue
            height = state[0] * step_up - (probes - state[0]) * step_down
            if height >= evidence and model.elapsed_s(state[0], probes, failed=state[1]) >= model.min_outage_s:
                alarmed += chance
            elif height > 0:
                alive[state] = chance
    return alarmed + sum(alive.values()), length_s


def _one_probe(model: AlarmModel, blip: _Blip, gap_s: float) -> _Leads:
    """Where one probe, `gap_s` after the last, may lead."""
    rate, still = model.blips.failure_rate, 0.0
    led: _Leads = []
    if blip is not None:
        began_s, age_s = blip
        still = _on(model.blips, age_s + gap_s, began_s) / _on(model.blips, age_s, began_s)
        if still > 0:
            for age_then_s, share in _aged(model.blips, age_s + gap_s):
                on = began_s, age_then_s
                led += [(True, on, still * share * rate), (False, on, still * share * (1 - rate))]
    new = (1 - still) * min(_LARGEST_SHARE, _begun(model.blips, gap_s))
    none = 1 - still - new
    led += [(True, (gap_s, 0.0), new * rate), (False, (gap_s, 0.0), new * (1 - rate))]
    led += [(True, None, none * model.p0), (False, None, none * (1 - model.p0))]
    return led


def _aged(blips: Blips, age_s: float) -> list[tuple[float, float]]:
    """The age on a grid, as the two neighbours with the shares that keep its mean: so that there are few of them."""
    cell_s = blips.longest_s / _AGES
    lower = math.floor(age_s / cell_s)
    share = age_s / cell_s - lower
    if share < _ON_THE_GRID or lower + 1 >= _AGES:
        return [(lower * cell_s, 1.0)]
    return [(lower * cell_s, 1 - share), ((lower + 1) * cell_s, share)]


def _begun(blips: Blips, gap_s: float) -> float:
    """The chance that a blip is on which began within the last so many seconds."""
    return blips.per_day / DAY_S * _on(blips, 0.0, gap_s)


def _on(blips: Blips, after_s: float, gap_s: float) -> float:
    """E[min(max(0, L-t), g)], L uniform: in proportion to the chance of being on t seconds later."""
    return _beyond(blips, after_s) - _beyond(blips, after_s + gap_s)


def _beyond(blips: Blips, seconds: float) -> float:
    """E[max(0, L-t)]."""
    if seconds <= blips.shortest_s:
        return (blips.shortest_s + blips.longest_s) / 2 - seconds
    if seconds >= blips.longest_s:
        return 0.0
    return (blips.longest_s - seconds) ** 2 / (2 * (blips.longest_s - blips.shortest_s))
