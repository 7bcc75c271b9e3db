"""`hotspare simulate`: runs a scenario in the simulation and prints what happened."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_jobs, add_json, add_schema, count, seed
from controller.simulation import scenario_file
from controller.simulation.runner import simulate
from controller.simulation.scenario import Scenario
from controller.simulation.scenario_schema import ScenarioDocument
from monitor.formatting import format_duration, format_share, plural, span


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `simulate`."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.yaml")
    text = "how many worlds to go through (default: %(default)s)"
    parser.add_argument("--seeds", type=count, default=20, metavar="N", help=text)
    text = "the first seed, to see others (default: %(default)s)"
    parser.add_argument("--seed", type=seed, default=0, metavar="K", help=text)
    add_jobs(parser)
    add_json(parser)
    add_schema(parser, ScenarioDocument, "A scenario for hotspare simulate")


def run(args: argparse.Namespace) -> int:
    """Simulate the scenario and print the answer; raises ConfigError."""
    scenario = scenario_file.read(args.scenario, os.environ)
    output.warn(scenario.warnings)
    with output.progress_bar("simulating") as on_progress:
        document = simulate(scenario, seeds=args.seeds, first_seed=args.seed, jobs=args.jobs, on_progress=on_progress)
    if args.json:
        output.print_document(document)
    else:
        print_simulation(document, scenario)
    return output.OK


def print_simulation(document: dict[str, Any], scenario: Scenario, console: Console | None = None) -> None:
    """Print the answer for people, on standard output by default."""
    console = console or output.terminal()
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
