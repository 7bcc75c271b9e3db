"""The worlds in which something was asked of our rule alone, and how an answer is told from the figures."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks.detection import asked, measure, scenarios
from benchmarks.detection.asked import Question
from benchmarks.detection.measure import Moves
from benchmarks.detection.scenarios import DAY_S, LEAD_S
from controller.simulation.world import build_timelines


def question(says: str) -> Question:
    """The only one of such a world, with a day of quiet time."""
    [found] = [one for one in asked.questions(2, 1, 1) if one.case.says.startswith(says)]
    return found


def answer(one: Question, *runs: Moves) -> tuple[str, bool]:
    """What these moves, one run each, come to; routes that are not named stay."""
    case, still = one.case, {route.name: [(0.0, route.candidates[0])] for route in one.case.scenario.settings.routes}
    timelines = build_timelines(case.scenario, 0)
    outcomes = [measure.outcome(case, timelines, still | dict(moves), probes=100) for moves in runs]
    return one.measure.answer(measure.figures(case, outcomes))


def moves(*at_s: float, home: str = "a/m1") -> list[tuple[float, str]]:
    """Away and home again, and so on, at these seconds from the onset."""
    return [(0.0, home), *((LEAD_S + each_s, "b/m1" if turn % 2 == 0 else home) for turn, each_s in enumerate(at_s))]


def test_every_question_has_a_world_and_figures_of_its_own() -> None:
    """No two share a cell, whose figures would be mixed, and no target has two outages at once."""
    asked_all = list(asked.questions(2, 1, 1))
    assert len({one.cell for one in asked_all}) == len(asked_all) >= 20
    for one in asked_all:
        for target in one.case.scenario.settings.targets:
            own = sorted((o.at_s, o.until_s) for o in one.case.scenario.outages if target.id in o.targets)
            assert all(until_s <= at_s for (_, until_s), (at_s, _) in pairwise(own)), one.case.says


def test_a_route_of_a_healthy_model_counts_once_however_often_it_moves() -> None:
    """Of six models three are sick: in two runs one of six healthy routes moved, though twice; the sick may move."""
    sick = {"r1": moves(60.0), "r3": moves(60.0, home="a/m3")}
    one = question("three of 6 models of a provider fail 50 %")
    assert answer(one, sick | {"r2": moves(100.0, 900.0, home="a/m2")}, sick) == ("16.7 ± 16.7 %", False)
    assert answer(one, sick, sick) == ("0.0 ± 0.0 %", True)


@pytest.mark.parametrize(
    ("says", "runs", "kept"),
    [
        pytest.param("100 % throttled", [moves(40.0), moves(50.0)], True, id="45 s on average are allowed"),
        pytest.param("60 % throttled", [moves(100.0), moves()], False, id="one that never moves breaks a mean"),
        pytest.param("30 % throttled", [moves(899.0)] * 3 + [moves(901.0)], True, id="three of four in 15 min"),
        pytest.param("30 % throttled", [moves(899.0), moves(901.0)], False, id="one of two in 15 min"),
        pytest.param("15 % throttled", [moves()] * 19 + [moves(9.0)], True, id="one in twenty moves"),
        pytest.param("15 % throttled", [moves()] * 18 + [moves(9.0)], False, id="one in nineteen"),
        pytest.param("three candidates fail 60", [moves(60.0, 120.0, 180.0)], True, id="three flips"),
        pytest.param("three candidates fail 60", [moves(60.0, 120.0, 180.0, 240.0)], False, id="four flips"),
        pytest.param("both candidates", [moves(60.0, 4000.0, 8000.0)], True, id="three moves in twelve hours"),
        pytest.param("both candidates", [moves(60.0, 4000.0, 8000.0, 9000.0)], False, id="four in twelve hours"),
    ],
)
def test_what_keeps_a_bound(says: str, runs: list[list[tuple[float, str]]], *, kept: bool) -> None:
    """The figure and its bound are compared as the row says."""
    found = [one for one in asked.questions(2, 1, 1) if one.case.says.startswith(says)]
    assert answer(found[0], *({"r1": run} for run in runs))[1] is kept


def test_a_background_that_breathes_is_no_trouble() -> None:
    """It excuses no move: each is false, and no route counts as hit."""
    one = question("the background breathes")
    run = measure.outcome(one.case, build_timelines(one.case.scenario, 0), {"r1": moves(60.0)}, probes=100)
    assert (run.hits, run.false_failovers) == ((), 1)
    assert one.case.seeded(3) == one.case


def test_the_background_breathes_between_its_bounds() -> None:
    """From 0.2 % twelve hours off the peak to 4 % at it, in steps; none while the target is in trouble."""
    wave = [outage.failure_rate for outage in scenarios.breath("a/m1", 12)]
    rates = [1 - (1 - 0.002) * (1 - more) for more in wave]
    assert max(rates) == pytest.approx(0.04, rel=0.01)
    assert min(rates) == pytest.approx(0.002, rel=0.05)
    noon = replace(scenarios.trouble("a/m1", 0.5, at_s=DAY_S / 2), targets=frozenset({"a/m1"}))
    assert len(list(scenarios.breath("a/m1", 12, besides=[noon]))) == len(wave) - 2


def test_the_sentinel_is_probed_every_5_s_and_its_siblings_every_45_s() -> None:
    """As the configuration would have it."""
    targets = question("50 % fail, four targets").case.scenario.settings.targets
    assert [target.interval_s for target in targets] == [5.0, 45.0, 45.0, 45.0, 30.0]


def test_a_row_that_is_not_kept_says_so() -> None:
    """With the figure in bold."""
    rows = [one for one in asked.questions(2, 1, 1) if one.case.says.startswith("100 % throttled")]
    runs: Iterator[list[tuple[float, str]]] = iter([moves(44.0), moves(46.0), moves(74.0)])
    results = {
        one.cell: measure.figures(
            one.case,
            [measure.outcome(one.case, build_timelines(one.case.scenario, 0), {"r1": next(runs)}, probes=1)] * 2,
        )
        for one in rows
    }
    *_, kept, broken, last = asked.text(rows, results).splitlines()
    assert "|44.0 ± 0.0 s|2|" in kept
    assert "**46.0 ± 0.0 s: not kept**" in broken
    assert "|≤ 77 s|74.0 ± 0.0 s|" in last
