"""Traffic in the simulation: it moves a route sooner than probes do, and by the seed alone."""

from dataclasses import replace

import pytest

from benchmarks.detection.scenarios import outage
from benchmarks.traffic import reported, run_case, times_to_flip
from controller.simulation.loop import run_seed
from controller.simulation.simulated_traffic import failure_timeline
from controller.simulation.world import build_timelines
from probes.outcome import Outcome


@pytest.mark.slow
def test_two_hosts_that_report_move_a_route_when_a_blip_must_be_over() -> None:
    """Half of ten requests a second fail; by probes alone it takes about a minute."""
    case = reported(outage(0.5, models=1, lead_s=1200.0), 10.0, 2)
    flips = times_to_flip(case, 6)
    assert all(8 < flip < 20 for flip in flips)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_decisions() -> None:
    """Byte for byte."""
    scenario = reported(outage(0.2, models=1, lead_s=1200.0), 1.0, 2).seeded(3).scenario
    worlds = build_timelines(scenario, 3)
    assert run_seed(scenario, worlds, 3).decisions == run_seed(scenario, worlds, 3).decisions


@pytest.mark.slow
def test_requests_that_are_not_reported_change_nothing() -> None:
    """As before: they are counted, and no more."""
    case = outage(0.5, models=1, lead_s=1200.0)
    silent = replace(case, scenario=replace(case.scenario, requests_per_s=10.0))
    assert run_case(case, 1).runs == run_case(silent, 1).runs


def test_requests_that_time_out_are_seen_to_fail_at_their_deadline() -> None:
    """An outage of timeouts shows in the reports only then."""
    case = outage(1.0, models=1, lead_s=1200.0)
    [trouble] = case.scenario.outages
    hanging = replace(trouble, outcome=Outcome.TIMEOUT)
    scenario = replace(case.scenario, outages=(hanging,))
    target = scenario.settings.targets[0]
    failures = failure_timeline(target, build_timelines(scenario, 0)[target.id])
    deadline_s = target.timeouts.total_s
    assert failures.at(1200.0 + deadline_s - 1)[0] < 0.01
    assert failures.at(1200.0 + deadline_s + 1)[:2] == (1.0, Outcome.TIMEOUT)
