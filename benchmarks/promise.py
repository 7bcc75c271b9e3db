"""False failovers per route and 90 days in quiet worlds: by `plan`, by simulation, and by the service.

The simulation drives the service's own detector, pacing and policy. A verdict on a provider moves all its routes at
once, so that moves at one instant are one event: the standard error is of such events (Poisson).

At the promise of one in 90 days few moves come in a long time. So each configuration is also tried with one in 6 days
and with four a day, where there are enough of them to compare. The begin of the latter is handed to `replay`,
observation by observation as the service stores them, which judges and decides as the service does.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from controller.plan.promise_checks import expected_false_failovers
from controller.replay.loop import Replay, ReplayWindow
from controller.routing.decision import MoveKind
from controller.simulation.loop import EPOCH, Decisions, run_seed
from controller.simulation.runner import probe_prices
from controller.simulation.scenario import BlipStream, QuietBehaviour, Scenario
from controller.simulation.world import build_timelines
from monitor.budget.usual_month import apply_budget
from monitor.config.route import Route
from monitor.config.settings import BudgetSettings, Settings
from probes.observation import Observation
from probes.target import Price
from tests.support.builders import in_regions, settings

_DAY_S, _QUARTER_DAYS = 86400.0, 90.0
_PROMISED_PER_DAY, _OFTEN_PER_DAY = 1 / 90, 1 / 6
_PROBES, _FEW_PROBES = 250_000, 50_000
#: At the promise itself so many times as many.
_LONGER = 6
#: Replayed are so many probes, where so many false failovers a day are allowed.
_REPLAYED, _REPLAYED_PER_DAY = 12_000, 4.0
_SEEDS = 4
_MONTH_S = 30 * _DAY_S
_PRICE = Price(input_usd=1.0, output_usd=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The models of one provider, with a route each that may go to another provider."""

    intervals_s: tuple[float, ...]
    """Of each model."""
    checks: tuple[str, ...] = ("chat",)
    sibling: bool = False
    """Whether the second candidate of each route is the next model of the same provider."""
    unpaid: float = 1.0
    """So many times what the month's budget pays for, so that the intervals are stretched."""
    regions: int = 1
    """How many probe each model, each at its interval."""

    @property
    def name(self) -> str:
        """As the table has it."""
        shortest_s, longest_s = min(self.intervals_s), max(self.intervals_s)
        span = f"{shortest_s:g}" if shortest_s == longest_s else f"{shortest_s:g} to {longest_s:g}"
        every = f"{len(self.intervals_s)} every {span} s"
        every += ", chat and stream" * (len(self.checks) > 1) + ", three candidates" * self.sibling
        every += f", from {self.regions} regions" * (self.regions > 1)
        return every + f", the budget pays for 1 probe in {self.unpaid:g}" * (self.unpaid > 1)


GRID = (
    *(Configuration(intervals_s=(interval_s,)) for interval_s in (30, 600, 5)),
    *(Configuration(intervals_s=(interval_s,) * 4) for interval_s in (30, 600, 5)),
    *(Configuration(intervals_s=(interval_s,) * 10) for interval_s in (30, 600, 5)),
    Configuration(intervals_s=(10, 15, 30, 60)),
    Configuration(intervals_s=(30,) * 4, sibling=True),
    Configuration(intervals_s=(30,) * 4, checks=("chat", "stream")),
    *(Configuration(intervals_s=(interval_s,) * 2) for interval_s in (30, 5)),
    *(Configuration(intervals_s=(30,) * models) for models in (6, 40)),
    *(Configuration(intervals_s=(interval_s,) * 4) for interval_s in (10, 60)),
    Configuration(intervals_s=(10,) * 4, unpaid=3.0),
    *(Configuration(intervals_s=(interval_s,), regions=3) for interval_s in (30, 600, 5)),
    *(Configuration(intervals_s=(30,) * 4, regions=regions) for regions in (2, 3, 5)),
)
#: Where a simulation of minutes sees route quarters.
_AT_THE_PROMISE = (
    *(Configuration(intervals_s=(interval_s,)) for interval_s in (30, 600)),
    *(Configuration(intervals_s=(interval_s,) * 4) for interval_s in (30, 600, 10, 5)),
    *(Configuration(intervals_s=(30,) * models) for models in (6, 10, 40)),
    Configuration(intervals_s=(600,) * 10),
)
_QUICK = (Configuration(intervals_s=(30,)), Configuration(intervals_s=(30,) * 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseCell:
    """False failovers per route and 90 days of one configuration."""

    planned: float
    simulated: float
    error: float
    """The standard error of `simulated`; where nothing moved, half of what one move would be."""
    days: float
    """How long it was simulated."""


def main(
    grid: Sequence[Configuration] = GRID, probes: int = _PROBES, long: Sequence[Configuration] = _AT_THE_PROMISE
) -> None:
    """Print the grid; about ten CPU minutes, and three more at the promise itself."""
    often, most = "1 in 6 days", "4 a day"
    print(f"|models|`plan`, 1 in 90 days|`plan`, {often}|simulated|`plan`, {most}|simulated|days|service, its begin|")
    print("|---" * 8 + "|")
    for wanted in grid:
        kept = _planned(_quiet_world(wanted, probes, _PROMISED_PER_DAY))
        six, four = (measure(wanted, probes, promised_per_day=rate) for rate in (_OFTEN_PER_DAY, _REPLAYED_PER_DAY))
        past = replayed(wanted, min(_REPLAYED, probes))
        cells = f"{kept:.2f}|{_simulated(six)}|{_simulated(four)}|{four.days:,.0f}|{past}"
        print(f"|{wanted.name}|{cells}|", flush=True)
    print("\n|models|`plan`, 1 in 90 days|simulated|days|\n|---|---|---|---|")
    for wanted in long:
        cell = measure(wanted, _LONGER * probes)
        print(f"|{wanted.name}|{_simulated(cell)}|{cell.days:,.0f}|", flush=True)


def quick() -> None:
    """Print a few cells of a few days."""
    main(_QUICK, _FEW_PROBES, _QUICK)


def _simulated(cell: PromiseCell) -> str:
    return f"{cell.planned:.2f}|{cell.simulated:.2f} ± {2 * cell.error:.2f}"


def _planned(world: Scenario) -> float:
    """Per route and 90 days, on average of the routes."""
    rates = expected_false_failovers(world.settings)
    return sum(each.per_route_90d for each in rates.values()) / len(rates)


def measure(wanted: Configuration, probes: int, *, promised_per_day: float = _PROMISED_PER_DAY) -> PromiseCell:
    """Simulate it for about so many probes."""
    world = _quiet_world(wanted, probes / _SEEDS, promised_per_day)
    moved = Counter[tuple[int, float]]()
    for seed in range(_SEEDS):
        decisions = run_seed(world, build_timelines(world, seed), seed).decisions
        moved.update((seed, at_s) for at_s, _ in _false_moves(decisions))
    days = _SEEDS * world.duration_s / _DAY_S
    quarters = days / _QUARTER_DAYS * len(wanted.intervals_s) * wanted.regions
    squares = sum(routes**2 for routes in moved.values())
    return PromiseCell(
        planned=_planned(world),
        simulated=moved.total() / quarters,
        error=math.sqrt(squares) / quarters if moved else 0.5 / quarters,
        days=days,
    )


def replayed(wanted: Configuration, probes: int, *, seed: int = 0) -> str:
    """How many false moves of one seed are made again when it is judged again, at the same instants to the second.

    With another promise than it was made with, others would be.
    """
    world, observations = _quiet_world(wanted, probes, _REPLAYED_PER_DAY), list[Observation]()
    course = run_seed(world, build_timelines(world, seed), seed, observations.append)
    until = EPOCH + timedelta(seconds=world.duration_s)
    window = ReplayWindow(
        asked_from=EPOCH, begins_at=EPOCH, complete=True, listening_from=EPOCH, deciding_from=EPOCH, until=until
    )
    run = Replay(world.settings, window, {}, ())
    ended = sorted((each for each in observations if each.finished_at < until), key=lambda each: each.finished_at)
    run.run((each, False) for each in ended)
    moves = _false_moves(course.decisions)
    again = _false_moves([((decision.at - EPOCH).total_seconds(), decision) for decision in run.decisions])
    instants = {(route, round(at_s)) for at_s, route in again}
    alike = sum(any((route, round(at_s) + near) in instants for near in (-1, 0, 1)) for at_s, route in moves)
    return f"{alike} of {len(moves)}, {len(again) - alike} others"


def _false_moves(decisions: Decisions) -> list[tuple[float, str]]:
    """When routes left their first candidate, after which they are named."""
    return [
        (at_s, decision.route)
        for at_s, decision in decisions
        if decision.move is MoveKind.FAILOVER and decision.before == decision.route
    ]


def _quiet_world(wanted: Configuration, probes: float, promised_per_day: float) -> Scenario:
    """Of about so many probes."""
    names = [f"a/m{number}" for number in range(len(wanted.intervals_s))]
    siblings: Mapping[str, str] = dict(zip(names, [*names[1:], *names[:1]], strict=True)) if wanted.sibling else {}
    routes = [
        Route(name=name, candidates=(name, *([siblings[name]] if wanted.sibling else []), "b/m1")) for name in names
    ]
    made_up = settings(Path("/nowhere"), *names, "b/m1", routes=routes)
    intervals_s = [*wanted.intervals_s, max(wanted.intervals_s)]
    targets = tuple(
        replace(target, interval_s=float(interval_s), checks=wanted.checks, price=_PRICE if wanted.unpaid > 1 else None)
        for target, interval_s in zip(made_up.targets, intervals_s, strict=True)
    )
    controller = replace(made_up.controller, false_failovers_per_day=promised_per_day)
    made_up = _paced(replace(made_up, targets=targets, controller=controller), wanted.unpaid)
    if wanted.regions > 1:
        made_up = in_regions(made_up, [f"r{number}" for number in range(wanted.regions)])
    blips = controller.blips
    return Scenario(
        path=Path("quiet"),
        settings=made_up,
        duration_s=probes / sum(1 / target.interval_s for target in made_up.targets),
        background=QuietBehaviour(),
        blips=BlipStream(per_day=blips.per_day, length=blips.length, failure_rate=blips.failure_rate),
    )


def _paced(configured: Settings, unpaid: float) -> Settings:
    """With the intervals that a budget allows which pays for one probe in so many, as the service has them."""
    if unpaid == 1:
        return configured
    prices = probe_prices(configured)
    wanted_usd = sum(_MONTH_S / target.interval_s * (prices[target.id] or 0.0) for target in configured.targets)
    budget = BudgetSettings(usd_per_month=wanted_usd / unpaid)
    return apply_budget(replace(configured, budget=budget), prices)[0]
