"""Sums up all seeds: the document of `simulate --json`, of which the table is a shorter view (pure)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from controller.simulation.metrics import ExpectedRequests, OutageRun, SeedMetrics
from controller.simulation.scenario import Outage, Scenario
from monitor.detection.pacing import phases

_DAY_S = 86400.0
_QUARTER_DAYS = 90.0


class Results:
    """Adds up the metrics of seeds, and keeps only what the document needs."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._seeds = self._probes = self._false = 0
        self._usd = 0.0
        self._runs: list[list[OutageRun]] = [[] for _ in scenario.outages]
        self._requests = [ExpectedRequests() for _ in scenario.outages]
        self._all_requests = ExpectedRequests()

    def add(self, metrics: SeedMetrics) -> None:
        """Add one seed. To be called in the order of the seeds: sums of floats depend on it."""
        self._seeds += 1
        self._probes += metrics.probes
        self._usd += metrics.usd
        self._false += metrics.false_failovers
        for total, new in zip(self._runs, metrics.runs, strict=True):
            total.extend(new)
        self._requests = [total + new for total, new in zip(self._requests, metrics.requests, strict=True)]
        self._all_requests += metrics.all_requests

    def document(self, *, first_seed: int, wall_s: float) -> dict[str, Any]:
        """Return the whole answer. All but `wall_s` depends on the scenario and the seeds alone."""
        scenario = self._scenario
        days = self._seeds * len(scenario.settings.routes) * scenario.duration_s / _DAY_S
        low, high = poisson_interval(self._false)
        known_prices = any(price is not None for price in scenario.probe_usd.values())
        return {
            "scenario": str(scenario.path),
            "seeds": self._seeds,
            "first_seed": first_seed,
            "virtual_s": _number(self._seeds * scenario.duration_s),
            "wall_s": round(wall_s, 2),
            "probes": self._probes,
            "probe_usd": round(self._usd, 4) if known_prices else None,
            "probes_at_fixed_interval": self._seeds * probes_at_fixed_interval(scenario),
            "outages": [
                _outage(outage, runs, requests)
                for outage, runs, requests in zip(scenario.outages, self._runs, self._requests, strict=True)
            ],
            "false_failovers": {
                "count": self._false,
                "route_days": round(days, 4),
                "per_route_90d": round(self._false / days * _QUARTER_DAYS, 3),
                "per_route_90d_95": [round(end / days * _QUARTER_DAYS, 3) for end in (low, high)],
            },
            "requests": _counts(self._all_requests),
        }


def probes_at_fixed_interval(scenario: Scenario) -> int:
    """Return how many probes one seed takes if every target is probed at its interval, without bursts."""
    due_s = phases(scenario.settings.targets)
    targets = scenario.settings.targets
    return sum(max(0, math.ceil((scenario.duration_s - due_s[target.id]) / target.interval_s)) for target in targets)


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of a Poisson count (Garwood 1936)."""
    low = 0.0 if count == 0 else _mean_at_which(count - 1, 0.975)
    return low, _mean_at_which(count, 0.025)


def _at_most(count: int, mean: float) -> float:
    """The probability that a Poisson variable of this mean is at most `count`."""
    if mean <= 0:
        return 1.0
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


def _mean_at_which(count: int, chance: float) -> float:
    """The mean at which a Poisson variable is at most `count` with this probability."""
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
    while high - low > 1e-9 * (1 + high):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, middle) > chance else (low, middle)
    return (low + high) / 2


def _outage(outage: Outage, runs: Sequence[OutageRun], requests: ExpectedRequests) -> dict[str, Any]:
    flips = [run.flip_s for run in runs if run.flip_s is not None]
    returns = [run.failback_s for run in runs if run.failback_s is not None]
    return {
        "targets": outage.written,
        "at_s": _number(outage.at_s),
        "for_s": _number(outage.for_s),
        "failure_rate": outage.failure_rate,
        "outcome": outage.outcome,
        "runs": len(runs),
        "flipped": len(flips),
        "time_to_flip_s": summarize(flips),
        "returned": len(returns),
        "time_to_failback_s": summarize(returns),
        "flips_per_outage": round(sum(run.flips for run in runs) / len(runs), 3) if runs else None,
        "requests": _counts(requests),
    }


def summarize(values: Iterable[float]) -> dict[str, float | None]:
    """Return mean, median, 95th percentile (nearest rank) and maximum; all None where there is no value."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(("mean", "p50", "p95", "max"))
    return {
        "mean": round(math.fsum(ordered) / len(ordered), 1),
        "p50": round(_rank(ordered, 0.5), 1),
        "p95": round(_rank(ordered, 0.95), 1),
        "max": round(ordered[-1], 1),
    }


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _counts(requests: ExpectedRequests) -> dict[str, int]:
    return {name: round(number) for name, number in asdict(requests).items()}


def _number(value: float) -> float | int:
    """Whole seconds without a fraction."""
    return int(value) if value == int(value) else value
