"""Charts of the past hold its figures, and nothing else; each names its candidates, limits and tips in words."""

from datetime import UTC, timedelta

from controller.history.route_rollup import RouteRollup
from monitor.history.rollup import HOUR
from tests.support.builders import T0
from tests.support.details import ROLLUPS, route_detail, target_detail
from ui import charts


def test_outcomes_are_shares_in_the_colours_of_the_page() -> None:
    """What failed on our side is left out; colours follow the order of the taxonomy."""
    chart = charts.outcomes(ROLLUPS, T0, T0 + HOUR, timedelta(minutes=2))
    assert [(row["outcome"], row["probes"]) for row in chart["data"]["values"]] == [("ok", 2), ("server_error", 1)]
    scale = chart["encoding"]["color"]["scale"]
    assert (scale["domain"], len(scale["range"])) == (["ok", "server_error"], 2)


def test_latency_is_of_answers_beside_what_is_usual() -> None:
    """A line for each figure that is known: no stream, no first token; the slow limit and the baseline by name."""
    lines, rules = charts.latency(target_detail())["layer"]
    rows = lines["data"]["values"]
    assert [(row["of"], row["level"]) for row in rows] == [("answer", "median"), ("answer", "95 %")]
    assert all(0.09 < row["seconds"] < 0.11 for row in rows)
    levels = [(row["seconds"], row["name"]) for row in rules["data"]["values"]]
    assert levels == [(10.0, "slow limit, 10 s"), (1.25, "usually under 1.2 s (chat)")]
    assert rules["encoding"]["color"]["scale"]["domain"] == [name for _, name in levels]


def test_a_route_has_a_lane_for_each_candidate() -> None:
    """Also where two names are the same when cut; its path goes on to the end; only what was not up is drawn."""
    health, path, moves = charts.route_timeline(route_detail())["layer"]
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
    rows = charts.felt(course, T0, T0 + HOUR, HOUR)["data"]["values"]
    assert [(row["what"], row["minutes"]) for row in rows] == [("without the failover", 10.0), ("with it", 1.0)]


def test_hours_of_the_week_say_what_is_bad() -> None:
    """In figures, not in colour alone."""
    [row] = charts.hours_of_week(target_detail().hours, UTC)["data"]["values"]
    assert (row["day"], row["hour"], row["mark"], row["said"]) == ("Sat", 18, "50", "50.0 % of 4 probes")


def test_phases_that_took_no_time_are_left_out() -> None:
    """Each bar says on which connection and how many answers it rests."""
    rows = charts.phases(target_detail().phases)["data"]["values"]
    assert [(row["kind"], row["phase"], row["seconds"]) for row in rows] == [
        ("chat, used connection (3)", "wait", 0.5),
        ("chat, used connection (3)", "rest", 0.25),
    ]
