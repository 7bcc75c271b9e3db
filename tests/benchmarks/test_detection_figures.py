"""What the benchmark makes of a run, the bounds it compares with, and the page it writes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.detection import bounds, measure, page, picture, scenarios, study, tables
from benchmarks.detection.measure import Figures, Hit
from benchmarks.detection.scenarios import Case
from benchmarks.detection.study import OURS, QUICK, Cell, Results
from controller.simulation.world import build_timelines

HOUR = 3600.0


def measured(case: Case, moves: list[tuple[float, str]]) -> measure.Outcome:
    """One run in which route r1 moved so, times counted from the onset."""
    placed = [(0.0, "a/m1"), *((case.begin_s + at_s, target) for at_s, target in moves)]
    return measure.outcome(case, build_timelines(case.scenario, 0), {"r1": placed}, probes=100)


def test_an_outage_that_is_left_and_returned_from() -> None:
    """Away after 90 s of an hour that fails altogether: a fortieth was lost; two flips, back after ten minutes."""
    [hit] = measured(scenarios.outage(1.0, models=1, background=0.0), [(90.0, "b/m1"), (HOUR + 600, "a/m1")]).hits
    assert replace(hit, lost=0.0) == Hit(flip_s=90.0, back_s=600.0, flips=2, lost=0.0)
    assert hit.lost == pytest.approx(90 / HOUR, abs=1e-3)


def test_an_outage_that_nobody_notices() -> None:
    """No flip, and everything is lost that there was to lose."""
    [hit] = measured(scenarios.outage(0.5, models=1), []).hits
    assert replace(hit, lost=0.0) == Hit(flip_s=None, back_s=0.0, flips=0, lost=0.0)
    assert hit.lost == pytest.approx(1.0)


def test_a_move_to_another_failing_provider_is_no_rescue() -> None:
    """With two providers failing, what counts is when the route points at the third."""
    [case] = [case for case in scenarios.troubles() if case.name == "two-providers"]
    [hit] = measured(case, [(60.0, "b/m1"), (200.0, "c/m1")]).hits
    assert hit.flip_s == 200.0
    assert hit.flips == 2


def test_a_route_that_was_away_already_is_no_run() -> None:
    """Nothing can be said of the time to flip of a route that does not point at the target in trouble."""
    result = measured(scenarios.outage(0.5, models=1), [(-500.0, "b/m1")])
    assert result.hits == ()
    assert result.false_failovers == 1


@pytest.mark.parametrize(
    ("at_s", "false"),
    [
        pytest.param(-1.0, 1, id="before the outage it is for nothing"),
        pytest.param(HOUR + 119.0, 0, id="two minutes after the end it may still be owed to the outage"),
        pytest.param(HOUR + 121.0, 1, id="later it is for nothing"),
    ],
)
def test_what_a_false_failover_is(at_s: float, false: int) -> None:
    """A move to a less preferred candidate with no outage at the target within two minutes; a failback never is."""
    result = measured(scenarios.outage(0.5, models=1), [(at_s, "b/m1"), (at_s + 300, "a/m1")])
    assert result.false_failovers == false


def test_runs_that_never_flip_count_with_the_whole_outage() -> None:
    """The mean takes the hour for them, which flatters the rule; quantiles beyond those that moved are infinite."""
    case = scenarios.outage(0.5, models=1)
    figures = measure.figures(case, [measured(case, [(100.0, "b/m1")]), measured(case, [])])
    assert figures.flipped == 1
    assert figures.mean_s == pytest.approx((100 + HOUR) / 2)
    assert figures.quantile_s(0.5) == 100.0
    assert math.isinf(figures.quantile_s(0.95))


def test_false_failovers_are_scaled_to_a_route_quarter() -> None:
    """One in nine days of one route is ten in 90."""
    case = scenarios.quiet(models=1, blips=True, days=9)
    result = measure.outcome(
        case, build_timelines(case.scenario, 0), {"r1": [(0.0, "a/m1"), (5.0, "b/m1")]}, probes=51_840
    )
    figures = measure.figures(case, [result])
    assert figures.false_per_quarter == pytest.approx(10.0)
    assert figures.probes == pytest.approx(1.0)


def test_the_earliest_moment_is_the_first_failed_probe_and_the_longest_blip() -> None:
    """At 100 %: half an interval, an answer of 1.1 s, a blip; four targets wait a fourth for the first probe."""
    assert bounds.earliest_s(1.0, targets=1) == pytest.approx(15 + 1.105 + 8, abs=0.01)
    assert bounds.earliest_s(1.0, targets=4) == pytest.approx(3.75 + 1.105 + 8, abs=0.01)
    assert bounds.earliest_s(0.5, targets=1, background=0.0) == pytest.approx(45 + 1.105 + 8, abs=0.01)


def test_lorden_is_the_logarithm_of_the_quiet_run_over_the_divergence() -> None:
    """At 100 % the divergence is log(1/p0): log(259,200) / log(200) probes of 30 s."""
    assert bounds.lorden_s(1.0, targets=1) == pytest.approx(30 * math.log(259_200) / math.log(200))


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_the_run_length_of_two_in_a_row_is_the_known_one(rate: float) -> None:
    """A CUSUM for q = 1 between one and two steps high waits for two failures in a row: (1 + r) / r² probes."""
    height = 1.5 * math.log(1 / 0.005)
    assert bounds._run_length(height, p0=0.005, q=1.0, rate=rate) == pytest.approx((1 + rate) / rate**2)


def test_the_best_fixed_rule_keeps_the_promise_and_is_sooner_with_more_targets() -> None:
    """More outage, or more targets to see it, make it sooner."""
    for rate in (0.1, 0.2, 0.5):
        assert bounds.optimal_s(rate, targets=4) < bounds.optimal_s(rate, targets=1)
        assert bounds.optimal_s(2 * rate, targets=1) < bounds.optimal_s(rate, targets=1)


def some_results() -> dict[Cell, Figures]:
    """The same plausible figures in every cell of the report."""
    case = scenarios.outage(0.5, models=1)
    figures = measure.figures(case, [measured(case, [(100.0, "b/m1"), (HOUR + 60, "a/m1")])] * 3)
    return {cell: replace(figures, others_moved=0.0, quarters=3.0) for cell, *_ in study._cells(QUICK)}


def test_the_best_peer_is_the_soonest_that_probes_and_keeps_the_promise() -> None:
    """One that breaks it, or that stands in the path, is not compared with, however soon it moves."""
    results = some_results()
    quiet = Cell(rule="check-cx", case="blips", models=1)
    for name, mean_s in {"check-cx": 5.0, "Envoy, 5 in a row": 2.0, "Gatus 3/2": 50.0}.items():
        cell = Cell(rule=name, case="outage-50%", models=1)
        results[cell] = replace(results[cell], flip_s=(mean_s,))
    results[quiet] = replace(results[quiet], false_per_quarter=3.0)
    assert named(results) == "Gatus 3/2"
    results[quiet] = replace(results[quiet], false_per_quarter=0.9)
    assert named(results) == "check-cx"


def named(results: Results) -> str | None:
    """The rule of the best peer."""
    best = tables.best(results, models=1)
    return best.rule if best else None


def test_the_page_has_every_rule_and_no_gap() -> None:
    """Each row is in the first table, one of each rule in every table, and nothing was left to fill in."""
    text = page.write(some_results(), QUICK)
    assert all(f"|{entrant.label}|" in text.replace("**", "") for entrant in tables.entrants())
    for entrant in tables.main_entrants():
        assert text.count(entrant.label) >= 3
    assert "nan" not in text
    assert not any(bracket in text.replace("\\{", "") for bracket in "{}")
    assert text.count(f"**{OURS}") == 6


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """A PNG with a row for each rule."""
    pytest.importorskip("vl_convert")
    picture.draw(page.bars(some_results()), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
