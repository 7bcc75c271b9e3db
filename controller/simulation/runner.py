"""Simulates many seeds of a scenario on all cores and returns the document of `simulate --json`."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

from controller.simulation.loop import run_seed
from controller.simulation.metrics import SeedMetrics, measure
from controller.simulation.results import Results
from controller.simulation.scenario import Scenario
from controller.simulation.workers import ProgressCallback, process_map
from controller.simulation.world import build_timelines
from monitor.budget.usual_month import apply_budget
from monitor.config.settings import Settings
from probes import pricing


def simulate(
    scenario: Scenario,
    *,
    seeds: int,
    first_seed: int = 0,
    jobs: int | None = None,
    on_progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Simulate `seeds` seeds from `first_seed` on and return the document of `simulate --json`.

    Probes come at the intervals that the budget of the configuration allows in a usual month.
    `jobs` processes do the work (None: one per core); the answer does not depend on their number.
    """
    began_s = time.perf_counter()
    configured, prices = scenario.settings, probe_prices(scenario.settings)
    paced, _ = apply_budget(configured, prices)
    scenario = replace(scenario, settings=paced, probe_usd=prices)
    results = Results(scenario)
    work = partial(simulate_seed, scenario)
    with process_map(work, range(first_seed, first_seed + seeds), jobs, on_progress) as measured:
        for metrics in measured:
            results.add(metrics)
    document = results.document(first_seed=first_seed, wall_s=time.perf_counter() - began_s)
    stretched_s = {
        target.id: target.interval_s
        for target, usual in zip(paced.targets, configured.targets, strict=True)
        if target.interval_s > usual.interval_s
    }
    return {**document, "stretched_interval_s": stretched_s}


def simulate_seed(scenario: Scenario, seed: int) -> SeedMetrics:
    """Build the world of one seed, run it, and measure what happened."""
    timelines = build_timelines(scenario, seed)
    return measure(scenario, timelines, run_seed(scenario, timelines, seed))


def probe_prices(settings: Settings) -> dict[str, float | None]:
    """Price of a successful probe in USD, by target id, for the usual number of tokens; None where it is not known."""
    return {target.id: pricing.usual_usd(target) for target in settings.targets}
