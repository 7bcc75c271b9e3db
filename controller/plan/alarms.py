"""Calculates how often routes move without an outage, from the thresholds that the detector uses (pure).

The method is that of `monitor/detection/threshold.py`: the distribution of the evidence, under background failures and
blips, carried forward probe by probe. The result is exact for a target that is alone at its provider. For the test of a
whole provider it is an upper bound: that a verdict must also hold without any single target is not counted.
"""

from dataclasses import dataclass

from controller.plan.trials import BACKGROUND
from monitor.config.settings import Route, Settings
from monitor.detection.evidence import rounded
from monitor.detection.parameters import parameters_by_provider, parameters_by_target
from monitor.detection.threshold import AlarmModel, false_alarms_per_day, threshold
from monitor.health import Health

QUARTER_DAYS = 90.0
#: The threshold search is accurate to half a percent of the promise.
_ROUNDING = 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseFailoverRates:
    """False failovers of one route per 90 days."""

    by_test: tuple[float, ...]
    """By the evidence of the first candidate alone, and by that of its whole provider where it has siblings."""
    bounded: bool
    """Whether some threshold keeps the promise; long and frequent blips can make that impossible."""

    @property
    def per_route_90d(self) -> float:
        """Their sum."""
        return sum(self.by_test)


def expected_false_failovers(settings: Settings) -> dict[str, FalseFailoverRates]:
    """Return the expected rates of each route that failures can move, by route name."""
    by_target = parameters_by_target(settings)
    by_provider = parameters_by_provider(settings, by_target)
    p0 = rounded(BACKGROUND.failure_rate)
    rates = {}
    for route in settings.routes:
        if not can_fail_over(route):
            continue
        target = by_target[route.candidates[0]]
        tests = [_false_per_day(target.alarm_model(p0), target.false_per_day)]
        provider = by_provider.get(route.candidates[0].partition("/")[0])
        if provider:
            stream_s = 1 / sum(1 / member.interval_s for member in provider.members.values())
            tests.append(_false_per_day(provider.alarm_model(p0, stream_s), provider.false_per_day))
        rates[route.name] = FalseFailoverRates(
            by_test=tuple(rate * QUARTER_DAYS for rate, _ in tests), bounded=all(keeps for _, keeps in tests)
        )
    return rates


def can_fail_over(route: Route) -> bool:
    """Whether failures of its first candidate can move the route: `down` may be missing in its fail_over_on."""
    return len(route.candidates) > 1 and Health.DOWN in route.fail_over_on


def _false_per_day(loop: AlarmModel, per_day: float) -> tuple[float, bool]:
    """Return the false alarms per day of one test, and whether they keep its share of the promise."""
    rate = false_alarms_per_day(loop, threshold(loop, per_day=per_day))
    return rate, rate <= per_day * _ROUNDING
