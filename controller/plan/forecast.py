"""What all trials of a plan come to: the document of `plan --json`, of which the table is a shorter view (pure)."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.plan import promises
from controller.plan.alarms import QUARTER_DAYS, FalseFailoverRates
from controller.plan.trials import BACKGROUND, DAY_S, RATES, TrialSubject, probes_per_s
from controller.simulation.results import poisson_interval, summarize
from monitor.budget import allocation as budget
from monitor.budget.allocation import BudgetForecast, CalendarMonth
from monitor.settings import Route, Settings
from probes.pricing import costs_money

MONTH_DAYS = 30.0

_Z95 = 1.96
_BEGINS = datetime(2001, 9, 1, tzinfo=UTC)
#: A month of so many days.
_MONTH = CalendarMonth(begins=_BEGINS, ends=_BEGINS + timedelta(days=MONTH_DAYS))


@dataclass(slots=True, kw_only=True)
class ForecastInput:
    """Everything that was tried and calculated."""

    settings: Settings
    """With the intervals that the budget allows."""
    configured: Settings
    """With those of the configuration."""
    budget: BudgetForecast | None
    """What the budget does to them; None where there is none."""
    subjects: Sequence[TrialSubject]
    left_out: int
    """So many models alone were not tried, for there are too many."""
    seeds: int
    false_failovers: Mapping[str, FalseFailoverRates]
    prices: Mapping[str, float | None]
    """What a good probe costs, by target id; None where that is not known."""
    times: dict[tuple[str, float, str], list[float | None]] = field(default_factory=dict)
    """Seconds to the flip by subject, rate and route."""
    quiet_probes: int = 0
    quiet_s: float = 0.0
    moved: Counter[str] = field(default_factory=Counter)
    """How often each route moved for nothing in that time."""

    def flipped(self, subject: TrialSubject, rate: float, moves: Mapping[str, float | None]) -> None:
        """Take in one trial."""
        for route, after_s in moves.items():
            self.times.setdefault((subject.name, rate, route), []).append(after_s)

    @property
    def burst(self) -> float:
        """How many times as many probes as at a fixed interval are made in quiet times."""
        return self.quiet_probes / (self.quiet_s * probes_per_s(self.settings.targets))


def plan_document(found: ForecastInput, *, wall_s: float) -> dict[str, Any]:
    """The whole answer. All but `wall_s` depends on the configuration and the number of seeds alone."""
    settings = found.settings
    intervals_s = {target.id: target.interval_s for target in found.configured.targets}
    targets = [_target(found, target.id, intervals_s[target.id], target.interval_s) for target in settings.targets]
    known = [target["usd_per_month"] for target in targets if target["usd_per_month"] is not None]
    answer = {
        "config": str(settings.path),
        "seeds": found.seeds,
        "wall_s": round(wall_s, 2),
        "assumptions": _assumptions(found),
        "routes": [_route(found, route) for route in settings.routes],
        "targets": targets,
        "models_alone_not_tried": found.left_out,
        "probes_per_month": sum(target["probes_per_month"] for target in targets),
        "probes_at_fixed_interval": round(found.burst, 3),
        "usd_per_month": round(math.fsum(known), 2) if known else None,
        "price_unknown": [target["target"] for target in targets if target["usd_per_month"] is None],
        "budget_usd_per_month": settings.budget_usd_per_month,
        "budget": _budget(found.budget),
    }
    warnings = promises.broken_promises(settings, answer)
    return {**answer, "warnings": warnings, "keeps_promises": not warnings}


def _assumptions(found: ForecastInput) -> dict[str, Any]:
    blips = found.settings.controller.blips
    return {
        "background_failure_rate": BACKGROUND.failure_rate,
        "latency_s": {"median": BACKGROUND.latency.median_s, "p99": BACKGROUND.latency.p99_s},
        "blips": {
            "per_day": blips.per_day,
            "length_s": [blips.shortest_s, blips.longest_s],
            "failure_rate": blips.failure_rate,
        },
        "outage_outcome": "server_error",
    }


def _route(found: ForecastInput, route: Route) -> dict[str, Any]:
    tried = [(subject, rate) for subject in found.subjects for rate in RATES]
    return {
        "route": route.name,
        "candidates": list(route.candidates),
        "outages": [
            _outage(subject, rate, found.times[subject.name, rate, route.name])
            for subject, rate in tried
            if (subject.name, rate, route.name) in found.times
        ],
        "false_failovers": _false(found, route),
    }


def _outage(subject: TrialSubject, rate: float, times: Sequence[float | None]) -> dict[str, Any]:
    flips = [at_s for at_s in times if at_s is not None]
    return {
        "of": subject.name,
        "alone": subject.alone,
        "failure_rate": rate,
        "for_s": subject.longest_s,
        "runs": len(times),
        "flipped": len(flips),
        "time_to_flip_s": summarize(flips),
        "mean_within_s": _uncertainty(flips),
    }


def _uncertainty(values: Sequence[float]) -> float | None:
    """How far the mean may be off (95 %), by the spread of the values; None for fewer than two."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return round(_Z95 * math.sqrt(variance / len(values)), 1)


def _false(found: ForecastInput, route: Route) -> dict[str, Any] | None:
    """None where no failure can move the route."""
    expected = found.false_failovers.get(route.name)
    if expected is None:
        return None
    days = found.quiet_s / DAY_S
    count = found.moved[route.name]
    return {
        "per_90d": round(expected.per_route_90d, 3),
        "days_each": round(QUARTER_DAYS / expected.per_route_90d, 1) if expected.per_route_90d > 0 else None,
        "promised_per_90d": round(found.settings.controller.false_failovers_per_day * QUARTER_DAYS, 3),
        "bounded": expected.bounded,
        "simulated": {
            "count": count,
            "days": round(days, 2),
            "per_90d_95": [round(end / days * QUARTER_DAYS, 3) for end in poisson_interval(count)],
        },
    }


def apply_budget(settings: Settings, prices: Mapping[str, float | None]) -> tuple[Settings, BudgetForecast | None]:
    """The settings with the intervals that the budget allows, and how it comes to them."""
    cap = settings.budget_usd_per_month
    if cap is None:
        return settings, None
    costly = [target.id for target in settings.targets if costs_money(target)]
    found = budget.forecast(cap, budget.paid_targets(settings.targets, costly, prices), _MONTH)
    return budget.stretched(settings, found.stretches), found


def _budget(said: BudgetForecast | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "configured_usd_per_month": round(said.usd_per_month, 4),
        "not_even_hourly": list(said.beyond),
        "lasts_days": None if said.lasts_s is None else round(said.lasts_s / DAY_S, 1),
    }


def _target(found: ForecastInput, target: str, interval_s: float, stretched_s: float) -> dict[str, Any]:
    probes = _share(found.budget, target) * MONTH_DAYS * DAY_S / stretched_s * found.burst
    price = found.prices[target]
    return {
        "target": target,
        "interval_s": interval_s,
        "stretched_interval_s": stretched_s,
        "stretch": found.budget.stretches.get(target, 1.0) if found.budget else 1.0,
        "probes_per_month": round(probes),
        "usd_per_month": None if price is None else round(probes * price, 4),
    }


def _share(said: BudgetForecast | None, target: str) -> float:
    """For how much of the month the target is probed."""
    return said.lasts_s / _MONTH.seconds if said and said.lasts_s is not None and target in said.beyond else 1.0


def outage_at_rate(outages: Iterable[Mapping[str, Any]], rate: float) -> Mapping[str, Any] | None:
    """The first of these outages of this height; None when there is none."""
    return next((one for one in outages if one["failure_rate"] == rate), None)
