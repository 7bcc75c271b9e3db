"""Charts of a route's past hold its figures, and nothing else; each names its candidates and tips in words."""

from controller.history.route_rollup import RouteRollup
from monitor.history.rollup import HOUR
from tests.support.builders import T0
from tests.support.details import route_detail
from ui import route_charts


def test_a_route_has_a_lane_for_each_candidate() -> None:
    """Also where two names are the same when cut; its path goes on to the end; only what was not up is drawn."""
    health, path, moves = route_charts.route_timeline(route_detail())["layer"]
    assert [(row["health"], row["lane"][:1]) for row in health["data"]["values"]] == [("✕ down", "1")]
    assert [(row["at"][11:16], row["lane"][:1]) for row in path["data"]["values"]] == [
        ("18:00", "1"),
        ("18:20", "2"),
        ("19:00", "2"),
    ]
    assert [(row["move"], row["UTC"]) for row in moves["data"]["values"]] == [("least bad", "2026-11-21 18:20:00")]
    assert all(len(row["lane"]) < 85 for row in path["data"]["values"])


def test_felt_is_drawn_inside_what_would_have_been() -> None:
    """Minutes, the larger first, and nothing for hours in which nobody was failed."""
    course = [(T0 - HOUR, RouteRollup(observed_s=3600)), *route_detail().course]
    rows = route_charts.felt(course, T0, T0 + HOUR, HOUR)["data"]["values"]
    assert [(row["what"], row["minutes"]) for row in rows] == [("without the failover", 10.0), ("with it", 1.0)]
