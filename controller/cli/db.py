"""`hotspare db`: looks into the database, backs it up, checks it, and gives unused space back."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from controller.cli.layout import plain_table
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed, instant
from monitor.storage import maintenance
from monitor.storage.database import shared_now
from monitor.storage.maintenance import DatabaseInfo

_ACTIONS = {
    "info": "size, rows, growth, unused space; while the service runs or not",
    "backup": "copy the database as of now, while the service runs or not",
    "check": "read every page and compare every index; while the service runs or not",
    "vacuum": "write the file anew without unused space; the service must be stopped",
}
_YEAR_DAYS = 365


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `db` and their options."""
    add_config(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, meaning in _ACTIONS.items():
        action = actions.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        # May stand on either side of the action; a default here would overrule what stands before it.
        action.add_argument("-c", "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="as above")
        help_text = "one JSON document on standard output"
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=help_text)
        if name == "backup":
            action.add_argument("file", type=Path, metavar="FILE", help="the copy; nothing is overwritten")


def run(args: argparse.Namespace) -> int:
    """Do what the action says; 1 when the check finds damage, 2 when there is no database or it cannot be done."""
    settings = load_settings(args.config, keys=False)
    actions = {"info": _info, "backup": _back_up, "check": _check, "vacuum": _vacuum}
    return actions[args.action](settings, args)


def _info(settings: Settings, args: argparse.Namespace) -> int:
    now = shared_now(settings.database)
    info = maintenance.read_info(settings.database, now)
    output.print_answer(args, _document(info), _print_info, info, now)
    return output.OK


def _back_up(settings: Settings, args: argparse.Namespace) -> int:
    with output.progress_bar("backup") as progress:
        size = maintenance.back_up(settings.database, args.file, progress)
    output.print_answer(args, {"file": str(args.file), "bytes": size}, _print_line, f"{args.file}: {_size(size)}")
    return output.OK


def _check(settings: Settings, args: argparse.Namespace) -> int:
    faults = maintenance.check(settings.database)
    text = "\n".join(faults) or "every page and every index is as it should be"
    output.print_answer(args, {"faults": faults}, _print_line, text)
    return output.BAD_NEWS if faults else output.OK


def _vacuum(settings: Settings, args: argparse.Namespace) -> int:
    before, after = maintenance.vacuum(settings.database)
    text = f"{_size(before)} before, {_size(after)} now; unused space is given back by itself from now on"
    output.print_answer(args, {"bytes_before": before, "bytes": after}, _print_line, text)
    return output.OK


def _print_line(text: str, console: Console) -> None:
    console.print(Text(text))


def _print_info(info: DatabaseInfo, now: datetime, console: Console) -> None:
    log = f" and {_size(info.wal_size)} of log" if info.wal_size else ""
    console.print(Text(f"{info.path}: {_size(info.size)}{log}, schema {info.schema}", style="bold"))
    if info.unused is not None:
        way = "given back to the disk by itself" if info.gives_back else "kept; `hotspare db vacuum` gives it back"
        console.print(Text(f"{_size(info.unused)} unused, {way}"))
    if info.oldest and info.bytes_per_observation:
        reach = format_elapsed((now - info.oldest).total_seconds())
        year = _size(round(info.last_day * _YEAR_DAYS * info.bytes_per_observation))
        console.print(Text(f"observations of the last {reach}, {info.bytes_per_observation:.0f} bytes each"))
        console.print(Text(f"{info.last_day:,} in the last 24 h: {year} a year, if all were kept"))
    if info.bytes_per_sum:
        year = _size(round(info.sums_last_day * _YEAR_DAYS * info.bytes_per_sum))
        console.print(Text(f"sums of hours and days, {info.bytes_per_sum:.0f} bytes each: {year} a year"))
    console.print()
    table = plain_table("table", figures=("rows", "size"))
    for part in info.tables:
        table.add(part.name, f"{part.rows:,}", _size(part.size))
    table.print(console)


def _document(info: DatabaseInfo) -> dict[str, Any]:
    return {
        "path": info.path,
        "schema": info.schema,
        "bytes": info.size,
        "wal_bytes": info.wal_size,
        "unused_bytes": info.unused,
        "gives_space_back": info.gives_back,
        "oldest_observation": info.oldest and instant(info.oldest),
        "bytes_per_observation": info.bytes_per_observation,
        "observations_last_day": info.last_day,
        "bytes_per_sum": info.bytes_per_sum,
        "sums_last_day": info.sums_last_day,
        "tables": {table.name: {"rows": table.rows, "bytes": table.size} for table in info.tables},
    }


def _size(size: int) -> str:
    """`640 B`, `12.4 kB`, `3.1 MB`, `1.2 GB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
