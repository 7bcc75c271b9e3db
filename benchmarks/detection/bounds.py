"""How soon anybody could act: the earliest moment that the schedule allows, and the theory's bounds for a fixed one.

1. Nobody can act before the first failed probe after the onset has ended, nor, by the promise that a few seconds of
   trouble move nothing, before the longest blip that may have begun with it is over. Probes come `interval / targets`
   apart and each fails with chance q, so that takes `interval / targets × (1/q - 1/2) + answer + longest blip` on
   average.
2. Lorden ("Procedures for reacting to a change in distribution", Annals of Mathematical Statistics 42, 1971): among all
   rules whose mean time between false alarms is at least γ probes, none has a smaller worst mean delay than
   `log(γ) / D` probes, to the first order for large γ; `D = q log(q/p0) + (1-q) log((1-q)/(1-p0))`, the
   Kullback-Leibler divergence of the failing world from the quiet one. It holds for a fixed schedule: a rule that
   asks more often once it suspects something buys itself more probes.
3. Moustakides ("Optimal stopping times for detecting changes in distributions", Annals of Statistics 14, 1986): the
   rule that attains the smallest worst mean delay exactly is the CUSUM. Its delay is computed from its renewals, with
   the p1 that suits the outage best, which nobody knows beforehand.
"""

import math

from benchmarks.detection.scenarios import BACKGROUND, INTERVAL_S, QUARTER_S
from controller.simulation.scenario import LatencyDistribution
from monitor.config.controller_settings import ControllerSettings

_NEGLIGIBLE = 1e-12


def answer_s(latency: LatencyDistribution) -> float:
    """The mean time to an answer."""
    return math.exp(latency.mu + latency.sigma**2 / 2)


def either(rate: float, background: float = BACKGROUND) -> float:
    """The chance that a probe fails while an outage lasts: by the outage or by the background."""
    return 1 - (1 - rate) * (1 - background)


def earliest_s(rate: float, *, targets: int, background: float = BACKGROUND) -> float:
    """The mean of the earliest moment that the schedule allows, in seconds after the onset."""
    wait_s = INTERVAL_S / targets * (1 / either(rate, background) - 1 / 2)
    return wait_s + answer_s(LatencyDistribution()) + ControllerSettings().blips.longest_s


def quiet_probes(targets: int) -> float:
    """γ: the probes between two false alarms that one in 90 days allows."""
    return QUARTER_S * targets / INTERVAL_S


def lorden_s(rate: float, *, targets: int, background: float = BACKGROUND) -> float:
    """Lorden's bound for the fixed schedule, in seconds."""
    q = either(rate, background)
    divergence = q * math.log(q / background)
    divergence += (1 - q) * math.log((1 - q) / (1 - background)) if q < 1 else 0.0
    return math.log(quiet_probes(targets)) / divergence * INTERVAL_S / targets


def optimal_s(rate: float, *, targets: int, background: float = BACKGROUND) -> float:
    """The mean time to the verdict of the best rule on the fixed schedule, from the onset, in seconds."""
    q = either(rate, background)
    low, high = 0.0, 64.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        long_enough = _run_length(middle, p0=background, q=q, rate=background) >= quiet_probes(targets)
        low, high = (low, middle) if long_enough else (middle, high)
    probes = _run_length(high, p0=background, q=q, rate=q)
    return (probes - 1 / 2) * INTERVAL_S / targets + answer_s(LatencyDistribution())


def _run_length(height: float, *, p0: float, q: float, rate: float) -> float:
    """Probes on average until a CUSUM for q against p0 reaches this height, where probes fail at `rate`.

    Between two zeros: the wait for a failure, then an excursion, followed probe by probe over (failures, successes).
    """
    up = math.log(q / p0)
    down = math.log((1 - p0) / (1 - q)) if q < 1 else math.inf
    if up >= height:
        return 1 / rate
    alive = {(1, 0): 1.0}
    alarm = length = 0.0
    while alive and sum(alive.values()) > _NEGLIGIBLE:
        moved: dict[tuple[int, int], float] = {}
        for (failures, successes), chance in alive.items():
            length += chance
            if (failures + 1) * up - (successes * down if successes else 0.0) >= height:
                alarm += chance * rate
            else:
                key = failures + 1, successes
                moved[key] = moved.get(key, 0.0) + chance * rate
            if failures * up - (successes + 1) * down > 0:
                key = failures, successes + 1
                moved[key] = moved.get(key, 0.0) + chance * (1 - rate)
        alive = {key: chance for key, chance in moved.items() if chance > 0}
    return (1 / rate + length) / alarm if alarm else math.inf
