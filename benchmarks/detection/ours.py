"""Hotspare in one world: the simulator's own loop, which drives the service's judge, pacing, blindness and policy."""

from collections.abc import Mapping

from benchmarks.detection.runner import Run
from controller.simulation.loop import run_seed
from controller.simulation.scenario import Scenario
from controller.simulation.world import Timeline


def run(scenario: Scenario, timelines: Mapping[str, Timeline], seed: int) -> Run:
    """One run; the same arguments give the same."""
    course = run_seed(scenario, timelines, seed)
    moves = {route.name: [(0.0, route.candidates[0])] for route in scenario.settings.routes}
    for at_s, decision in course.decisions:
        if decision.target != moves[decision.route][-1][1]:
            moves[decision.route].append((at_s, decision.target))
    return Run(moves=moves, probes=course.probes)
