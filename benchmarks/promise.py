"""False failovers per route and 90 days in quiet worlds: what `plan` calculates beside what is simulated.

The simulation drives the service's own detector, pacing and policy. A verdict on a provider moves all its routes at
once, so that moves at one instant are one event: the standard error is of such events (Poisson).
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from controller.plan.promise_checks import expected_false_failovers
from controller.routing.decision import MoveKind
from controller.simulation.loop import run_seed
from controller.simulation.scenario import BlipStream, QuietBehaviour, Scenario
from controller.simulation.world import build_timelines
from monitor.config.settings import Route
from tests.support.builders import settings

_DAY_S, _QUARTER_DAYS = 86400.0, 90.0
#: Models of one provider, and seconds between two probes of each.
_GRID = ((1, 5), (1, 30), (1, 600), (2, 5), (2, 30), (4, 5), (4, 10), (4, 30), (6, 30), (10, 5), (10, 30), (10, 600))
_QUICK = ((1, 30), (4, 30))
_PROBES, _FEW_PROBES = 8_000_000, 200_000
_SEEDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseCell:
    """False failovers per route and 90 days of one configuration."""

    planned: float
    simulated: float
    error: float
    """The standard error of `simulated`."""
    days: float
    """How long it was simulated."""


def main(cells: tuple[tuple[int, int], ...] = _GRID, probes: int = _PROBES) -> None:
    """Print the grid; about four CPU hours a hundred million probes."""
    print("|models|interval|`plan`|simulated ± standard error|days|\n|---|---|---|---|---|")
    for models, interval_s in cells:
        cell = measure(models, interval_s, probes)
        figures = f"{cell.planned:.2f}|{cell.simulated:.2f} ± {cell.error:.2f}|{cell.days:,.0f}"
        print(f"|{models}|{interval_s} s|{figures}|", flush=True)


def quick() -> None:
    """Print a few cells of a few days."""
    main(_QUICK, _FEW_PROBES)


def measure(models: int, interval_s: float, probes: int, *, first_seed: int = 0) -> PromiseCell:
    """Simulate a provider with so many models and a route each, for about so many probes."""
    days = probes * interval_s / (models + 1) / _DAY_S
    world = _quiet_world(models, interval_s, days / _SEEDS)
    moved = Counter[tuple[int, float]]()
    for seed in range(first_seed, first_seed + _SEEDS):
        decisions = run_seed(world, build_timelines(world, seed), seed).decisions
        moved.update(
            (seed, at_s)
            for at_s, decision in decisions
            if decision.move is MoveKind.FAILOVER and (decision.before or "").startswith("a/")
        )
    quarters = days / _QUARTER_DAYS * models
    [planned] = {rates.per_route_90d for rates in expected_false_failovers(world.settings).values()}
    squares = sum(routes**2 for routes in moved.values())
    return PromiseCell(
        planned=planned, simulated=moved.total() / quarters, error=math.sqrt(squares) / quarters, days=days
    )


def _quiet_world(models: int, interval_s: float, days: float) -> Scenario:
    names = [f"a/m{number}" for number in range(models)]
    routes = [Route(name=name, candidates=(name, "b/m1")) for name in names]
    made_up = settings(Path("/nowhere"), *names, "b/m1", routes=routes)
    targets = tuple(replace(target, interval_s=interval_s) for target in made_up.targets)
    blips = made_up.controller.blips
    return Scenario(
        path=Path("quiet"),
        settings=replace(made_up, targets=targets),
        duration_s=days * _DAY_S,
        background=QuietBehaviour(),
        blips=BlipStream(per_day=blips.per_day, length=blips.length, failure_rate=blips.failure_rate),
    )
