"""How much traffic must show: the parameters of the evidence, from the promise and the rate of requests (pure).

A stream of requests is weighed by a CUSUM, `S = max(0, S + failed · log(p1/p0) - answered · log((1-p0)/(1-p1)))`. Three
things must come together for a verdict: S has reached `corroborated`; the longest blip must be over since then; and the
requests that began later, weighed from zero, reach `fresh`. False verdicts a day are then at most
(B + C) · (exp(-fresh) + b + r · g):

- B: blips a day; at one request a second nearly each of them corroborates.
- C: excursions by chance that reach `corroborated`. From its first failure on an excursion is a likelihood ratio, which
  reaches a height h with a chance of at most exp(-h) (Ville 1939); so C is at most p1 · requests · exp(-corroborated),
  and at most batches · exp(-corroborated), where many requests come in at once. It leaps over the height by a part of
  one failure, of u = log(p1/p0) nats, any part alike: the chance is so much smaller, (1 - exp(-u)) / u (Siegmund,
  *Sequential Analysis*, 1985).
- exp(-fresh): the same of what is weighed afresh, with the same leap.
- b: the chance that probes that are asked afresh fail instead, as often as they must (`fresh_model.verdict_chance`).
- r · g: the chance that another blip begins before the first one is forgotten, after g seconds. Between them requests
  are answered: so many nats below its highest, `forgotten`, an excursion is over.

The promise is shared: `_PAIRS` of it for a second blip, the rest in halves for fresh requests and fresh probes.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from monitor.config.controller_settings import Blips
from monitor.detection.evidence import step_down, step_up

_DAY_S = 86400.0
#: Below so many requests a second a failed one starts probes, and nothing else.
EVIDENCE_RATE = 0.3
#: From about one a second on requests make a verdict; the rate is known within a tenth.
VERDICT_RATE = 0.8
#: The share of a target's error budget that traffic has where it is listened to.
TRAFFIC_SHARE = 1 / 2
_PAIRS = 3 / 5
#: So much rarer than blips are excursions by chance; never more often than once in two days.
_RARER, _RAREST = 2.0, 0.5
#: The evidence stays this much above what corroborates, so that a blip is soon forgotten.
_ABOVE = 3.0
_GRID = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficModel:
    """What the parameters depend on; `p0` is the usual share of failures, `p1` the one to detect."""

    p0: float
    p1: float
    requests_per_s: float
    batches_per_s: float
    """How often counts come in; those of one second and host come at once."""
    blips: Blips
    false_per_day: float
    """False verdicts a day that traffic may cause on the target."""

    @property
    def blips_per_day(self) -> float:
        """Corroborated excursions a day: by blips, and by chance."""
        return self.blips.per_day + self._chances_per_day

    @property
    def _chances_per_day(self) -> float:
        return max(_RAREST, self.blips.per_day / _RARER)

    @property
    def corroborated(self) -> float:
        """The evidence that chance does not bring about more often than that."""
        starts_per_s = min(self.p1 * self.requests_per_s, self.batches_per_s) * self._leap
        return max(2 * step_up(self.p0, self.p1) - 1, math.log(_DAY_S * starts_per_s / self._chances_per_day))

    @property
    def highest(self) -> float:
        """The evidence rises no higher."""
        return self.corroborated + _ABOVE

    @property
    def forgotten(self) -> float:
        """So much below its highest the excursion is over."""
        pairs_per_day_s = self.blips_per_day * self.blips.per_day / _DAY_S
        if not pairs_per_day_s:
            return self.highest
        gap_s = _PAIRS * self.false_per_day / pairs_per_day_s
        quiet = (1 - self.p0) * step_down(self.p0, self.p1) - self.p0 * step_up(self.p0, self.p1)
        return min(self.highest, gap_s * self.requests_per_s * quiet)

    @property
    def fresh_chance(self) -> float:
        """The chance by which fresh probes, or fresh requests, may fail by chance alone."""
        return (1 - _PAIRS) / 2 * self.false_per_day / self.blips_per_day

    @property
    def fresh(self) -> float:
        """The evidence of requests that began after the longest blip must be over; infinite: it never suffices."""
        return math.log(self._leap / self.fresh_chance) if self.fresh_chance else math.inf

    @property
    def _leap(self) -> float:
        up = step_up(self.p0, self.p1)
        return (1 - math.exp(-up)) / up


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficBounds:
    """The parameters of a `TrafficModel`, calculated."""

    corroborated: float
    highest: float
    forgotten: float
    fresh: float
    fresh_chance: float
    p0: float


@lru_cache(maxsize=1024)
def bounds(model: TrafficModel) -> TrafficBounds:
    """The parameters of this model."""
    return TrafficBounds(
        corroborated=model.corroborated,
        highest=model.highest,
        forgotten=model.forgotten,
        fresh=max(model.fresh, step_up(model.p0, model.p1)),
        fresh_chance=model.fresh_chance,
        p0=model.p0,
    )


def chance_of_trigger(model: TrafficModel, confirming: int) -> float:
    """The chance by which fresh probes may fail by chance alone where single failed requests begin their test.

    These come by chance, when one of `confirming` probes must fail as well, and in blips.
    """
    blips = model.blips
    mean_s = (blips.shortest_s + blips.longest_s) / 2
    blip_is_on = blips.per_day / _DAY_S * mean_s
    by_chance = model.p0 * model.requests_per_s * _DAY_S * (1 - (1 - model.p0) ** confirming + blip_is_on)
    begun = by_chance + blips.per_day * min(1.0, mean_s * model.requests_per_s)
    return max(0.0, model.false_per_day / begun - blip_is_on) if begun else 1.0


def on_grid(rate: float) -> float:
    """The rate on a grid (ratio of neighbours: 1.2), so that parameters are calculated for few of them."""
    return float(_GRID ** round(math.log(max(rate, 1e-6), _GRID)))
