"""Charts of one target's past hold its figures, and nothing else."""

from monitor.history.rollup import Rollup
from tests.support.builders import T0, observation
from ui import charts

ROLLUPS = [(T0, Rollup.of([observation("."), observation("."), observation("x"), observation("b")]))]


def test_outcomes_are_shares_in_the_colours_of_the_page() -> None:
    """What failed on our side is left out; colours follow the order of the taxonomy."""
    chart = charts.outcomes(ROLLUPS)
    assert [(row["outcome"], row["probes"]) for row in chart["data"]["values"]] == [("ok", 2), ("server_error", 1)]
    scale = chart["encoding"]["color"]["scale"]
    assert (scale["domain"], len(scale["range"])) == (["ok", "server_error"], 2)


def test_latency_is_of_answers() -> None:
    """A line for each figure that is known: no stream, no first token."""
    rows = charts.latency(ROLLUPS)["data"]["values"]
    assert [row["what"] for row in rows] == ["answer, median", "answer, 95 %"]
    assert all(0.09 < row["seconds"] < 0.11 for row in rows)
