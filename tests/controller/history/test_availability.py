"""90 days of a target and of a route, and the shares of the usual periods."""

from datetime import timedelta

import pytest

from controller.history.availability import DAYS, last_days, route_days, target_availability
from controller.history.route_rollup import RouteRollup
from monitor.history.rollup import DAY, HOUR, OutcomeCounts, span_start
from tests.support.builders import T0

TODAY = span_start(T0, DAY)
GOOD = OutcomeCounts(total=100, ok=100, answered=100)
BAD = OutcomeCounts(total=100, ok=40, answered=50, failed_here=10, excluded=10)


def test_periods_and_days_of_a_target() -> None:
    """Each period counts its own days; the last 24 hours are counted by the hour; what nobody asked is not known."""
    days = {TODAY: GOOD, TODAY - DAY: BAD, TODAY - 29 * DAY: BAD, TODAY - 200 * DAY: BAD}
    hours = {span_start(T0, HOUR): GOOD, span_start(T0, HOUR) - 23 * HOUR: BAD, T0 - 30 * HOUR: BAD}
    view = target_availability("a/x", days, hours, T0)
    assert len(view.days) == DAYS
    assert view.days[-1].day == TODAY
    assert [day.served for day in view.days[-3:]] == [None, pytest.approx(50 / 90), 1.0]
    assert view.days[-2].words == "90 probes, 40 not answered"
    served = {name: counts.served for name, counts in view.periods.items()}
    assert served == {
        "24 h": pytest.approx(150 / 190),
        "7 d": pytest.approx(150 / 190),
        "30 d": pytest.approx(200 / 280),
        "90 d": pytest.approx(200 / 280),
    }


def test_days_of_a_route_say_what_the_failover_saved() -> None:
    """And nothing of days that were not observed."""
    felt = RouteRollup(observed_s=86_400.0, felt_s=60.0, without_s=7_200.0)
    days = route_days({TODAY: felt}, T0 + timedelta(minutes=1))
    assert days[-1].words == "users failed for 1 min, without a failover for 2 h"
    assert days[-1].served == pytest.approx(1 - 60 / 86_400)
    assert (days[0].day, days[0].served, days[0].words) == (last_days(T0)[0], None, "not observed")
