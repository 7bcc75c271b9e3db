"""The worlds are as their rows say, and what a run lost is measured against the oracle's and against no failover's."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.detection import study
from benchmarks.detection.scenarios import HOUR_S, MINUTE_S
from benchmarks.regret import measure, report, worlds
from benchmarks.regret.measure import Course
from benchmarks.regret.scenario_files import worlds_of
from benchmarks.regret.worlds import World
from controller.simulation.scenario import QuietBehaviour
from controller.simulation.world import build_timelines
from monitor.config.problems import ConfigError

CONFIGURATION = """\
database: "sqlite:///:memory:"
providers:
  a: {dialect: openai-chat, base_url: https://a.invalid/v1, api_key: key, models: {m1: {}}}
  b: {dialect: openai-chat, base_url: https://b.invalid/v1, api_key: key, models: {m1: {}}}
routes: {r1: {candidates: [a/m1, b/m1]}}
"""
SCENARIO = """\
# a fails all | for an hour
config: two.yaml
duration: 3h
background: {failure_rate: 0}
outages: [{at: 1h, for: 1h, targets: a/m1, failure_rate: 1.0}]
"""
#: A route that never moves.
STAYS = {"r1": [(0.0, "a/m1")]}


def world(name: str) -> World:
    """One of the worlds, without background and blips."""
    [found] = [world for world in worlds.worlds() if world.name == name]
    nothing_else = replace(found.scenario, background=QuietBehaviour(failure_rate=0.0), blips=None)
    return replace(found, scenario=nothing_else)


def lived(name: str, moves: dict[str, list[tuple[float, str]]]) -> Course:
    """What these moves come to in a world."""
    made = world(name)
    return measure.course(made, build_timelines(made.scenario, 0), moves)


def test_the_oracle_is_on_the_lesser_evil_at_each_moment() -> None:
    """The standby fails 25 % of the 50 min in which the first candidate fails all: 7,500 of 30,000 requests."""
    course = lived("lesser-evil", STAYS)
    assert course.oracle == pytest.approx(0.25 * 50 * 60 * 10, rel=0.01)
    assert course.lost == course.nothing == pytest.approx(50 * 60 * 10, rel=0.01)
    assert (course.hits, course.flips_s, course.moves) == (1, (), 0)


def test_what_is_lost_until_the_flip_and_what_the_bound_allows() -> None:
    """A minute at 100 % is lost, 600 requests; beyond doing nothing that minute and the dwell's are allowed."""
    late = {"r1": [(0.0, "a/m1"), (HOUR_S + MINUTE_S, "b/m1"), (2 * HOUR_S + MINUTE_S, "a/m1")]}
    course = lived("plain-100", late)
    assert (course.flips_s, course.moves, course.hits) == ((MINUTE_S,), 2, 1)
    assert course.lost - course.oracle == pytest.approx(600, abs=5)
    figures = measure.standing([[course], [course]])
    assert figures.regret == pytest.approx(1 / 60, rel=0.02)
    assert figures.regret_error == pytest.approx(0.0, abs=1e-9)
    assert measure.allowed(world("plain-100"), figures) == pytest.approx(figures.nothing + (60 + 60) * 10)


@pytest.mark.parametrize("background", [0.0, 0.005])
def test_a_world_in_which_nothing_can_be_won_has_no_regret(tmp_path: Path, background: float) -> None:
    """Without outages and blips nobody loses more than the oracle: dashes in its row, and no number that is none."""
    (tmp_path / "two.yaml").write_text(CONFIGURATION)
    (tmp_path / "quiet.yaml").write_text(
        f"config: two.yaml\nduration: 3h\nbackground: {{failure_rate: {background}}}\n"
    )
    [quiet] = worlds_of([tmp_path])
    courses = [measure.course(quiet, build_timelines(quiet.scenario, seed), STAYS) for seed in range(2)]
    figures = measure.standing([[course] for course in courses])
    shown = [report.shown(each) for each in (figures.regret, figures.moves_per_hit, figures.lost / 1e9)]
    assert shown == ["–", "–", "0.000"]
    assert report.shown(figures.regret, figures.regret_error) == "–"
    assert report.shown(figures.ratio) == "1.000"


def test_the_oracle_loses_no_more_than_anybody_in_any_world() -> None:
    """Whatever the moves, the lower bound holds; with background, blips and a random onset."""
    for made in worlds.worlds():
        late = made.seeded(1)
        timelines = build_timelines(late.scenario, 1)
        for place in range(2):
            moves = {r.name: [(0.0, r.candidates[place])] for r in late.scenario.settings.routes}
            course = measure.course(late, timelines, moves)
            assert course.oracle <= min(course.lost, course.nothing) + 1e-6, made.name


def test_the_worlds_are_enough_and_no_target_has_two_outages_at_once() -> None:
    """At least twenty, with names of their own; the simulator takes one outage of a target at a time."""
    made = worlds.worlds()
    assert len({world.name for world in made}) == len(made) >= 20
    for one in made:
        for number, outage in enumerate(one.scenario.outages):
            for other in one.scenario.outages[:number]:
                apart = outage.at_s >= other.until_s or other.at_s >= outage.until_s
                assert apart or not outage.targets & other.targets, one.name


def test_a_run_is_the_same_from_the_same_seed() -> None:
    """For ours and for a peer: two seeds, twice."""
    made = world("plain-50")
    for rule in (study.OURS, "AISIX"):
        assert report.live(rule, made, 2) == report.live(rule, made, 2)


def test_a_rule_that_ignores_refusals_neither_leaves_nor_returns_by_them() -> None:
    """AISIX stays where everything is throttled, which agentgateway leaves; half of plain errors move both."""
    moved = {
        (rule, name): report.live(rule, world(name), 1)[0].moves > 0
        for rule in ("AISIX", "agentgateway 1/1")
        for name in ("throttled-100", "plain-50")
    }
    assert [of for of, moves in moved.items() if not moves] == [("AISIX", "throttled-100")]


def test_a_folder_of_scenarios_is_worlds_whose_troubles_begin_when_the_file_says(tmp_path: Path) -> None:
    """A configuration beside them is none; requests come at the benchmark's rate where the file has none."""
    (tmp_path / "two.yaml").write_text(CONFIGURATION)
    (tmp_path / "first.yaml").write_text(SCENARIO)
    (tmp_path / "second.yaml").write_text(SCENARIO + "traffic: {rate: 2/s}\n")
    first, second = worlds_of([tmp_path])
    assert [(one.name, one.says) for one in (first, second)] == [
        ("first", "a fails all / for an hour"),
        ("second", "a fails all / for an hour"),
    ]
    assert (first.scenario.requests_per_s, second.scenario.requests_per_s) == (10.0, 2.0)
    late = first.seeded(3)
    assert [trouble.at_s for trouble in late.troubles] == [HOUR_S]
    course = measure.course(late, build_timelines(late.scenario, 3), STAYS)
    assert course.lost == pytest.approx(HOUR_S * 10)
    assert course.oracle == pytest.approx(0.0, abs=0.01)
    assert worlds_of([tmp_path / "second.yaml"]) == [second]


def test_a_scenario_that_is_wrong_says_so(tmp_path: Path) -> None:
    """As `hotspare simulate` does."""
    (tmp_path / "two.yaml").write_text(CONFIGURATION)
    (tmp_path / "wrong.yaml").write_text(SCENARIO.replace("a/m1", "a/m2"))
    with pytest.raises(ConfigError, match="a/m2"):
        worlds_of([tmp_path])


def test_scenarios_of_the_same_name_are_worlds_of_their_own(tmp_path: Path) -> None:
    """Their courses are found by the name."""
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        (folder / "two.yaml").write_text(CONFIGURATION)
        (folder / "same.yaml").write_text(SCENARIO)
    one, other = worlds_of([tmp_path / "one", tmp_path / "other"])
    assert one.name != other.name
    [twice] = worlds_of([tmp_path / "one", tmp_path / "one" / "same.yaml"])
    assert twice.name == "same"


@pytest.mark.parametrize("broken", [b"config: [two.yaml\n", b"config: two.yaml # \xff\n"])
def test_a_file_of_a_folder_that_cannot_be_read_is_a_scenario_that_is_wrong(tmp_path: Path, broken: bytes) -> None:
    """A folder of scenarios is taken whole or not at all."""
    (tmp_path / "broken.yaml").write_bytes(broken)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        worlds_of([tmp_path])
