"""How often routes move for nothing, calculated from the very thresholds that the detector uses (pure).

`monitor/detection/threshold.py` says how: chance and blips carried forward probe by probe over the closed loop. It is
exact for a target that is alone at its provider; for the test of a whole provider it is an upper bound, because it does
not count that a verdict must also stand without any one target.
"""

from dataclasses import dataclass

from controller.plan.trials import BACKGROUND, can_leave_for_failures
from monitor.detection.evidence import rounded
from monitor.detection.parameters import parameters_by_provider, parameters_by_target
from monitor.detection.threshold import AlarmModel, false_alarms_per_day, threshold
from monitor.settings import Route, Settings

QUARTER_DAYS = 90.0
#: The threshold is found to within half a percent of the promise.
_ROUNDING = 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseFailoverRates:
    """False failovers of one route per 90 days."""

    alone: float
    """By the first candidate's own evidence."""
    pooled: float
    """By that of its whole provider; 0 where it has no siblings."""
    bounded: bool
    """Whether any evidence keeps the promise: blips that are long and many can make that impossible."""

    @property
    def per_route_90d(self) -> float:
        """Both together."""
        return self.alone + self.pooled


def expected_false_failovers(settings: Settings) -> dict[str, FalseFailoverRates]:
    """What to expect of each route that failures can move, by route."""
    rules = parameters_by_target(settings)
    pools = parameters_by_provider(settings, rules)
    p0 = rounded(BACKGROUND.failure_rate)
    found = {}
    for route in settings.routes:
        if not can_fail_over(route):
            continue
        rule = rules[route.candidates[0]]
        tests = [_rate(rule.alarm_model(p0), rule.false_per_day)]
        pool = pools.get(route.candidates[0].partition("/")[0])
        if pool:
            stream_s = 1 / sum(1 / member.interval_s for member in pool.members.values())
            tests.append(_rate(pool.alarm_model(p0, stream_s), pool.false_per_day))
        (alone, kept), *others = tests
        found[route.name] = FalseFailoverRates(
            alone=alone * QUARTER_DAYS,
            pooled=sum(rate for rate, _ in others) * QUARTER_DAYS,
            bounded=kept and all(kept for _, kept in others),
        )
    return found


def can_fail_over(route: Route) -> bool:
    """Whether failures of its first candidate can move it anywhere."""
    return len(route.candidates) > 1 and can_leave_for_failures(route)


def _rate(loop: AlarmModel, per_day: float) -> tuple[float, bool]:
    """False alarms a day of one test, and whether that is what it may have."""
    rate = false_alarms_per_day(loop, threshold(loop, per_day=per_day))
    return rate, rate <= per_day * _ROUNDING
