"""What was asked of our rule, and what was measured: one line each."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.detection import bounds
from benchmarks.detection.scenarios import BACKGROUND
from benchmarks.detection.study import MODELS, OURS, Cell, Results
from benchmarks.detection.tables import back_s, best, ours, percent, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One line."""

    what: str
    targets: int
    bound: str
    measured: str
    met: bool


def demands(results: Results) -> Iterator[Demand]:
    """All demands, in the order of the report."""
    yield from _most(results, "mean time to flip at 50 %", 0.5, {1: 57, 4: 29})
    yield from _p95(results)
    yield from _most(results, "mean time to flip at 20 %", 0.2, {1: 180, 4: 70})
    yield from _most(results, "mean time to flip at 100 %", 1.0, {1: 27, 4: 15})
    yield from _against_peers(results)
    yield from _against_the_floor(results)
    yield from _quiet(results)
    yield from _moves(results)


def text(results: Results) -> str:
    """The table of them: one row for each demand, two columns for each number of targets."""
    rows: dict[str, dict[int, list[str]]] = {}
    for demand in demands(results):
        measured = demand.measured if demand.met else f"**{demand.measured}: not kept**"
        rows.setdefault(demand.what, {})[demand.targets] = [demand.bound, measured]
    cells = [[what, *(cell for models in MODELS for cell in row.get(models, ["–", "–"]))] for what, row in rows.items()]
    return table(["what", "one target: asked", "measured", "four targets: asked", "measured"], cells)


def _most(results: Results, what: str, rate: float, limits: dict[int, float]) -> Iterator[Demand]:
    for models in MODELS:
        figures = ours(models).outage(results, rate)
        yield Demand(
            what=what,
            targets=models,
            bound=f"≤ {limits[models]} s",
            measured=f"{figures.mean_s:.1f} ± {figures.error_s:.1f} s",
            met=figures.mean_s <= limits[models] and figures.flipped == figures.runs,
        )


def _p95(results: Results) -> Iterator[Demand]:
    for models, limit in {1: 140, 4: 56}.items():
        value = ours(models).outage(results, 0.5).quantile_s(0.95)
        yield Demand(
            what="p95 at 50 %", targets=models, bound=f"≤ {limit} s", measured=f"{value:.0f} s", met=value <= limit
        )


def _against_peers(results: Results) -> Iterator[Demand]:
    for models, times in {1: 2.5, 4: 5.0}.items():
        peer = best(results, models=models)
        if peer:
            theirs_s, own_s = peer.outage(results, 0.5).mean_s, ours(models).outage(results, 0.5).mean_s
            yield Demand(
                what="sooner at 50 % than the best peer that probes",
                targets=models,
                bound=f"≥ {times} ×",
                measured=f"{theirs_s / own_s:.2f} ×",
                met=theirs_s / own_s >= times,
            )


def _against_the_floor(results: Results) -> Iterator[Demand]:
    for models in MODELS:
        ratio = ours(models).outage(results, 0.5).mean_s / bounds.earliest_s(0.5, targets=models)
        yield Demand(
            what="against the earliest moment that the schedule allows, at 50 %",
            targets=models,
            bound="≤ 1.35 ×",
            measured=f"{ratio:.2f} ×",
            met=ratio <= 1.35,
        )


def _quiet(results: Results) -> Iterator[Demand]:
    for models, limit in {1: 1, 4: 1}.items():
        figures = ours(models).quiet(results, blips=True)
        yield Demand(
            what="false failovers per route and 90 days, with blips",
            targets=models,
            bound=f"≤ {limit}",
            measured=f"{figures.false_per_quarter:.2f} ({figures.false_seen} in {figures.quarters:.0f} route quarters)",
            met=figures.false_per_quarter <= limit,
        )
    for models, most in {1: 1.09, 4: 1.09}.items():
        probes = ours(models).quiet(results, blips=True).probes
        yield Demand(
            what="probes in quiet time, against a fixed interval",
            targets=models,
            bound=f"≤ {most:.2f} ×",
            measured=f"{probes:.3f} ×",
            met=probes <= most,
        )


def _moves(results: Results) -> Iterator[Demand]:
    lost = ours(4).outage(results, 0.5).lost
    yield Demand(
        what="requests that users lose in an hour at 50 %, of those without failover",
        targets=4,
        bound="≤ 3 %",
        measured=f"{percent(lost)} %",
        met=lost <= 0.03,
    )
    for models in MODELS:
        hours = [ours(models).outage(results, rate) for rate in (0.2, 0.5, 1.0)]
        mean = max(hour.flips for hour in hours)
        yield Demand(
            what="flips per outage of 20 % and more (the highest mean of 20, 50 and 100 %)",
            targets=models,
            bound="≤ 2.02",
            measured=f"{mean:.2f} (at most {max(hour.most_flips for hour in hours)} in one)",
            met=mean <= 2.02,
        )
    for models in MODELS:
        mean_s, p95_s = back_s(ours(models).outage(results, 0.5))
        yield Demand(
            what="back after the end of an outage of 50 %, mean (p95)",
            targets=models,
            bound="≤ 8 min (12 min)",
            measured=f"{mean_s / 60:.1f} min ({p95_s / 60:.1f} min)",
            met=mean_s <= 480 and p95_s <= 720,
        )
    for models in MODELS:
        own = results[Cell(rule=OURS, case="own-network", models=models, background=BACKGROUND)]
        yield Demand(
            what="flips while our own network is down",
            targets=models,
            bound="0",
            measured=f"{own.flips * own.runs:.0f} ({own.runs} runs)",
            met=own.flips == 0,
        )
    sick = results[Cell(rule=OURS, case="sick-model", models=4, background=BACKGROUND)]
    yield Demand(
        what="flips of the siblings of one sick model",
        targets=4,
        bound="0",
        measured=f"{sick.others_moved * 3 * sick.runs:.0f} ({sick.runs} runs)",
        met=sick.others_moved == 0,
    )
