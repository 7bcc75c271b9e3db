"""`hotspare init`: a first configuration from the keys that are in the environment, checked and planned."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from controller.cli import check, output, plan
from controller.cli.arguments import add_config, add_json, load_settings
from controller.routing.operator_requests import RefusedError
from monitor.config.starter import STARTERS, Starter, left_out, starter_yaml, starters_in
from monitor.formatting import listed

_NEXT = "hotspare up -c {}   # the service, and its page at http://127.0.0.1:8501"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `init`."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--offline", action="store_true", help="ask no provider whether its key works")


def run(args: argparse.Namespace) -> int:
    """Write the file, check it, and say what it will do; asks nothing, and overwrites nothing.

    1 when a provider does not answer rightly, or the plan cannot keep a promise; raises RefusedError where there is no
    key, or a file.
    """
    variables = {name for name, value in os.environ.items() if value.strip()}
    found = starters_in(variables)
    if not found:
        known = listed([starter.variables[0] for starter in STARTERS])
        raise RefusedError(f"no provider's key is in the environment; export at least one of {known}")
    _write(args.config, starter_yaml(found))
    output.warn(left_out(variables))
    return _try(args, found)


def _write(path: Path, text: str) -> None:
    """Write a new file; raises RefusedError where something is there, or it cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        advice = f"nothing is overwritten; `hotspare check -c {path}` says whether it is good"
        raise RefusedError(f"{path} is there already: {advice}, -c FILE writes another one") from None
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}") from None


def _try(args: argparse.Namespace, starters: Sequence[tuple[Starter, str]]) -> int:
    settings = load_settings(args.config, warns=True)
    checked = check.check_now(settings, offline=args.offline)
    forecast = plan.plan_with_progress(settings)
    document = {
        "config": str(args.config),
        "keys": {starter.name: variable for starter, variable in starters},
        "check": check.check_document(settings, checked),
        "plan": forecast,
        "next": _NEXT.format(args.config),
    }

    def show(document: dict[str, Any], console: Console) -> None:
        names = listed([f"{starter.name} ({variable})" for starter, variable in starters])
        console.print(f"wrote {args.config}: {names}; one route, `chat`\n", markup=False)
        check.print_check(settings, checked, console)
        console.print()
        plan.print_verdict(document["plan"], console)
        console.print(f"\nnext: {document['next']}", markup=False)

    output.print_answer(args, document, show, document)
    return output.OK if checked.all_well and forecast["keeps_promises"] else output.BAD_NEWS
