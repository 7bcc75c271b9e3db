"""Charts of a target's past hold its figures, and nothing else; each names its limits and tips in words."""

from datetime import UTC, timedelta

from monitor.history.rollup import HOUR
from tests.support.builders import T0
from tests.support.details import ROLLUPS, target_detail
from ui import target_charts


def test_outcomes_are_shares_in_the_colours_of_the_page() -> None:
    """What failed on our side is left out; colours follow the order of the taxonomy."""
    chart = target_charts.outcomes(ROLLUPS, T0, T0 + HOUR, timedelta(minutes=2))
    assert [(row["outcome"], row["probes"]) for row in chart["data"]["values"]] == [("ok", 2), ("server_error", 1)]
    scale = chart["encoding"]["color"]["scale"]
    assert (scale["domain"], len(scale["range"])) == (["ok", "server_error"], 2)


def test_latency_is_of_answers_beside_what_is_usual() -> None:
    """A line for each figure that is known: no stream, no first token; the slow limit and the baseline by name."""
    lines, rules = target_charts.latency(target_detail())["layer"]
    rows = lines["data"]["values"]
    assert [(row["of"], row["level"]) for row in rows] == [("answer", "median"), ("answer", "95 %")]
    assert all(0.09 < row["seconds"] < 0.11 for row in rows)
    levels = [(row["seconds"], row["name"]) for row in rules["data"]["values"]]
    assert levels == [(10.0, "slow limit, 10 s"), (1.25, "usually under 1.2 s (chat)")]
    assert rules["encoding"]["color"]["scale"]["domain"] == [name for _, name in levels]


def test_hours_of_the_week_say_what_is_bad() -> None:
    """In figures, not in colour alone."""
    [row] = target_charts.hours_of_week(target_detail().hours, UTC)["data"]["values"]
    assert (row["day"], row["hour"], row["mark"], row["said"]) == ("Sat", 18, "50", "50.0 % of 4 probes")


def test_phases_that_took_no_time_are_left_out() -> None:
    """Each bar says on which connection and how many answers it rests."""
    rows = target_charts.phases(target_detail().phases)["data"]["values"]
    assert [(row["kind"], row["phase"], row["seconds"]) for row in rows] == [
        ("chat, used connection (3)", "wait", 0.5),
        ("chat, used connection (3)", "rest", 0.25),
    ]
