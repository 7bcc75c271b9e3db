"""`make bench ARGS=regret`: every world over several seeds, under our rule and those of others."""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.detection import ours, runner
from benchmarks.detection.peers import PEERS
from benchmarks.detection.study import OURS, peer_named
from benchmarks.detection.tables import table
from benchmarks.regret.measure import Course, Standing, allowed, course, standing
from benchmarks.regret.worlds import World, worlds
from controller.simulation.world import build_timelines

#: Seeds under our rule; under rules that judge each target by one probe an interval; under the others, which are dear.
_OURS, _PROBING, _COSTLY = 20, 10, 2

_Courses = Mapping[str, Mapping[str, Sequence[Course]]]
"""By rule and world, one for each seed."""


def main(*, quick: bool = False, given: Sequence[World] = ()) -> None:
    """Print where Hotspare stands per world and in all, and where others would; quickly: two seeds.

    Hotspare alone lives through the worlds that are given besides, which are summed up by themselves.
    """
    made = worlds()
    rules = {peer.name: min(2, _seeds(peer.name)) if quick else _seeds(peer.name) for peer in PEERS}
    ours_alone = {OURS: 2 if quick else _OURS}
    if given:
        own = _lived(ours_alone, given)[OURS]
        print(_per_world(given, own), end="\n\n")
        print(_in_all({"the scenarios given": given}, own), end="\n\n")
    courses = _lived(ours_alone | rules, made)
    print(_per_world(made, courses[OURS]), end="\n\n")
    print(_in_all(_groups(made), courses[OURS]), end="\n\n")
    print(_others(made, courses))


def _seeds(name: str) -> int:
    peer = peer_named(name)
    return _COSTLY if peer.passive or peer.probing.places > 1 else _PROBING


def _lived(rules: Mapping[str, int], made: Sequence[World]) -> _Courses:
    """Everybody's courses, on all cores; the same arguments give the same."""
    names = [world.name for world in made]
    courses: dict[str, dict[str, Sequence[Course]]] = {rule: dict.fromkeys(names, ()) for rule in rules}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:24}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    progress = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
    with progress, ProcessPoolExecutor() as workers:
        task = progress.add_task("worlds", total=len(rules) * len(made))
        futures = {
            workers.submit(live, rule, world, seeds): (rule, world.name)
            for rule, seeds in rules.items()
            for world in made
        }
        for future in as_completed(futures):
            rule, name = futures[future]
            courses[rule][name] = future.result()
            progress.update(task, advance=1, description=rule)
    return courses


def live(rule: str, world: World, seeds: int) -> list[Course]:
    """One rule in one world, from the seeds 0 to `seeds` − 1."""
    found = []
    for seed in range(seeds):
        late = world.seeded(seed)
        timelines = build_timelines(late.scenario, seed)
        if rule == OURS:
            run = ours.run(late.scenario, timelines, seed)
        else:
            run = runner.run(peer_named(rule), late.scenario, timelines, seed)
        found.append(course(late, timelines, run.moves))
    return found


def shown(value: float, error: float = math.nan, *, digits: int = 3) -> str:
    """A figure, and its standard error where it has one; a dash where there is none."""
    text = "–" if math.isnan(value) else f"{value:,.{digits}f}"
    return text if math.isnan(error) else f"{text} ± {error:,.{digits}f}"


def _together(made: Iterable[World], courses: Mapping[str, Sequence[Course]]) -> Standing:
    return standing(list(zip(*(courses[world.name] for world in made), strict=True)))


def _per_world(made: Sequence[World], courses: Mapping[str, Sequence[Course]]) -> str:
    rows = []
    for world in made:
        figures = _together([world], courses)
        over = figures.lost - allowed(world, figures)
        rows.append(
            [
                world.name,
                world.says,
                f"{figures.nothing:,.0f}",
                f"{figures.oracle:,.0f}",
                shown(figures.lost, figures.lost_error, digits=0),
                shown(figures.ratio, digits=2),
                shown(figures.regret, figures.regret_error),
                shown(figures.moves_per_hit, digits=2),
                f"**{over:,.0f}**" if over > 0 else "no",
            ]
        )
    header = ["world", "what happens", "no failover", "oracle", "Hotspare", "lost / oracle", "regret", "flips"]
    return table([*header, "over the bound"], rows)


def _groups(made: Sequence[World]) -> dict[str, list[World]]:
    return {
        "without breathing backgrounds": [world for world in made if not world.breathing],
        "with breathing backgrounds alone": [world for world in made if world.breathing],
        "all worlds": list(made),
        "of these, three candidates fail partly": [world for world in made if world.partly],
    }


def _in_all(groups: Mapping[str, Sequence[World]], courses: Mapping[str, Sequence[Course]]) -> str:
    rows = []
    for says, group in groups.items():
        figures = _together(group, courses)
        rows.append(
            [
                says,
                f"{figures.nothing:,.0f}",
                f"{figures.oracle:,.0f}",
                shown(figures.lost, figures.lost_error, digits=0),
                shown(figures.ratio, digits=2),
                shown(figures.regret, figures.regret_error),
                shown(figures.moves_per_hit, digits=2),
            ]
        )
    return table(["Hotspare", "no failover", "oracle", "lost", "lost / oracle", "regret", "flips"], rows)


def _others(made: Sequence[World], courses: _Courses) -> str:
    rows = []
    for rule, own in courses.items():
        still, breathing, everything, _ = (_together(group, own) for group in _groups(made).values())
        worst = max(made, key=lambda world: _excess(world, own))
        rows.append(
            [
                f"**{rule}**" if rule == OURS else rule,
                shown(still.ratio, digits=2),
                shown(breathing.ratio, digits=2),
                shown(everything.ratio, digits=2),
                shown(everything.regret, everything.regret_error),
                shown(everything.moves_per_hit, digits=1),
                f"{_excess(worst, own):+,.0f} ({worst.name})",
            ]
        )
    header = ["rule", "lost / oracle, not breathing", "breathing", "all", "regret, all", "flips"]
    return table([*header, "worst world against doing nothing"], rows)


def _excess(world: World, courses: Mapping[str, Sequence[Course]]) -> float:
    figures = _together([world], courses)
    return figures.lost - figures.nothing
