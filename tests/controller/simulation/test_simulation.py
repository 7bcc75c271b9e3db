"""`simulate`: the service's own objects in virtual time, the same for the same seeds, counted as the design says."""

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.cli.output import terminal
from controller.cli.simulate import print_simulation
from controller.routing.decision import Decision, MoveKind
from controller.simulation.loop import EPOCH, RunResult, _SeedRun, run_seed
from controller.simulation.metrics import OutageRun, SeedMetrics, expected_requests, measure
from controller.simulation.results import poisson_interval, probes_at_fixed_interval, summarize
from controller.simulation.runner import simulate, simulate_seed
from controller.simulation.scenario import BlipStream, LatencyDistribution, QuietBehaviour, Scenario
from controller.simulation.world import build_timelines
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.config.settings import BudgetSettings
from monitor.detection.pacing import BurstProbe
from probes.outcome import Outcome
from probes.target import Price
from tests.support.paths import DATA
from tests.support.worlds import NAMES, outage, scenario

CLEAN = QuietBehaviour(failure_rate=0.0, latency=LatencyDistribution(median_s=0.9, p99_s=0.9))
BUSY = BlipStream(per_day=50.0)


def course_of(made_up: Scenario, seed: int = 0) -> RunResult:
    """What happens in one seed."""
    return run_seed(made_up, build_timelines(made_up, seed), seed)


def moves(course: RunResult) -> list[tuple[MoveKind, str]]:
    """What was decided, without when."""
    return [(decision.move, decision.target) for _, decision in course.decisions]


# The loop.


def test_nothing_happens_in_a_clean_world() -> None:
    """One first decision, and exactly the probes of the fixed interval."""
    made_up = scenario(background=CLEAN, hours=6)
    course = course_of(made_up)
    assert moves(course) == [(MoveKind.FIRST, "openai/a")]
    assert course.probes == probes_at_fixed_interval(made_up) == 3 * 6 * 120


def test_an_outage_moves_the_route_out_and_back() -> None:
    """Once each way, the reason being the judge's own sentence."""
    course = course_of(scenario(outage(failure_rate=1.0), background=CLEAN))
    assert moves(course) == [
        (MoveKind.FIRST, "openai/a"),
        (MoveKind.FAILOVER, "anthropic/c"),
        (MoveKind.FAILBACK, "openai/a"),
    ]
    [_, (out_s, out), (back_s, _)] = course.decisions
    assert 3600 < out_s < 3720
    assert 7200 < back_s < 7200 + 1200
    assert out.at == EPOCH + timedelta(seconds=out_s)
    assert "openai/a is down" in out.reason
    assert [decision.generation for _, decision in course.decisions] == [1, 2, 3]


def test_a_verdict_that_waits_for_the_shortest_outage_is_made_as_soon_as_that_has_passed() -> None:
    """Evidence enough, but for less than `min_outage`: the service would look again twice a second."""
    made_up = scenario(outage(failure_rate=1.0), background=CLEAN, names=("openai/a", "anthropic/c"))
    first_failure_s, min_outage_s = 3600.9, 20.0
    settings = replace(made_up.settings, controller=ControllerSettings(min_outage_s=min_outage_s))
    course = course_of(replace(made_up, settings=settings))
    assert 0 <= course.decisions[1][0] - first_failure_s - min_outage_s < 1


def test_a_run_that_ends_early_is_the_beginning_of_the_whole() -> None:
    """It ends with the decision after which nothing else is wanted."""
    made_up = scenario(outage(failure_rate=1.0), background=CLEAN)
    timelines, whole = build_timelines(made_up, 0), course_of(made_up)
    course = run_seed(made_up, timelines, 0, ends_after=lambda decisions: decisions[-1][1].move is MoveKind.FAILOVER)
    assert course.decisions == whole.decisions[:2]
    assert course.probes < whole.probes / 2


@pytest.mark.slow
def test_an_outage_of_our_own_network_moves_nothing() -> None:
    """The neutral endpoints are asked, and nobody is blamed."""
    ours = outage(targets=NAMES, failure_rate=1.0, outcome=Outcome.UNREACHABLE, own_network=True, for_s=1200.0)
    for seed in range(5):
        assert moves(course_of(scenario(ours), seed)) == [(MoveKind.FIRST, "openai/a")]


def test_a_wrong_key_moves_the_route() -> None:
    """Faults of ours are simulated as well."""
    course = course_of(scenario(outage(failure_rate=1.0, outcome=Outcome.AUTH), background=CLEAN))
    assert moves(course)[1] == (MoveKind.FAILOVER, "anthropic/c")
    assert course.decisions[1][0] - 3600 < 60


def test_a_probe_that_is_due_while_another_is_under_way_is_skipped() -> None:
    """At most one at a time of a target: timeouts of 30 s leave room for one probe a minute, or fewer."""
    silent = outage(at_s=0.0, for_s=3600.0, failure_rate=1.0, outcome=Outcome.TIMEOUT, targets=("openai/a",))
    made_up = scenario(silent, names=("openai/a",), hours=1, background=CLEAN)
    assert 60 <= course_of(made_up).probes < 100
    assert probes_at_fixed_interval(made_up) == 120


def test_a_throttled_target_rests_as_long_as_it_is_asked_to() -> None:
    """No probe is made before Retry-After is over."""
    asked = outage(at_s=0.0, for_s=3600.0, failure_rate=1.0, outcome=Outcome.RATE_LIMITED, targets=("openai/a",))
    made_up = scenario(replace(asked, retry_after_s=200.0), names=("openai/a",), hours=1, background=CLEAN)
    assert course_of(made_up).probes <= 3600 / 200 + 1


def test_probes_of_a_burst_come_on_top() -> None:
    """A failure is followed by quick ones."""
    made_up = scenario(background=QuietBehaviour(failure_rate=0.01), hours=6)
    assert probes_at_fixed_interval(made_up) < course_of(made_up).probes < 2 * probes_at_fixed_interval(made_up)


def test_a_new_extra_probe_takes_the_place_of_the_one_planned_in_its_slot() -> None:
    """A slot holds one at the most; slots of other names do not meddle."""
    made_up = scenario(background=CLEAN, duration_s=20.0)
    under_way = _SeedRun(made_up, build_timelines(made_up, 0), 0)
    under_way._plan([BurstProbe(slot="one", targets=("openai/a",), delay_s=10.0)], 0.0)
    under_way._plan([BurstProbe(slot="one", targets=("openai/b",), delay_s=4.0)], 1.0)
    under_way._plan([BurstProbe(slot="other", targets=("anthropic/c",), delay_s=6.0)], 2.0)
    under_way.run()
    # By the schedule alone each is asked once in these 20 s.
    assert {name: target.probes for name, target in under_way._targets.items()} == {
        "openai/a": 1,
        "openai/b": 2,
        "anthropic/c": 2,
    }


def test_an_extra_probe_of_a_target_that_is_being_asked_is_dropped() -> None:
    """As the schedule does; the one under way is as good. Where there are others to ask, the first that is free is."""
    made_up = scenario(
        background=QuietBehaviour(failure_rate=0.0, latency=LatencyDistribution(median_s=9.0, p99_s=9.0)),
        duration_s=20.0,
    )
    under_way = _SeedRun(made_up, build_timelines(made_up, 0), 0)
    under_way._plan([BurstProbe(slot="one", targets=("openai/a",), delay_s=8.0)], 0.0)
    under_way._plan([BurstProbe(slot="other", targets=("openai/b",), delay_s=10.0)], 0.0)
    under_way.run()
    assert (under_way._targets["openai/a"].probes, under_way._targets["openai/b"].probes) == (1, 1)


def test_two_runs_of_a_seed_are_the_same_to_the_last_digit() -> None:
    """Every decision at the same instant for the same reason; another seed is another course."""
    made_up = scenario(outage(), blips=BUSY)
    assert course_of(made_up, 3) == course_of(made_up, 3)
    assert course_of(made_up, 3) != course_of(made_up, 4)


# What a course comes to.


def decided(at_s: float, move: MoveKind, before: str | None, to: str, **changed: Any) -> tuple[float, Decision]:
    """A decision on `chat` at this second."""
    at = EPOCH + timedelta(seconds=at_s)
    made = Decision(route="chat", at=at, move=move, before=before, target=to, reason="", generation=1, **changed)
    return at_s, made


FIRST = decided(0.0, MoveKind.FIRST, None, "openai/a")


def tallied(made_up: Scenario, *then: tuple[float, Decision]) -> SeedMetrics:
    """What these decisions come to."""
    course = RunResult(decisions=(FIRST, *then), probes=0, usd=0.0)
    return measure(made_up, build_timelines(made_up, 0), course)


def out(at_s: float) -> tuple[float, Decision]:
    """A failover to the second candidate."""
    return decided(at_s, MoveKind.FAILOVER, "openai/a", "anthropic/c")


def back(at_s: float) -> tuple[float, Decision]:
    """A failback to the first."""
    return decided(at_s, MoveKind.FAILBACK, "anthropic/c", "openai/a")


@pytest.mark.parametrize(
    ("then", "run"),
    [
        pytest.param((), OutageRun(flip_s=None, failback_s=None, flips=0), id="a route that stays has not flipped"),
        pytest.param(
            (out(3660.0), back(7800.0)),
            OutageRun(flip_s=60.0, failback_s=600.0, flips=2),
            id="times count from the onset and from the end",
        ),
        pytest.param((out(7300.0),), OutageRun(flip_s=3700.0, failback_s=None, flips=1), id="evidence may come late"),
        pytest.param(
            (out(7330.0),), OutageRun(flip_s=None, failback_s=None, flips=1), id="two minutes later it is another story"
        ),
        pytest.param(
            (out(3700.0), back(5000.0), out(5100.0), back(7500.0), out(9001.0)),
            OutageRun(flip_s=100.0, failback_s=300.0, flips=4),
            id="every move until half an hour after the end is a flip",
        ),
        pytest.param(
            (
                out(3660.0),
                decided(
                    7500.0,
                    MoveKind.STEP,
                    "anthropic/c",
                    "anthropic/c",
                    weights=(("openai/a", 10.0), ("anthropic/c", 90.0)),
                ),
                back(7800.0),
            ),
            OutageRun(flip_s=60.0, failback_s=600.0, flips=2),
            id="a step of a failback is no flip",
        ),
    ],
)
def test_a_run_is_measured_as_the_design_says(then: tuple[tuple[float, Decision], ...], run: OutageRun) -> None:
    """Times to flip and to fail back, and flips per outage."""
    assert tallied(scenario(outage()), *then).runs == ((run,),)


def test_a_route_that_is_elsewhere_when_the_outage_begins_is_no_run() -> None:
    """Its active target is not hit."""
    assert tallied(scenario(outage()), out(3000.0)).runs == ((),)


@pytest.mark.parametrize(
    ("then", "count"),
    [
        pytest.param((out(3660.0), back(7800.0)), 0, id="a move in an outage is none"),
        pytest.param((out(7319.0),), 0, id="nor is one within two minutes after it"),
        pytest.param((out(7321.0),), 1, id="later, nothing excuses it"),
        pytest.param((out(1000.0), back(2000.0)), 1, id="before, neither; and failbacks never count"),
        pytest.param(
            (out(3660.0), decided(3700.0, MoveKind.FAILOVER, "anthropic/c", "openai/a")),
            0,
            id="a better one is no loss",
        ),
    ],
)
def test_a_false_failover_is_a_move_that_no_outage_excuses(
    then: tuple[tuple[float, Decision], ...], count: int
) -> None:
    """Of the target that is left, within the last two minutes."""
    assert tallied(scenario(outage()), *then).false_failovers == count


def test_an_outage_of_another_target_excuses_nothing() -> None:
    """The one that is left must have been touched."""
    assert tallied(scenario(outage(targets=("anthropic/c",))), out(3660.0)).false_failovers == 1


def test_requests_are_those_of_whoever_the_route_pointed_at() -> None:
    """Against adding up every request, one by one, along the decisions, shares included."""
    made_up = scenario(outage(), outage(at_s=8000.0, for_s=1000.0, targets=("anthropic/c",)), blips=BUSY)
    timelines = build_timelines(made_up, 0)
    shares = (("openai/a", 25.0), ("anthropic/c", 75.0))
    step = decided(7500.0, MoveKind.STEP, "anthropic/c", "anthropic/c", weights=shares)
    course = [FIRST, out(3660.0), step, back(8500.0)]
    route = made_up.settings.routes[0]
    for from_s, until_s in ((0.0, 10_800.0), (3600.0, 7200.0), (7400.0, 9000.0), (3660.0, 3661.0)):
        added = stayed = 0.0
        width_s = (until_s - from_s) / 20_000
        for number in range(20_000):
            at_s = from_s + (number + 0.5) * width_s
            made = [decision for moved_s, decision in course if moved_s <= at_s][-1]
            for target, percent in made.weights or ((made.target, 100.0),):
                added += timelines[target].at(at_s)[0].request_failure_rate * percent / 100 * width_s
            stayed += timelines["openai/a"].at(at_s)[0].request_failure_rate * width_s
        counted = expected_requests(route, course, timelines, (from_s, until_s))
        assert counted.total == pytest.approx(until_s - from_s)
        assert counted.failed == pytest.approx(added, rel=0.005)
        assert counted.failed_without_failover == pytest.approx(stayed, rel=0.005)


def test_an_outage_counts_the_requests_of_its_window_alone() -> None:
    """And everything counts those of the whole time, of every route."""
    made_up = scenario(outage(failure_rate=1.0), background=CLEAN)
    both = replace(
        made_up.settings,
        routes=(*made_up.settings.routes, Route(name="other", candidates=("anthropic/c",))),
    )
    counted = simulate_seed(replace(made_up, settings=both), 0)
    [window] = counted.requests
    assert (window.total, counted.all_requests.total) == (2 * 36_000, 2 * 108_000)
    assert window.failed_without_failover == pytest.approx(36_000, rel=1e-3)
    assert 0 < window.failed < 2_000


# All seeds together.


def test_the_answer_does_not_depend_on_the_number_of_processes() -> None:
    """Byte for byte, but for the time that it took."""
    made_up = scenario(outage(at_s=600.0, for_s=300.0), hours=0.5, blips=BUSY)
    answers = []
    for jobs in (1, 2, 3):
        document = simulate(made_up, seeds=7, jobs=jobs)
        answers.append(json.dumps({**document, "wall_s": 0}))
    assert len(set(answers)) == 1
    assert simulate(made_up, seeds=7, first_seed=1, jobs=1)["requests"] != json.loads(answers[0])["requests"]


def test_more_seeds_begin_with_the_same_ones() -> None:
    """A seed is the same world in whichever crowd."""
    made_up = scenario(outage(at_s=600.0, for_s=300.0), hours=0.5)
    one, other = (simulate(made_up, seeds=1, first_seed=seed, jobs=1) for seed in (4, 5))
    both = simulate(made_up, seeds=2, first_seed=4, jobs=1)
    assert both["probes"] == one["probes"] + other["probes"]


def test_the_document_has_the_fields_of_the_design() -> None:
    """Scripts rely on them."""
    ours = outage(
        at_s=5000.0, for_s=60.0, targets=NAMES, failure_rate=1.0, outcome=Outcome.UNREACHABLE, own_network=True
    )
    document = simulate(scenario(outage(at_s=1800.0, for_s=1800.0), ours, hours=2), seeds=2, jobs=1)
    times = {"mean", "p50", "p95", "max"}
    asked = {"total", "failed", "failed_without_failover"}
    assert {"scenario", "seeds", "virtual_s", "wall_s", "probes", "probe_usd", "probes_at_fixed_interval"} <= set(
        document
    )
    first, second = document["outages"]
    assert first["time_to_flip_s"].keys() == first["time_to_failback_s"].keys() == times
    assert {"targets", "runs", "flipped", "flips_per_outage"} <= set(first)
    assert all(asked <= set(counts) for counts in (document["requests"], first["requests"], second["requests"]))
    assert {"count", "route_days", "per_route_90d"} <= set(document["false_failovers"])
    assert (document["seeds"], document["virtual_s"], document["probes_at_fixed_interval"]) == (2, 14_400, 2 * 720)
    assert (first["runs"], first["flipped"]) == (2, 2)
    assert second["time_to_flip_s"] == dict.fromkeys(times)
    assert document["false_failovers"]["route_days"] == pytest.approx(2 * 2 / 24, abs=1e-4)
    assert document["requests"]["total"] == 2 * 72_000


def test_a_budget_stretches_the_intervals_as_in_the_service() -> None:
    """At $0.003 a probe 30 s cost $259 a month; $100 pay for 120 s, and the others keep their interval."""
    made_up = scenario(hours=1.0)
    price = Price(input_usd=100.0, output_usd=100.0)
    targets = tuple(replace(each, price=price if each.id == NAMES[0] else None) for each in made_up.settings.targets)
    wanted = replace(made_up.settings, targets=targets, budget=BudgetSettings(usd_per_month=100.0))
    document = simulate(replace(made_up, settings=wanted), seeds=1, jobs=1)
    assert document["stretched_interval_s"] == {NAMES[0]: 120.0}
    assert document["probes_at_fixed_interval"] == 30 + 120 + 120
    assert f"configured intervals: {NAMES[0]} every 2m" in printed(document, made_up)


def test_an_unknown_price_is_not_zero() -> None:
    """Without a price for any model there is no sum."""
    assert simulate(scenario(hours=0.1), seeds=1, jobs=1)["probe_usd"] is None


@pytest.mark.slow
def test_memory_does_not_grow_with_the_seeds() -> None:
    """What a seed needs is gone before the next one begins."""
    made_up = scenario(outage(at_s=300.0, for_s=300.0), hours=0.5)
    simulate(made_up, seeds=12, jobs=1)  # fills the caches
    peaks = []
    for seeds in (2, 12):
        tracemalloc.start()
        simulate(made_up, seeds=seeds, jobs=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        pytest.param(0, 0.0, 3.689, id="none seen"),
        pytest.param(1, 0.0253, 5.572, id="one seen"),
        pytest.param(10, 4.795, 18.391, id="ten seen"),
        pytest.param(1000, 938.97, 1063.95, id="a thousand seen"),
    ],
)
def test_the_interval_of_a_count_is_that_of_the_tables(count: int, low: float, high: float) -> None:
    """Exact Poisson limits, 95 %."""
    found_low, found_high = poisson_interval(count)
    assert found_low == pytest.approx(low, rel=1e-3, abs=1e-9)
    assert found_high == pytest.approx(high, rel=1e-3)


def test_percentiles_are_values_that_were_seen() -> None:
    """By nearest rank, whatever the order; of nothing there is none."""
    assert summarize([3.0, 1.0, 2.0, 10.0]) == {"mean": 4.0, "p50": 2.0, "p95": 10.0, "max": 10.0}
    assert summarize(float(n) for n in range(1, 101)) == {"mean": 50.5, "p50": 50.0, "p95": 95.0, "max": 100.0}
    assert summarize([]) == {"mean": None, "p50": None, "p95": None, "max": None}


# The command.


def printed(document: dict[str, Any], made_up: Scenario) -> str:
    """The answer for people."""
    console = terminal()
    with console.capture() as capture:
        print_simulation(document, made_up, console)
    return capture.get()


def test_people_read_what_scripts_do() -> None:
    """The same numbers, a line for each outage, without a colour in a pipe."""
    made_up = scenario(outage(at_s=1800.0, for_s=1800.0), hours=2)
    document = simulate(made_up, seeds=2, jobs=1)
    text = printed(document, made_up)
    assert "2 of 2" in text
    assert "openai/a, openai/b 50% server_error at 30m for 30m" in text
    assert f"probes: {document['probes']:,}, " in text
    assert "false failovers: 0 in 0.2 days of routes" in text
    assert "failed, of those" in text
    asked = document["outages"][0]["requests"]
    assert f"{asked['failed']:,} of {asked['failed_without_failover']:,} (" in text
    assert "price unknown" in text
    assert "\x1b" not in text


def test_an_outage_in_which_nothing_fails_counts_slow_answers() -> None:
    """A share of failures that are not the outage's would mean nothing."""
    made_up = scenario(outage(at_s=1800.0, for_s=600.0, failure_rate=1.0, outcome=Outcome.SLOW), hours=1)
    document = simulate(made_up, seeds=1, jobs=1)
    asked = document["outages"][0]["requests"]
    assert asked["slow_without_failover"] > asked["failed_without_failover"]
    assert f"{asked['slow']:,} of {asked['slow_without_failover']:,} slow (" in printed(document, made_up)


def test_what_cannot_be_said_is_a_dash() -> None:
    """No outages, no flips, no traffic: nothing is divided by nothing."""
    quiet = scenario(hours=0.5, requests_per_s=0.0)
    assert "no outages" in printed(simulate(quiet, seeds=1, jobs=1), quiet)
    hardly = scenario(outage(at_s=600.0, for_s=1.0, failure_rate=0.01), hours=0.5, requests_per_s=0.0)
    assert "–" in printed(simulate(hardly, seeds=1, jobs=1), hardly)


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command, without any key in its environment."""
    command = [sys.executable, "-m", "controller.cli.main", "simulate", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, env=environ, check=False)


SCENARIO = """
config: sub/hotspare.yaml
duration: 1h
outages: [{at: 10m, for: 10m, targets: "openai/*", failure_rate: 1}]
traffic: {rate: 1/s}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario, and its configuration in another folder."""
    config = (DATA / "scenarios" / "config" / "hotspare.yaml").read_text(encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "hotspare.yaml").write_text(config, encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_command_prints_one_document_without_keys_and_leaves_nothing_behind(folder: Path) -> None:
    """Standard output is JSON, standard error is empty in a pipe, and no file is written."""
    before = sorted(folder.rglob("*"))
    done = run(folder, "scenario.yaml", "--seeds", "2", "--seed", "7", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert (document["scenario"], document["seeds"], document["first_seed"]) == ("scenario.yaml", 2, 7)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.slow
def test_the_answer_is_the_same_in_every_process(folder: Path) -> None:
    """Not even the order of sets, which Python shuffles anew for each process, shows in it."""
    answers = [run(folder, "scenario.yaml", "--seeds", "2", "--json", PYTHONHASHSEED=seed).stdout for seed in "12"]
    one, other = ([line for line in answer.splitlines() if "wall_s" not in line] for answer in answers)
    assert one == other
    assert len(one) > 10


@pytest.mark.slow
def test_a_wrong_scenario_is_wrong_usage(folder: Path) -> None:
    """Exit status 2, and every mistake on standard error."""
    (folder / "scenario.yaml").write_text(SCENARIO.replace("10m", "-1h").replace("1/s", "1"), encoding="utf-8")
    done = run(folder, "scenario.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--seeds", "0"), id="no seeds"),
        pytest.param(("--seeds", "many"), id="seeds in words"),
        pytest.param(("--seed", "-1"), id="a negative seed"),
        pytest.param(("--jobs", "0"), id="no processes"),
    ],
)
def test_counts_must_be_counts(folder: Path, arguments: tuple[str, ...]) -> None:
    """Exit status 2, and no traceback."""
    done = run(folder, "scenario.yaml", *arguments)
    assert done.returncode == 2
    assert "expected" in done.stderr
    assert "Traceback" not in done.stderr
