"""`hotspare report`: how well targets and routes served users in a period, and what it cost."""

import argparse
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings, past_duration
from controller.cli.layout import plain_table, print_lines, wrap
from controller.history import report as words
from controller.history import request_costs
from controller.history.queries import read_report
from controller.history.report import Report
from controller.history.request_costs import RequestCosts
from monitor.storage.database import open_reader, shared_now

_MONTH_S = 30 * 86400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    add_config(parser)
    add_json(parser)
    help_text = "how far back, such as 12h or 90d (default: 30d); more than two days begin at midnight UTC"
    parser.add_argument("--since", type=past_duration, default=_MONTH_S, metavar="DURATION", help=help_text)
    parser.add_argument("--markdown", action="store_true", help="as Markdown, for a ticket or a wiki")


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 when a route misses its objective (`slo`), 2 when there is no database."""
    settings = load_settings(args.config, keys=False)
    engine, now = open_reader(settings.database), shared_now(settings.database)
    report = read_report(engine, settings, timedelta(seconds=args.since), now)
    if args.markdown and not args.json:
        output.print_lines([words.markdown(report).rstrip("\n")])
    else:
        output.print_answer(args, words.document(report), _print, report)
    return output.BAD_NEWS if any(route.misses for route in report.routes) else output.OK


def _print(report: Report, console: Console) -> None:
    console.print(Text(words.headline(report), style="bold"))
    console.print()
    first, *figures, last = words.ROUTE_COLUMNS
    routes = plain_table(first, figures=figures, prose=last)
    for route in report.routes:
        routes.add(*words.route_cells(route), style="bold red" if route.misses else "")
    routes.print(console)
    for line in words.drill_lines(report):
        print_lines(console, wrap(Text(line), console.width, indent=2))
    console.print()
    targets = plain_table(words.TARGET_COLUMNS[0], figures=words.TARGET_COLUMNS[1:])
    for target in report.targets:
        targets.add(*words.target_cells(target))
    targets.print(console)
    console.print()
    for line in words.incident_lines(report):
        print_lines(console, wrap(Text(line), console.width, indent=2))
    console.print(Text(words.totals(report)))
    if report.requests:
        _print_requests(report.requests, console)


def _print_requests(costs: RequestCosts, console: Console) -> None:
    console.print()
    print_lines(console, wrap(Text(costs.sentence), console.width))
    console.print()
    every = plain_table("requests of", figures=request_costs.COLUMNS)
    for cells in request_costs.rows(costs):
        every.add(*cells)
    every.print(console)
    if costs.candidates:
        console.print()
        route, candidate, *figures = request_costs.CANDIDATE_COLUMNS
        candidates = plain_table(route, candidate, figures=figures)
        for cells in request_costs.candidate_rows(costs):
            candidates.add(*cells)
        candidates.print(console)
