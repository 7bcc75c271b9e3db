"""Sums up the trials of a plan: the document of `plan --json`, of which the table is a shorter view (pure)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import stdev
from typing import Any

from controller.plan import promise_checks
from controller.plan.promise_checks import QUARTER_DAYS, FalseFailoverRates
from controller.plan.trials import BACKGROUND, DAY_S, RATES, AssumedTraffic, TrialSubject, probes_per_s
from controller.simulation.results import poisson_interval, summarize
from monitor.budget.allocation import BudgetForecast, stretched_s
from monitor.budget.usual_month import MONTH, MONTH_DAYS
from monitor.config.route import Route
from monitor.config.settings import Settings
from probes.pricing import context_usd_per_s
from probes.target import Target

_Z95 = 1.96


@dataclass(slots=True, kw_only=True)
class ForecastInput:
    """The results of all trials and calculations."""

    settings: Settings
    """With the intervals that the budget allows, while every route is on its first candidate."""
    configured: Settings
    """With the intervals of the configuration."""
    budget: BudgetForecast | None
    """What the budget does to the intervals; None where there is none."""
    subjects: Sequence[TrialSubject]
    left_out: int
    """How many models failing alone were not tried because that would take too long."""
    seeds: int
    false_failovers: Mapping[str, FalseFailoverRates]
    learned_blips: Mapping[str, float]
    """How long the blips of targets last, in seconds, where a service has learned that; by id."""
    traffic: AssumedTraffic | None = None
    prices: Mapping[str, float | None]
    """Price of a successful probe, by target id; None where it is not known."""
    times: dict[tuple[str, float, str], list[float | None]] = field(default_factory=dict)
    """Seconds to the flip, by subject, failure rate and route; None for a trial in which the route did not move."""
    quiet_probes: int = 0
    quiet_s: float = 0.0
    moved: Counter[str] = field(default_factory=Counter)
    """How often each route moved in that time, without an outage."""

    @property
    def burst(self) -> float:
        """Probes made in quiet time, as a multiple of those at a fixed interval."""
        return self.quiet_probes / (self.quiet_s * probes_per_s(self.settings.targets))


def plan_document(inputs: ForecastInput, *, wall_s: float) -> dict[str, Any]:
    """Return the whole answer. All but `wall_s` depends on the configuration and the number of seeds alone."""
    settings = inputs.settings
    intervals_s = {target.id: target.interval_s for target in inputs.configured.targets}
    targets = [_target(inputs, target, intervals_s[target.id]) for target in settings.targets]
    known = [target["usd_per_month"] for target in targets if target["usd_per_month"] is not None]
    answer = {
        "config": str(settings.path),
        "seeds": inputs.seeds,
        "wall_s": round(wall_s, 2),
        "assumptions": _assumptions(inputs),
        "routes": [_route(inputs, route) for route in settings.routes],
        "targets": targets,
        "models_alone_not_tried": inputs.left_out,
        "probes_per_month": sum(target["probes_per_month"] for target in targets),
        "probes_at_fixed_interval": round(inputs.burst, 3),
        "usd_per_month": round(math.fsum(known), 2) if known else None,
        "price_unknown": [target["target"] for target in targets if target["usd_per_month"] is None],
        "budget_usd_per_month": settings.budget.usd_per_month,
        "budget": _budget(inputs.budget),
    }
    broken = promise_checks.broken_promises(settings, answer)
    return {**answer, "warnings": broken, "keeps_promises": not broken}


def _assumptions(inputs: ForecastInput) -> dict[str, Any]:
    blips = inputs.settings.controller.blips
    return {
        "background_failure_rate": BACKGROUND.failure_rate,
        "latency_s": {"median": BACKGROUND.latency.median_s, "p99": BACKGROUND.latency.p99_s},
        "blips": {
            "per_day": blips.per_day,
            "length_s": [blips.shortest_s, blips.longest_s],
            "failure_rate": blips.failure_rate,
        },
        "outage_outcome": "server_error",
        "traffic": inputs.traffic
        and {"requests_per_s": round(inputs.traffic.requests_per_s, 3), "hosts": inputs.traffic.hosts},
    }


def _route(inputs: ForecastInput, route: Route) -> dict[str, Any]:
    tried = [(subject, rate) for subject in inputs.subjects for rate in RATES]
    return {
        "route": route.name,
        "candidates": list(route.candidates),
        "outages": [
            _outage(subject, rate, inputs.times[subject.name, rate, route.name])
            for subject, rate in tried
            if (subject.name, rate, route.name) in inputs.times
        ],
        "false_failovers": _false(inputs, route),
    }


def _outage(subject: TrialSubject, rate: float, times: Sequence[float | None]) -> dict[str, Any]:
    flips = [at_s for at_s in times if at_s is not None]
    # Half the width of the 95 % interval of the mean.
    within_s = _Z95 * stdev(flips) / math.sqrt(len(flips)) if len(flips) > 1 else None
    return {
        "of": subject.name,
        "alone": subject.alone,
        "failure_rate": rate,
        "for_s": subject.longest_s,
        "runs": len(times),
        "flipped": len(flips),
        "time_to_flip_s": summarize(flips),
        "mean_within_s": within_s and round(within_s, 1),
    }


def _false(inputs: ForecastInput, route: Route) -> dict[str, Any] | None:
    """None where no failure can move the route."""
    expected = inputs.false_failovers.get(route.name)
    if expected is None:
        return None
    days = inputs.quiet_s / DAY_S
    count = inputs.moved[route.name]
    return {
        "per_90d": round(expected.per_route_90d, 3),
        "days_each": round(QUARTER_DAYS / expected.per_route_90d, 1) if expected.per_route_90d > 0 else None,
        "traffic_per_90d": round(expected.by_traffic, 3),
        "promised_per_90d": round(inputs.settings.controller.false_failovers_per_day * QUARTER_DAYS, 3),
        "bounded": expected.bounded,
        "simulated": {
            "count": count,
            "days": round(days, 2),
            "per_90d_95": [round(end / days * QUARTER_DAYS, 3) for end in poisson_interval(count)],
        },
    }


def _budget(forecast: BudgetForecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    return {
        "configured_usd_per_month": round(forecast.usd_per_month, 4),
        "not_even_hourly": list(forecast.beyond),
        "lasts_days": None if forecast.lasts_s is None else round(forecast.lasts_s / DAY_S, 1),
    }


def _target(inputs: ForecastInput, of: Target, interval_s: float) -> dict[str, Any]:
    paid_s, forecast, target, probed_s = MONTH_DAYS * DAY_S, inputs.budget, of.id, of.interval_s
    if forecast and forecast.lasts_s is not None and target in forecast.beyond:
        paid_s *= forecast.lasts_s / MONTH.seconds
    probes = paid_s / probed_s * inputs.burst
    stretch = forecast.stretches.get(target, 1.0) if forecast else 1.0
    price, asked = inputs.prices[target], of.context_check
    context = paid_s / asked.every_s if asked else 0.0
    return {
        "target": target,
        "interval_s": interval_s,
        "stretched_interval_s": stretched_s(interval_s, stretch),
        "stretch": stretch,
        "probed_interval_s": probed_s,
        "learned_blip_s": inputs.learned_blips.get(target),
        "probes_per_month": round(probes + context),
        "usd_per_month": None if price is None else round(probes * price + paid_s * context_usd_per_s((of,)), 4),
    }
