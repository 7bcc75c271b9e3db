"""`hotspare simulate`: runs a scenario in the simulation and prints what happened."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from controller.cli import output
from controller.cli.arguments import add_jobs, add_json, add_schema, count, seed
from controller.cli.layout import TextTable, plain_table
from controller.cli.output import seconds_or_minutes
from controller.simulation import scenario_file
from controller.simulation.runner import simulate
from controller.simulation.scenario import Scenario
from controller.simulation.scenario_file import ScenarioDocument
from monitor.formatting import format_duration, format_elapsed, format_share, listed, plural

#: How many stretched targets are named.
_NAMED = 5


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
    output.print_answer(args, document, print_simulation, document, scenario)
    return output.OK


def print_simulation(document: dict[str, Any], scenario: Scenario, console: Console) -> None:
    """Print the answer for people."""
    seeds = plural(document["seeds"], "seed")
    head = f"{document['scenario']}: {seeds} of {format_duration(scenario.duration_s)}"
    console.print(f"{head}, {format_elapsed(document['virtual_s'])} in {document['wall_s']:.1f} s", markup=False)
    if document["outages"]:
        _outages(document).print(console)
    else:
        console.print("no outages")
    for line in _sentences(document):
        console.print(line, markup=False)


def _outages(document: dict[str, Any]) -> TextTable:
    headings = ("flipped", "time to flip (p95)", "back after (p95)", "flips", "failed, of those without failover")
    table = plain_table("outage", figures=headings)
    for outage in document["outages"]:
        rate, flips = outage["failure_rate"], outage["flips_per_outage"]
        what = f"{format_share(rate)} {outage['outcome']}" if rate else "slow"
        when = f"at {format_duration(outage['at_s'])} for {format_duration(outage['for_s'])}"
        table.add(
            f"{outage['targets']} {what} {when}",
            f"{outage['flipped']} of {outage['runs']}",
            _times(outage["time_to_flip_s"]),
            _times(outage["time_to_failback_s"]),
            "–" if flips is None else f"{flips:.2f}",
            _share(outage["requests"], slow=not rate or outage["outcome"] == "slow"),
        )
    return table


def _times(summary: dict[str, float | None]) -> str:
    mean, p95 = summary["mean"], summary["p95"]
    return "–" if mean is None else f"{seconds_or_minutes(mean)} ({seconds_or_minutes(p95)})"


def _share(requests: dict[str, int], *, slow: bool) -> str:
    """How many failed, or were slow where nothing fails, against how many would have been."""
    if not requests["total"]:
        return "–"
    kind = "slow" if slow else "failed"
    actual, without = requests[kind], requests[f"{kind}_without_failover"]
    return f"{actual:,} of {without:,}" + (" slow" if slow else "") + (f" ({actual / without:.1%})" if without else "")


def _rounded(number: float, digits: int) -> str:
    return f"{number:.{digits}f}" if number < 10 else f"{number:,.0f}"


def _sentences(document: dict[str, Any]) -> Iterator[str]:
    false = document["false_failovers"]
    low, high = false["per_route_90d_95"]
    yield (
        f"false failovers: {false['count']} in {_rounded(false['route_days'], 1)} days of routes:"
        f" {_rounded(false['per_route_90d'], 2)} per route and 90 days"
        f" (95 %: {_rounded(low, 2)} to {_rounded(high, 2)})"
    )
    probes, fixed = document["probes"], document["probes_at_fixed_interval"]
    usd = "price unknown" if document["probe_usd"] is None else f"${document['probe_usd']:.2f}"
    yield f"probes: {probes:,}, {probes / max(1, fixed):.3f} × those at a fixed interval; {usd}"
    if stretched := document["stretched_interval_s"]:
        paces = [f"{target} every {format_duration(round(at_s, 1))}" for target, at_s in stretched.items()]
        yield f"the budget does not pay for the configured intervals: {listed(paces, _NAMED)}"
    requests = document["requests"]
    if requests["total"]:
        saved = requests["failed_without_failover"] - requests["failed"]
        came_to = f"{saved:,} were saved" if saved >= 0 else f"failover cost {-saved:,}"
        yield (
            f"requests: {requests['failed']:,} of {requests['total']:,} failed;"
            f" without failover {requests['failed_without_failover']:,}, so {came_to}"
        )
