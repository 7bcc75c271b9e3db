"""What reports of applications bring: time until a route leaves its target, and false failovers with blips.

One target at 30 s with a standby, 0.5 % of requests failing in quiet times, outages of HTTP errors that answer at once.
Beside it the rules of gateways that see the same requests, as `benchmarks.detection.peers` has them.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from benchmarks.detection import runner
from benchmarks.detection.measure import outcome
from benchmarks.detection.scenarios import DAY_S, INTERVAL_S, Case, outage, quiet
from benchmarks.detection.study import peer_named
from controller.simulation.loop import run_seed
from controller.simulation.metrics import SeedMetrics, measure
from controller.simulation.results import poisson_interval
from controller.simulation.workers import process_map
from controller.simulation.world import build_timelines
from monitor.config.traffic_settings import TrafficSettings

_QUARTER = 90.0
_SHARES = (1.0, 0.5, 0.2)
_SEEDS, _PEER_SEEDS = 60, 24
#: Until the outage begins: long enough for the standby to be proven.
_LEAD_S = 1200.0
#: Requests a second, hosts that report them, and the quiet quarters of a year that are watched.
_WORLDS = ((0.1, 1, 4), (1.0, 2, 8), (1.0, 1, 8), (10.0, 2, 4), (10.0, 1, 4), (100.0, 2, 2), (100.0, 1, 2))
_PEERS = ("Envoy, 5 in a row", "Helicone")
#: Requests a second, and the days that are watched; each request costs the same.
_PEER_WORLDS = ((1.0, 30.0), (10.0, 6.0), (100.0, 1.0))
_LEAD_OF_PEERS_S, _MOST_REQUESTS = 120.0, 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietTime:
    """What came of quiet time with blips."""

    false: int
    days: float
    probes: int = 0

    def __str__(self) -> str:
        """False failovers in 90 days, and their 95 % interval."""
        scale = _QUARTER / self.days
        low, high = poisson_interval(self.false)
        return f"{self.false * scale:.3g} ({low * scale:.3g} to {high * scale:.3g})"


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


def false_failovers(case: Case, quarters: int) -> QuietTime:
    """Of so many quiet quarters of a year."""
    with process_map(partial(run_case, case), range(quarters), None) as runs:
        counted = [(metrics.false_failovers, metrics.probes) for metrics in runs]
    days = quarters * case.scenario.duration_s / DAY_S
    return QuietTime(false=sum(false for false, _ in counted), days=days, probes=sum(probes for _, probes in counted))


def run_peer(name: str, rate: float, case: Case, seed: int) -> tuple[float | None, int]:
    """One seed under a rule of others: seconds until the route left, if it did, and false failovers."""
    seeded = case.seeded(seed)
    timelines = build_timelines(seeded.scenario, seed)
    run = runner.run(peer_named(name), seeded.scenario, timelines, seed, rps=rate)
    result = outcome(seeded, timelines, run.moves, 0)
    return result.hits[0].flip_s if result.hits else None, result.false_failovers


def peer_row(name: str, rate: float, days: float, seeds: int) -> str:
    """A row of the table, of quiet time as long as that."""
    cells = []
    for share in _SHARES:
        case = outage(share, models=1, lead_s=_LEAD_OF_PEERS_S)
        longest_s = min(case.end_s - case.begin_s, _MOST_REQUESTS / rate)
        case = replace(case, scenario=replace(case.scenario, duration_s=case.begin_s + INTERVAL_S + longest_s))
        with process_map(partial(run_peer, name, rate, case), range(seeds), None) as runs:
            cells.append(_times([longest_s if flip_s is None else flip_s for flip_s, _ in runs]))
    _, false = run_peer(name, rate, quiet(models=1, blips=True, days=days), 0)
    return f"|{name}|{rate:g}|–|{'|'.join(cells)}|{QuietTime(false=false, days=days)}|{days:g}|0|"


def main(seeds: int = _SEEDS, peer_seeds: int = _PEER_SEEDS, days_share: float = 1.0) -> None:
    """Print the table; about fifteen minutes of one core."""
    print("|rule|requests a second|hosts|100 %: mean, p95|50 %|20 %|false in 90 days (95 %)|days|probes|")
    print("|---|---|---|---|---|---|---|---|---|")
    for rate, hosts, quarters in _WORLDS:
        worlds = [reported(outage(share, models=1, lead_s=_LEAD_S), rate, hosts) for share in _SHARES]
        cells = "|".join(_times(times_to_flip(world, seeds)) for world in worlds)
        every = quiet(models=1, blips=True, days=_QUARTER * days_share)
        calm = false_failovers(reported(every, rate, hosts), quarters)
        usual = calm.days * 2 * DAY_S / INTERVAL_S
        print(f"|Hotspare|{rate:g}|{hosts}|{cells}|{calm}|{calm.days:g}|{calm.probes / usual:.2f} ×|", flush=True)
    for name, (rate, days) in product(_PEERS, _PEER_WORLDS):
        print(peer_row(name, rate, days * days_share, peer_seeds), flush=True)


def quick() -> None:
    """Print a few runs of each."""
    main(6, 2, 1 / 90)


def _times(flips: Sequence[float]) -> str:
    ordered = sorted(flips)
    return f"{statistics.fmean(ordered):.1f}, {ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]:.0f} s"
