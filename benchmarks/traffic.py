"""What reports of applications bring: time until a route leaves its target, and false failovers with blips.

One target at 30 s with a standby, 0.5 % of requests failing in quiet times, outages of HTTP errors that answer at once.
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmarks.detection.scenarios import DAY_S, INTERVAL_S, Case, outage, quiet
from controller.simulation.loop import run_seed
from controller.simulation.metrics import SeedMetrics, measure
from controller.simulation.results import poisson_interval
from controller.simulation.workers import process_map
from controller.simulation.world import build_timelines
from monitor.config.traffic_settings import TrafficSettings

_DAYS = 90.0
_SEEDS = 100
#: Until the outage begins: long enough for the standby to be proven.
_LEAD_S = 1200.0
#: Requests a second, hosts that report them, and the quiet quarters of a year that are watched.
_WORLDS = ((0.1, 1, 8), (1.0, 2, 8), (1.0, 1, 8), (10.0, 2, 2), (10.0, 1, 2), (100.0, 2, 1), (100.0, 1, 1))


def reported(case: Case, rate: float, hosts: int) -> Case:
    """The same world, of whose requests the applications report."""
    settings = replace(case.scenario.settings, traffic=TrafficSettings())
    scenario = replace(
        case.scenario, settings=settings, requests_per_s=rate, traffic_hosts=hosts, traffic_reported=True
    )
    return replace(case, scenario=scenario)


def run_case(case: Case, seed: int) -> SeedMetrics:
    """One seed of it, an outage until its route has left."""
    seeded = case.seeded(seed)
    scenario, begin_s = seeded.scenario, seeded.begin_s
    timelines = build_timelines(scenario, seed)
    ends_after = (lambda decisions: decisions[-1][0] >= begin_s) if scenario.outages else None
    return measure(scenario, timelines, run_seed(scenario, timelines, seed, ends_after=ends_after))


def times_to_flip(case: Case, seeds: int) -> list[float]:
    """Seconds from the onset until the route left; a run in which it never did counts as the whole outage."""
    with process_map(partial(run_case, case), range(seeds), None) as runs:
        flips = [run.flip_s for metrics in runs for each in metrics.runs for run in each]
    return [case.end_s - case.begin_s if flip is None else flip for flip in flips]


def false_failovers(case: Case, quarters: int) -> tuple[int, int]:
    """Of so many quiet quarters of a year, and the probes of all of them."""
    with process_map(partial(run_case, case), range(quarters), None) as runs:
        counted = [(metrics.false_failovers, metrics.probes) for metrics in runs]
    return sum(false for false, _ in counted), sum(probes for _, probes in counted)


def main(seeds: int = _SEEDS, most_quarters: int = 1000) -> None:
    """Print the table; about an hour of one core."""
    print("|requests a second|hosts|100 %: mean, p95|50 %|20 %|false in 90 days (95 %)|quarters|probes|")
    print("|---|---|---|---|---|---|---|---|")
    for rate, hosts, wanted in _WORLDS:
        worlds = [reported(outage(share, models=1, lead_s=_LEAD_S), rate, hosts) for share in (1.0, 0.5, 0.2)]
        cells = "|".join(_times(times_to_flip(world, seeds)) for world in worlds)
        quarters = min(wanted, most_quarters)
        false, probes = false_failovers(reported(quiet(models=1, blips=True), rate, hosts), quarters)
        low, high = poisson_interval(false)
        usual = quarters * 2 * _DAYS * DAY_S / INTERVAL_S
        shown = f"{false / quarters:.2f} ({low / quarters:.2f} to {high / quarters:.2f})"
        print(f"|{rate:g}|{hosts}|{cells}|{shown}|{quarters}|{probes / usual:.2f} ×|", flush=True)


def quick() -> None:
    """Print a few runs of each."""
    main(10, 1)


def _times(flips: Sequence[float]) -> str:
    ordered = sorted(flips)
    return f"{statistics.fmean(ordered):.1f}, {ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]:.0f} s"
