"""How much evidence makes a verdict: the threshold that keeps the promise about false failovers.

A Bernoulli CUSUM (Page 1954) raises a false alarm when failures of the background happen to come close together.
How often depends on more than the failure rate: a failure is followed by a burst of probes, and a blip (a
disturbance of a few seconds) fails several of them at once. So the rate is computed for probes and bursts together:

1. An *excursion* begins with a failed probe while the evidence is zero: by chance (p0), or because the probe fell
   into a blip (blips a day × mean length, a Poisson stream). Its evidence is then `log(p1/p0)`.
2. From there the distribution over (failures so far, whether the last probe failed, is a blip on) is carried forward,
   probe by probe: those of a burst, later after a failure than after a good answer, then at the interval. Beside
   a provider's burst its regular probes go on: they end like a Poisson stream, because answers take longer or shorter,
   so that one comes within the pause g of the burst with probability 1 - e^(-g/interval), and the pause begins anew.
   Of blips of length L that begin at a rate r, one is on at a probe, and was not at the last one g seconds before, with
   probability r·E[min(L, g)]; it is still on t seconds later with probability E[min(max(0, L-t), g)] / E[min(L, g)]
   (for large g the residual life of a renewal process). A probe inside a blip fails with the blip's own rate, any
   other with p0.
3. Probability that is at the threshold once `min_outage` is over is the chance `q` of a false alarm per excursion;
   probability that returns to zero has ended. The slower the answers, the fewer of them come before `min_outage`, and
   the less they take away: what answers take counts here, but not where probes meet a blip, so that q is no less than
   it is for any answer that is as quick or quicker.
4. Excursions begin every `interval / P(failure)` seconds, plus their own length D: false alarms per second =
   q / (interval / P(failure) + D).

The threshold is the smallest at which that rate is within the promise, found by bisection.

For a provider, the probes of all its targets are one stream, and the interval is that of the stream. Its pauses vary,
and `min_outage` is counted in mean pauses. That a verdict on a provider must stand without the worst of its targets is
not counted; it makes false alarms rarer still.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import zip_longest
from operator import mul

from monitor.config.controller_settings import Blips
from monitor.detection.evidence import step_down, step_up

DAY_S = 86400.0

_NEGLIGIBLE = 1e-9
_LARGEST_SHARE = 0.5
#: An excursion of so many probes that is not over counts as an alarm.
_LONGEST = 1500
#: How many ages a blip may have at the most.
_AGES = 16
_ON_THE_GRID = 1e-6
_FIRST_GUESS = 16.0
_HIGHEST = 512.0
_PRECISION = 0.005
_KEPT: list[MutableMapping[str, float]] = [{}]


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
    answer_s: float = 0.0
    """From the start of a probe to its end, from which the pause to the next burst probe is counted."""
    goes_on: bool = False
    """Whether regular probes go on beside a burst, as those of a provider's other targets do."""

    @property
    def step_up(self) -> float:
        """Evidence that one failed probe adds: log(p1/p0)."""
        return step_up(self.p0, self.p1)

    @property
    def step_down(self) -> float:
        """Evidence that one good probe takes away: log((1-p0)/(1-p1))."""
        return step_down(self.p0, self.p1)

    def gaps_s(self, probes: int, *, failed: bool) -> tuple[tuple[float, float], ...]:
        """Seconds from an excursion's probe of this number to the next one, each with its share."""
        if probes > self.burst:
            return ((self.interval_s, 1.0),)
        pause_s = self.failed_s if failed else self.passed_s
        if not self.goes_on:
            return ((min(self.interval_s, pause_s), 1.0),)
        quiet = math.exp(-pause_s / self.interval_s)
        return (self.interval_s - pause_s * quiet / (1 - quiet), 1 - quiet), (pause_s, quiet)

    def gap_s(self, probes: int, *, failed: bool) -> float:
        """The mean of `gaps_s`."""
        return sum(gap_s * share for gap_s, share in self.gaps_s(probes, failed=failed))

    def elapsed_s(self, failures: int, probes: int, *, failed: bool) -> float:
        """Mean seconds from the first probe of an excursion to its present one; infinite once the burst is over."""
        if probes > self.burst:
            return math.inf
        after_failures_s = self.gap_s(0, failed=True) * (failures - failed)
        after_answers_s = self.gap_s(0, failed=False) * (probes - failures - (not failed))
        return after_failures_s + after_answers_s + self.answer_s * (probes - 1)


@lru_cache(maxsize=4096)
def threshold(model: AlarmModel, *, per_day: float) -> float:
    """The smallest evidence at which false alarms come at most `per_day` times a day, or up to 0.5 % more.

    It takes a few hundredths of a second, up to half a second where many probes fall into one blip, and longer where p1
    is close to p0. Raises ValueError when no evidence could keep that promise (p1 is not above p0).
    """
    if not 0 < model.p0 < model.p1 < 1:
        raise ValueError(f"a failure rate of {model.p1:.3g} cannot be told from a background of {model.p0:.3g}")
    [kept], key = _KEPT, sha256(repr((model, per_day)).encode()).hexdigest()[:16]
    if not kept.get(key, 0) >= model.step_up:
        kept[key] = _smallest(model, per_day)
    return kept[key]


def keep_in(kept: MutableMapping[str, float]) -> None:
    """Look here before a threshold is calculated, and keep new ones here; for all that follows."""
    _KEPT[:] = [kept]


def _smallest(model: AlarmModel, per_day: float) -> float:
    # A verdict never rests on a single failure, however long it is remembered.
    low, high = model.step_up, max(_FIRST_GUESS, 2 * model.step_up)
    in_one_blip = model.step_up * model.blips.longest_s / model.gap_s(1, failed=True)
    while high < _HIGHEST and (high < in_one_blip or not _keeps(model, high, per_day)):
        low, high = high, 2 * high
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if _keeps(model, middle, per_day):
            high = middle
        else:
            low = middle
    return high


def false_alarms_per_day(model: AlarmModel, evidence: float) -> float:
    """How often a day chance and blips alone carry a target's evidence to this height."""
    *_, (alarmed, left, length_s) = _excursion(model, evidence)
    return (alarmed + left) / (_quiet_s(model) + length_s) * DAY_S


def _keeps(model: AlarmModel, evidence: float, per_day: float) -> bool:
    """Whether false alarms come at most `per_day` times a day; known as soon as what is left cannot change it."""
    quiet_s, longest_s = _quiet_s(model), _LONGEST * model.interval_s
    for alarmed, left, length_s in _excursion(model, evidence):
        if (alarmed + left) * DAY_S <= per_day * (quiet_s + length_s):
            return True
        if alarmed * DAY_S > per_day * (quiet_s + length_s + left * longest_s):
            return False
    return False


def _quiet_s(model: AlarmModel) -> float:
    """Seconds from the end of an excursion to the next one, on average."""
    return model.interval_s / sum(_first_failure(model))


def _first_failure(model: AlarmModel) -> tuple[float, float]:
    """The chance that a probe fails in a blip, and that one fails by chance."""
    in_blip = min(_LARGEST_SHARE, _begun(model.blips, math.inf))
    return in_blip * model.blips.failure_rate, (1 - in_blip) * model.p0


#: A blip that is on: the gap in which it began, and the seconds since the first probe that it hit. None: no blip.
_Blip = tuple[float, float] | None
#: Whether the last probe failed (always False where that makes no difference to the next gap), and the blip.
_Row = tuple[bool, _Blip]
#: Rows, and how much of each.
_Parts = list[tuple[float, list[float]]]
_Rows = defaultdict[_Row, _Parts]
#: Seconds to the next probe, each with its share.
_Gaps = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Leads:
    """How a probe finds the blip that was on at the last one."""

    still: tuple[tuple[tuple[float, float], float], ...]
    """Still on: the blip then, and the chance."""
    over: tuple[tuple[tuple[float, float], float], ...]
    """Over, or there was none: the gap to this probe and the mean of all such gaps, and the chance."""


def _excursion(model: AlarmModel, evidence: float) -> Iterator[tuple[float, float, float]]:
    """After each probe: the chance that it has ended in an alarm, that it goes on, and its mean seconds so far.

    The distribution is kept by rows, each a list of chances by the number of failures so far, from `fewest` on.
    """
    step_up, step_down = model.step_up, model.step_down
    differs = model.gap_s(1, failed=True) != model.gap_s(1, failed=False)
    by_blip, by_chance = _first_failure(model)
    blip_is_on = by_blip / (by_blip + by_chance)
    alive: dict[_Row, list[float]] = {(differs, None): [1 - blip_is_on]}
    alive[differs, (model.interval_s, 0.0)] = [blip_is_on]
    alarmed = length_s = 0.0
    left, probes, fewest = 1.0, 1, 1
    while alive and probes < _LONGEST:
        needed = max(fewest, math.ceil((evidence + probes * step_down) / (step_up + step_down)))
        gaps = {failed: model.gaps_s(probes, failed=failed) for failed in (False, True)}
        mean_s = {failed: model.gap_s(probes, failed=failed) for failed in (False, True)}
        for (failed, _), row in alive.items():
            gap_s = mean_s[failed]
            if needed < fewest + len(row):
                # A verdict that only waits for `min_outage` does not wait for another probe.
                alarmed += _take_alarms(
                    model, row, fewest, needed, probes, failed=failed, before_s=gap_s + model.answer_s
                )
            length_s += gap_s * sum(row)
        moved = _moved(model, alive, gaps, differs=differs)
        before, probes = fewest, probes + 1
        fewest = math.floor(probes * step_down / (step_up + step_down)) + 1
        needed = max(fewest, math.ceil((evidence + probes * step_down) / (step_up + step_down)))
        alive = {}
        for (failed, blip), chances in moved.items():
            row = chances[fewest - before :]
            if needed < fewest + len(row):
                alarmed += _take_alarms(model, row, fewest, needed, probes, failed=failed)
            while row and row[-1] <= _NEGLIGIBLE:
                row.pop()
            if row:
                alive[failed, blip] = row
        left = sum(map(sum, alive.values()))
        yield alarmed, left, length_s


def _take_alarms(
    model: AlarmModel,
    row: list[float],
    fewest: int,
    needed: int,
    probes: int,
    *,
    failed: bool,
    before_s: float | None = None,
) -> float:
    """Take from a row what has `needed` failures, once that spans `min_outage`; or what will within `before_s`."""
    taken, min_outage_s = 0.0, model.min_outage_s
    for place in range(needed - fewest, len(row)):
        so_far_s = model.elapsed_s(fewest + place, probes, failed=failed)
        if so_far_s >= min_outage_s if before_s is None else so_far_s < min_outage_s <= so_far_s + before_s:
            taken += row[place]
            row[place] = 0.0
    return taken


def _moved(
    model: AlarmModel, alive: Mapping[_Row, list[float]], gaps: Mapping[bool, _Gaps], *, differs: bool
) -> dict[_Row, list[float]]:
    """The rows after one more probe."""
    rate, p0, leads = model.blips.failure_rate, model.p0, _leads(model)
    still, over = defaultdict[tuple[float, float], _Parts](list), defaultdict[tuple[float, float], _Parts](list)
    moved = _Rows(list)
    for (failed, before), row in alive.items():
        known = leads[gaps[failed]]
        if before not in known:
            known[before] = _one_probe(model, before, gaps[failed])
        led = known[before]
        for on, share in led.still:
            still[on].append((share, row))
        for gap_and_mean_s, share in led.over:
            over[gap_and_mean_s].append((share, row))
    for blip, parts in still.items():
        _lead(moved, blip, _sum(parts), rate, 1 - rate, differs=differs)
    for (gap_s, mean_s), parts in over.items():
        row, new = _sum(parts), min(_LARGEST_SHARE, _begun(model.blips, gap_s))
        _lead(moved, (mean_s, 0.0), row, new * rate, new * (1 - rate), differs=differs)
        _lead(moved, None, row, (1 - new) * p0, (1 - new) * (1 - p0), differs=differs)
    return {key: _sum(parts) for key, parts in moved.items()}


def _lead(moved: _Rows, blip: _Blip, row: list[float], fails: float, passes: float, *, differs: bool) -> None:
    """Add a row to those that its next probe leads to, which fails and passes at these shares."""
    moved[differs, blip].append((fails, [0.0, *row]))
    moved[False, blip].append((passes, row))


def _sum(parts: _Parts) -> list[float]:
    """The sum of rows, of each such a share."""
    if len(parts) == 1:
        [(share, row)] = parts
        return [share * chance for chance in row]
    if len(parts) == 2:
        [(share, row), (other_share, other)] = parts
        return [share * chance + other_share * more for chance, more in zip_longest(row, other, fillvalue=0.0)]
    shares, rows = zip(*parts, strict=True)
    return [sum(map(mul, shares, column)) for column in zip_longest(*rows, fillvalue=0.0)]


@lru_cache(maxsize=16)
def _leads(_model: AlarmModel) -> defaultdict[_Gaps, dict[_Blip, _Leads]]:
    """`_one_probe` by the gaps to it and the blip before: filled in as it is needed."""
    return defaultdict(dict)


def _one_probe(model: AlarmModel, blip: _Blip, gaps: _Gaps) -> _Leads:
    """How the probe finds the blip that comes these gaps after the last one."""
    mean_s = sum(gap_s * share for gap_s, share in gaps)
    still, over = list[tuple[tuple[float, float], float]](), list[tuple[tuple[float, float], float]]()
    for gap_s, share in gaps:
        on = 0.0
        if blip is not None:
            began_s, age_s = blip
            on = _on(model.blips, age_s + gap_s, began_s) / _on(model.blips, age_s, began_s)
            ages = _aged(model.blips, age_s + gap_s) if on > 0 else []
            still += [((began_s, age_then_s), share * on * part) for age_then_s, part in ages]
        over.append(((gap_s, mean_s), share * (1 - on)))
    return _Leads(still=tuple(still), over=tuple(over))


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
