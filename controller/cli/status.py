"""`hotspare status`: what is known right now, read from the database of a service that may be running."""

import argparse
from functools import partial

from rich.console import Console

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from controller.cli.layout import print_lines
from controller.cli.status_screen import fitted_screen, whole_screen
from controller.cli.watch import watch_documents, watch_screen
from controller.status.document import status_document
from controller.status.overview import Overview, read
from monitor.health import FAILING
from monitor.liveness import Liveness
from monitor.storage.database import open_reader, shared_now


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    add_config(parser)
    add_json(parser)
    text = "also timelines, evidence, and what does not fit on the screen"
    parser.add_argument("-v", "--verbose", action="store_true", help=text)
    text = "stay, and show it anew every two seconds; with --json, one document on each line"
    parser.add_argument("-w", "--watch", action="store_true", help=text)


def run(args: argparse.Namespace) -> int:
    """Print it; 1 when a target fails or the service is not running, 2 when there is no database to read."""
    settings = load_settings(args.config, keys=False)
    engine = open_reader(settings.database)

    def read_now() -> Overview:
        return read(settings, engine, shared_now(settings.database))

    if args.watch and args.json:
        watch_documents(lambda: status_document(read_now()))
    if args.watch:
        watch_screen(read_now, fitted_screen)
    overview = read_now()
    output.print_answer(args, status_document(overview), partial(print_overview, verbose=args.verbose), overview)
    failing = any(target.state.health in FAILING for target in overview.targets)
    unpublished = any(route.published is not None for route in overview.routes)
    good = not failing and not unpublished and overview.service.liveness is Liveness.RUNNING
    return output.OK if good else output.BAD_NEWS


def print_overview(overview: Overview, console: Console, *, verbose: bool = False) -> None:
    """Print for people: what goes on one screen, or with `verbose` all of it; a pipe has no end."""
    rows = console.height - 1 if console.is_terminal else None  # the last is for the prompt that follows
    print_lines(console, whole_screen(overview, console) if verbose else fitted_screen(overview, console, rows))
