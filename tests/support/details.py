"""A route and a target in detail, for the tests of their pages."""

from datetime import timedelta

from controller.history.route_rollup import RouteRollup
from controller.incidents.impact import RoutePeriod
from controller.routing.decision import Decision, MoveKind
from controller.status.details.route import HealthPeriod, RouteDetail
from controller.status.details.target import PhaseMedians, TargetDetail
from monitor.detection.latency import LatencyBaseline
from monitor.health import Health, TargetHealth
from monitor.history.rollup import HOUR, OutcomeCounts, Rollup
from tests.support.builders import T0, observation

LONG = "openai/" + "m" * 90
ROLLUPS = [(T0, Rollup.of([observation("."), observation("."), observation("x"), observation("b")]))]


def target_detail() -> TargetDetail:
    """A target with one part of time."""
    return TargetDetail(
        target="openai/a",
        since=T0,
        until=T0 + HOUR,
        state=TargetHealth(target="openai/a", health=Health.UP, since=T0, reason=""),
        slow_s=10.0,
        usual={"chat": LatencyBaseline(usual_s=0.5, high_s=1.25, answers=99)},
        width=timedelta(minutes=2),
        course=ROLLUPS,
        checks={"chat": ROLLUPS[0][1]},
        hours={T0: OutcomeCounts(total=4, ok=2, answered=2)},
        phases=[PhaseMedians(check="chat", reused=True, answers=3, seconds=(0.0, 0.0, 0.0, 0.5, 0.0, 0.25))],
        transitions=(),
        trails=(),
        failures=(),
    )


def route_detail() -> RouteDetail:
    """A route that left its first candidate when that went down."""
    moved = T0 + timedelta(minutes=20)
    return RouteDetail(
        route="chat",
        since=T0,
        until=T0 + HOUR,
        lanes=(LONG + "1", LONG + "2"),
        path=(
            RoutePeriod(route="chat", target=LONG + "1", since=T0, until=moved),
            RoutePeriod(route="chat", target=LONG + "2", since=moved, until=T0 + HOUR),
        ),
        moves=(Decision(route="chat", target=LONG + "2", at=moved, reason="it fails", move=MoveKind.LEAST_BAD),),
        would_have=(),
        health=(
            HealthPeriod(target=LONG + "1", health=Health.DOWN, since=T0, until=T0 + HOUR, reason="it fails"),
            HealthPeriod(target=LONG + "2", health=Health.UP, since=T0, until=T0 + HOUR),
        ),
        overrides=(),
        width=HOUR,
        course=[(T0, RouteRollup(observed_s=3600, felt_s=60, without_s=600))],
    )
