"""Every rule in every case over many seeds, on all cores, with progress on a terminal."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.detection import ours, runner, scenarios
from benchmarks.detection.measure import Figures, Outcome, figures, outcome
from benchmarks.detection.peers import PEERS, Peer
from benchmarks.detection.scenarios import BACKGROUND, DAY_S, Case
from controller.simulation.world import build_timelines

OURS = "Hotspare"
RATES = (0.1, 0.2, 0.5, 1.0)
BACKGROUNDS = (0.001, 0.005, 0.01, 0.03)
MODELS = (1, 4)
#: Time for a background rate to be learned, where it is not the one that everybody expects.
LEARNING_S = DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How many seeds of what."""

    outages: int
    costly: int
    """Outages under rules that judge traffic or probe from many places; other troubles under any rule but ours."""
    troubles: int
    """Other troubles under our rule."""
    spread: int
    """Outages at each of the other background rates; ten times as many where they are cheap to run."""
    quarters: int
    """Quiet quarters with blips; at other backgrounds, and without blips, a sixth of them."""
    days: float = 90.0
    """How long a quiet quarter is made."""


FULL = Effort(outages=300, costly=40, troubles=200, spread=20, quarters=6)
QUICK = Effort(outages=6, costly=2, troubles=2, spread=2, quarters=1, days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One rule in one case."""

    rule: str
    case: str
    models: int
    background: float = BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some seeds of one cell."""

    cell: Cell
    case: Case
    seeds: range


Results = Mapping[Cell, Figures]
Wanted = tuple[Cell, Case, int, int]
"""Each cell with its case, how many seeds, and how many of them make a job."""


def study(effort: Effort) -> Results:
    """All figures of the report. Minutes of both cores; the same effort gives the same figures."""
    return lived(_cells(effort))


def lived(cells: Iterable[Wanted]) -> Results:
    """What came of these cells, on all cores, in any order of their jobs; the same cells give the same."""
    jobs = _jobs(cells)
    outcomes: dict[int, list[Outcome]] = {}
    with _progress() as progress, ProcessPoolExecutor() as workers:
        task = progress.add_task("runs", total=sum(len(job.seeds) for job in jobs))
        futures = {workers.submit(work, job): number for number, job in enumerate(jobs)}
        for future in as_completed(futures):
            number = futures[future]
            outcomes[number] = future.result()
            progress.update(task, advance=len(jobs[number].seeds), description=jobs[number].cell.rule)
    return {cell: _figures(cell, jobs, outcomes) for cell in dict.fromkeys(job.cell for job in jobs)}


def _figures(cell: Cell, jobs: Sequence[Job], outcomes: Mapping[int, list[Outcome]]) -> Figures:
    own = [number for number, job in enumerate(jobs) if job.cell == cell]
    return figures(jobs[own[0]].case, [run for number in own for run in outcomes[number]])


def work(job: Job) -> list[Outcome]:
    """Live through the job's seeds."""
    return [_live_through(job.cell.rule, job.case.seeded(seed), seed) for seed in job.seeds]


def _live_through(rule: str, case: Case, seed: int) -> Outcome:
    timelines = build_timelines(case.scenario, seed)
    if rule == OURS:
        run = ours.run(case.scenario, timelines, seed)
    else:
        run = runner.run(peer_named(rule), case.scenario, timelines, seed)
    return outcome(case, timelines, run.moves, run.probes)


def peer_named(name: str) -> Peer:
    """The peer; raises StopIteration when there is none of this name."""
    return next(peer for peer in PEERS if peer.name == name)


def lone(peer: Peer) -> bool:
    """Whether it judges each target alone, so that siblings make no difference to it."""
    return not peer.by_provider


def _progress() -> Progress:
    """On a terminal only; what is printed for the report stays clean."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:24}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True)


def _jobs(cells: Iterable[Wanted]) -> list[Job]:
    """The long ones first, so that no core waits for the last one alone."""
    cut = [job for cell, case, seeds, chunk in cells for job in _chunks(cell, case, seeds, chunk)]
    return sorted(cut, key=lambda job: -job.case.scenario.duration_s * len(job.case.scenario.settings.targets))


def _chunks(cell: Cell, case: Case, seeds: int, chunk: int) -> Iterator[Job]:
    for first in range(0, seeds, chunk):
        yield Job(cell=cell, case=case, seeds=range(first, min(seeds, first + chunk)))


def _cells(effort: Effort) -> Iterator[Wanted]:
    for rule, peer, models in _entrants():
        costly = peer is not None and (peer.passive or peer.probing.places > 1)
        for rate in RATES:
            case = scenarios.outage(rate, models=models)
            yield _cell(rule, case), case, effort.costly if costly else effort.outages, 20
        for blips in (False, True):
            yield from _quarters(effort, rule, peer, models, BACKGROUND, blips=blips)
        if peer is None or not peer.passive:
            yield from _spread(effort, rule, peer, models)
    for case in scenarios.troubles():
        for rule in (OURS, *(peer.name for peer in PEERS)):
            yield _cell(rule, case), case, effort.troubles if rule == OURS else effort.costly, 20


def _entrants() -> Iterator[tuple[str, Peer | None, int]]:
    for models in MODELS:
        yield OURS, None, models
        for peer in PEERS:
            if models == 1 or not lone(peer):
                yield peer.name, peer, models


def _spread(effort: Effort, rule: str, peer: Peer | None, models: int) -> Iterator[Wanted]:
    """The other background rates."""
    for background in BACKGROUNDS:
        if background == BACKGROUND:
            continue
        for rate in RATES[1:]:
            case = scenarios.outage(rate, models=models, background=background, lead_s=LEARNING_S)
            yield _cell(rule, case, background), case, effort.spread * (10 if _cheap(peer) else 1), 20
        yield from _quarters(effort, rule, peer, models, background, blips=True)


def _quarters(
    effort: Effort, rule: str, peer: Peer | None, models: int, background: float, *, blips: bool
) -> Iterator[Wanted]:
    """Quiet times; more of them where they are cheap to run, and less where many probes or requests make them dear."""
    seeds = effort.quarters if blips and background == BACKGROUND else math.ceil(effort.quarters / 6)
    days = effort.days
    if peer and (peer.passive or peer.probing.places > 1):
        days, seeds = days / 10, math.ceil(seeds / 3)
    elif _cheap(peer):
        seeds *= 4
    case = scenarios.quiet(models=models, blips=blips, background=background, days=days)
    yield _cell(rule, case, background), case, seeds, 4 if peer and lone(peer) else 1


def _cheap(peer: Peer | None) -> bool:
    """Whether its quiet times can be skipped over, nearly all of them."""
    return peer is not None and lone(peer) and not peer.passive and peer.probing.places == 1


def _cell(rule: str, case: Case, background: float = BACKGROUND) -> Cell:
    return Cell(rule=rule, case=case.name, models=case.models, background=background)
