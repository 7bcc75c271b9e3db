"""Finds the promises that a configuration cannot keep; each is a sentence with what to change (pure).

How often routes move without an outage is calculated by the method of `monitor/detection/threshold.py`: the
distribution of the evidence, under background failures and blips, carried forward probe by probe. The result is a
bound. Answers are taken to be slow, and a blip to meet as many probes as if they were quick; that a verdict on a
provider must also stand without the worst of its targets is not counted. The tests on fresh evidence add their own
(`monitor/detection/fresh_model.py`).
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from controller.plan.trials import BACKGROUND
from monitor.budget.allocation import PaidTarget, describe_stretches, format_usd
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.detection import fresh_model, fresh_tests
from monitor.detection.background import rounded
from monitor.detection.fresh_model import FreshModel
from monitor.detection.parameters import (
    ProviderParameters,
    parameters_across_regions,
    parameters_by_provider,
    parameters_by_target,
    pool_name,
)
from monitor.detection.threshold import AlarmModel, false_alarms_per_day, threshold
from monitor.formatting import format_duration, format_elapsed, format_rate, format_share, listed, plural
from monitor.health import Health
from probes.pricing import costs_money

QUARTER_DAYS = 90.0
#: The threshold search is accurate to half a percent of the promise.
_ROUNDING = 1.01
#: A time to flip above this, when half of all requests fail, is reported: users notice sooner.
LATE_S = 300.0
_HALF = 0.5
#: The share of outages of 50 % that must move the route.
_NEARLY_ALL = 0.95
#: Where `min_outage` is more than this share of the mean time to flip, it is named as the cause.
_MOST_OF_IT = 0.6
_NICE_S = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseFailoverRates:
    """False failovers of one route per 90 days."""

    by_test: tuple[float, ...]
    """By the evidence of the first candidate alone, by what several regions show of it, by that of its whole provider
    where it has siblings, and by probes asked afresh."""
    by_traffic: float = 0.0
    """By what applications report: its share of the error budget, a bound."""
    bounded: bool
    """Whether some threshold keeps the promise; long and frequent blips can make that impossible."""

    @property
    def per_route_90d(self) -> float:
        """Their sum."""
        return sum(self.by_test) + self.by_traffic


def expected_false_failovers(settings: Settings) -> dict[str, FalseFailoverRates]:
    """Return the expected rates of each route that failures can move, by route name."""
    by_target = parameters_by_target(settings)
    by_provider = parameters_by_provider(settings, by_target)
    across = parameters_across_regions(settings, by_target)
    p0 = rounded(BACKGROUND.failure_rate)
    rates = {}
    for route in settings.routes:
        if not can_fail_over(route):
            continue
        target = by_target[route.candidates[0]]
        tests = [_false_per_day(target.alarm_model(p0), target.false_per_day)]
        fresh = _fresh_false_per_day(fresh_tests.target_model(target, p0), target.fresh_false_per_day)
        first = settings.target(route.candidates[0])
        if seen := across.get(first.plain_name):
            tests.append(_provider_false_per_day(seen, p0))
        if provider := by_provider.get(pool_name(first)):
            tests.append(_provider_false_per_day(provider, p0))
            rates_of = dict.fromkeys(provider.members, p0)
            model = fresh_tests.provider_model(provider, tuple(rates_of), rates_of)
            fresh += _fresh_false_per_day(model, provider.fresh_false_per_day)
        rates[route.name] = FalseFailoverRates(
            by_traffic=target.traffic_false_per_day * QUARTER_DAYS,
            by_test=(*(rate * QUARTER_DAYS for rate, _ in tests), fresh * QUARTER_DAYS),
            bounded=all(keeps for _, keeps in tests),
        )
    return rates


def can_fail_over(route: Route) -> bool:
    """Whether failures of its first candidate can move the route: `down` may be missing in its fail_over_on."""
    return len(route.candidates) > 1 and Health.DOWN in route.fail_over_on


def _false_per_day(loop: AlarmModel, per_day: float) -> tuple[float, bool]:
    """Return the false alarms per day of one test, and whether they keep its share of the promise."""
    rate = false_alarms_per_day(loop, threshold(loop, per_day=per_day))
    return rate, rate <= per_day * _ROUNDING


def _provider_false_per_day(provider: ProviderParameters, p0: float) -> tuple[float, bool]:
    """The same of what the targets, or the regions, of a provider show together."""
    stream_s = 1 / sum(1 / member.interval_s for member in provider.members.values())
    return _false_per_day(provider.alarm_model(p0, stream_s), provider.false_per_day)


def _fresh_false_per_day(model: FreshModel, per_day: float) -> float:
    """Return an upper bound of the false verdicts per day of one test on fresh evidence; 0 where it makes none."""
    careful, height = fresh_model.within_promise(model, per_day=per_day)
    return 0.0 if height == math.inf else fresh_model.false_verdicts_per_day(careful, height)


def broken_promises(settings: Settings, answer: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each promise of the configuration that the plan found broken."""
    routes = {route.name: route for route in settings.routes}
    stretched = {
        target["target"] for target in answer["targets"] if target["stretched_interval_s"] > target["interval_s"]
    }
    late = [text for route in answer["routes"] for text in _late(settings, routes[route["route"]], route, stretched)]
    return [*late, *_false_failovers(settings, answer), *_budget(settings, answer)]


def _late(settings: Settings, route: Route, answer: Mapping[str, Any], stretched: Collection[str]) -> Iterator[str]:
    """Where a route moves late, seldom, or not at all."""
    yield from stranded_warnings(route)
    if not can_fail_over(route):
        if len(route.candidates) > 1:
            yield f"no failure moves `{route.name}`: `down` is not in its fail_over_on"
        return
    home = settings.target(route.candidates[0])
    for outage in answer["outages"]:
        if outage["failure_rate"] != _HALF:
            continue
        mean, what = outage["time_to_flip_s"]["mean"], f"a {_percent(_HALF)} outage of {outage['of']}"
        remedy = partial(_remedy, settings, home.interval_s, stretched=home.id in stretched)
        if outage["flipped"] < _NEARLY_ALL * outage["runs"]:
            yield (
                f"{what} moved `{route.name}` in only {outage['flipped']} of {outage['runs']} trials"
                f" within {format_elapsed(outage['for_s'])}: {remedy(outage['for_s'])}"
            )
        elif mean is not None and mean > LATE_S:
            yield (
                f"{what} moves `{route.name}` only after {format_elapsed(mean)} on average,"
                f" and {format_elapsed(LATE_S)} is late: {remedy(mean)}"
            )


def stranded_warnings(route: Route) -> Iterator[str]:
    """Warn that an outage leaves the route without a candidate, where it does.

    The warnings of the configuration say that as well, so that `plan` need not print it twice.
    """
    providers = {candidate.partition("/")[0] for candidate in route.candidates}
    if len(route.candidates) == 1:
        yield f"nothing moves `{route.name}`: it has a single candidate"
    elif len(providers) == 1:
        yield f"an outage of {providers.pop()} leaves `{route.name}` nowhere to go: all its candidates are there"


def _remedy(settings: Settings, interval_s: float, mean_s: float, *, stretched: bool) -> str:
    """What would bring the time to flip below the bound: what exceeds `min_outage` is proportional to the interval."""
    min_outage_s = settings.controller.min_outage_s
    if min_outage_s > _MOST_OF_IT * mean_s or min_outage_s >= LATE_S:
        return f"controller.min_outage is {format_duration(min_outage_s)}"
    longest_s = interval_s * (LATE_S - min_outage_s) / max(mean_s - min_outage_s, 1.0)
    nice_s = max((nice for nice in _NICE_S if nice <= longest_s), default=1)
    because = ", for the budget" if stretched else ""
    return f"the interval is {format_duration(interval_s)}{because}; about {format_duration(nice_s)} would do"


def _false_failovers(settings: Settings, answer: Mapping[str, Any]) -> Iterator[str]:
    """Where routes will move without an outage more often than promised."""
    promise = f"{format_rate(settings.controller.false_failovers_per_day)} (controller.false_failovers)"
    for route in answer["routes"]:
        false = route["false_failovers"]
        if false is None:
            continue
        simulated = false["simulated"]
        if not false["bounded"]:
            yield (
                f"`{route['route']}` will move without an outage {false['per_90d']:.3g} times in 90 days,"
                f" the promise is {promise}: no evidence tells such controller.blips from an outage of"
                f" {format_share(settings.controller.detect)} (controller.detect);"
                " a longer controller.min_outage would"
            )
        elif simulated["per_90d_95"][0] > false["promised_per_90d"]:
            yield (
                f"`{route['route']}` moved without an outage {plural(simulated['count'], 'time')} in"
                f" {simulated['days']:.0f} simulated days, the promise is {promise}"
            )


def _budget(settings: Settings, answer: Mapping[str, Any]) -> Iterator[str]:
    """Where the budget does not pay for the configured intervals."""
    budget = answer["budget"]
    longer = {target["target"]: target["stretch"] for target in answer["targets"] if target["stretch"] > 1}
    if budget is None or (not longer and budget["lasts_days"] is None):
        return
    wants, cap = budget["configured_usd_per_month"], answer["budget_usd_per_month"]
    text = f"the configured intervals cost {format_usd(wants)} a month, budget.usd_per_month is {format_usd(cap)}"
    if longer:
        configured_s = {target["target"]: target["interval_s"] for target in answer["targets"]}
        costly = [target.id for target in settings.targets if target.id in longer or costs_money(target)]
        paid = [PaidTarget(target=target, interval_s=configured_s[target], usd=0.0) for target in costly]
        text += f": {describe_stretches(paid, longer)}, and outages there are found later"
    if budget["lasts_days"] is not None:
        text += (
            f"; it does not pay for even one probe an hour of {listed(budget['not_even_hourly'])}:"
            f" the money for those probes lasts {budget['lasts_days']:g} days, and none of them is made after that"
            " until the next month"
        )
    yield text


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
