"""`hotspare simulate`: many seeds on all cores, and what they come to."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from controller.cli import output as answers
from controller.cli.terminal import terminal
from controller.simulation import scenario_file
from controller.simulation.loop import run_seed
from controller.simulation.metrics import SeedMetrics, measure
from controller.simulation.results import Results
from controller.simulation.scenario import Scenario
from controller.simulation.workers import spread
from controller.simulation.world import build_timelines
from monitor.formatting import format_duration, format_share, plural, span
from monitor.settings import Settings
from probes import pricing


def run(path: Path, *, seeds: int, first_seed: int, jobs: int | None, as_json: bool) -> int:
    """Simulate the scenario in this file and print the answer; raises ConfigError.

    `jobs` processes do the work, one per core by default; the answer does not depend on their number.
    """
    scenario = scenario_file.read(path, os.environ)
    answers.warn(scenario.warnings)
    document = simulate(scenario, seeds=seeds, first_seed=first_seed, jobs=jobs, progress=True)
    if as_json:
        answers.print_document(document)
    else:
        show(document, scenario)
    return answers.OK


def simulate(
    scenario: Scenario, *, seeds: int, first_seed: int = 0, jobs: int | None = None, progress: bool = False
) -> dict[str, Any]:
    """The document of `simulate --json` for so many seeds, from `first_seed` on; progress on a terminal."""
    began_s = time.perf_counter()
    scenario = replace(scenario, probe_usd=prices(scenario.settings))
    results = Results(scenario)
    errors = Console(stderr=True)
    # The processes begin before the progress does: a fork and its thread do not go together.
    with (
        spread(partial(one_seed, scenario), range(first_seed, first_seed + seeds), jobs) as tallies,
        Progress(console=errors, transient=True, disable=not (progress and errors.is_terminal)) as bar,
    ):
        for one in bar.track(tallies, total=seeds, description="simulating"):
            results.add(one)
    return results.document(first_seed=first_seed, wall_s=time.perf_counter() - began_s)


def one_seed(scenario: Scenario, seed: int) -> SeedMetrics:
    """One seed, from its world to what it comes to."""
    timelines = build_timelines(scenario, seed)
    return measure(scenario, timelines, run_seed(scenario, timelines, seed))


def prices(settings: Settings) -> dict[str, float | None]:
    """What a good probe costs, by target id, for the usual numbers of tokens; None where the price is not known."""
    return {target.id: pricing.usual_usd(target) for target in settings.targets}


def show(document: dict[str, Any], scenario: Scenario, console: Console | None = None) -> None:
    """The answer for people."""
    console = console or terminal()
    seeds = plural(document["seeds"], "seed")
    head = f"{document['scenario']}: {seeds} of {format_duration(scenario.duration_s)}"
    console.print(f"{head}, {span(document['virtual_s'])} in {document['wall_s']:.1f} s", markup=False)
    if document["outages"]:
        console.print(_outages(document))
    else:
        console.print("no outages")
    for line in _sentences(document):
        console.print(line, markup=False)


def _outages(document: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("outage", overflow="fold")
    for name in ("flipped", "time to flip (p95)", "back after (p95)", "flips", "failed, of those without failover"):
        table.add_column(name, justify="right")
    for one in document["outages"]:
        what = f"{format_share(one['failure_rate'])} {one['outcome']}" if one["failure_rate"] else "slow"
        table.add_row(
            Text(f"{one['targets']} {what} at {format_duration(one['at_s'])} for {format_duration(one['for_s'])}"),
            f"{one['flipped']} of {one['runs']}",
            _times(one["time_to_flip_s"]),
            _times(one["time_to_failback_s"]),
            "–" if one["flips_per_outage"] is None else f"{one['flips_per_outage']:.2f}",
            _share(one["requests"], slow=not one["failure_rate"] or one["outcome"] == "slow"),
        )
    return table


def _times(spread: dict[str, float | None]) -> str:
    mean, late = spread["mean"], spread["p95"]
    return "–" if mean is None or late is None else f"{_short(mean)} ({_short(late)})"


def _short(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.1f} min"


def _share(requests: dict[str, int], *, slow: bool) -> str:
    """How many failed, or were slow where nothing fails, against how many would have been."""
    if not requests["total"]:
        return "–"
    were = requests["slow" if slow else "failed"]
    would = requests["slow_without_failover" if slow else "failed_without_failover"]
    return f"{were:,} of {would:,}" + (" slow" if slow else "") + (f" ({were / would:.1%})" if would else "")


def _days(days: float) -> str:
    return f"{days:.1f}" if days < 10 else f"{days:,.0f}"


def _few(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:,.0f}"


def _sentences(document: dict[str, Any]) -> Iterator[str]:
    false = document["false_failovers"]
    low, high = false["per_route_90d_95"]
    yield (
        f"false failovers: {false['count']} in {_days(false['route_days'])} days of routes:"
        f" {_few(false['per_route_90d'])} per route and 90 days (95 %: {_few(low)} to {_few(high)})"
    )
    probes, fixed = document["probes"], document["probes_at_fixed_interval"]
    usd = "price unknown" if document["probe_usd"] is None else f"${document['probe_usd']:.2f}"
    yield f"probes: {probes:,}, {probes / max(1, fixed):.3f} × those at a fixed interval; {usd}"
    requests = document["requests"]
    if requests["total"]:
        saved = requests["failed_without_failover"] - requests["failed"]
        came_to = f"{saved:,} were saved" if saved >= 0 else f"failover cost {-saved:,}"
        yield (
            f"requests: {requests['failed']:,} of {requests['total']:,} failed;"
            f" without failover {requests['failed_without_failover']:,}, so {came_to}"
        )
