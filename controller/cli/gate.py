"""`hotspare gate`: whether a route had trouble lately, for scripts that deploy."""

import argparse
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings, past_duration
from controller.cli.layout import print_lines, wrap
from controller.journal import Journal
from controller.routing.operator_requests import OperatorRequest, check_names
from controller.routing.overrides import ALL, OverrideKind
from controller.status.gate import troubles, unwatched
from monitor.liveness import service_status
from monitor.storage.database import open_reader, shared_now
from monitor.storage.store import Store

_USUAL_S = 3600.0
_MOST_DECISIONS = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gate`."""
    add_config(parser)
    parser.add_argument("route", metavar="ROUTE|all", help="a route of the configuration, or all of them")
    text = "how far back trouble counts (default: 1h)"
    parser.add_argument("--within", type=past_duration, default=_USUAL_S, metavar="DURATION", help=text)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was wrong; 0 when nothing was, 1 when the route had trouble or nobody watches, 2 for a wrong name."""
    settings, within = load_settings(args.config, keys=False), timedelta(seconds=args.within)
    now = shared_now(settings.database)
    check_names(settings, OperatorRequest(kind=OverrideKind.PAUSE, subject=args.route, reason="", author=""))
    engine = open_reader(settings.database)
    journal, store = Journal(engine), Store(engine)
    incidents = [*journal.resolved_since(now - within), *journal.open_incidents()]
    pointed, states, decisions = journal.routes(), store.states(), journal.decisions(_MOST_DECISIONS)
    found = unwatched(service_status(store.last_beat(), now))
    for route in (route for route in settings.routes if args.route in {route.name, ALL}):
        at = pointed.get(route.name)
        saved = states.get(at.target) if at else None
        state = saved.health if saved else None
        found += troubles(route, incidents=incidents, decisions=decisions, state=state, within=within, now=now)
    found = list(dict.fromkeys(found))  # an incident may touch several routes
    output.print_answer(args, {"good": not found, "troubles": found}, _print, found)
    return output.BAD_NEWS if found else output.OK


def _print(troubles: Sequence[str], console: Console) -> None:
    for line in troubles or ["no trouble"]:
        print_lines(console, wrap(Text(line), console.width, indent=2))
