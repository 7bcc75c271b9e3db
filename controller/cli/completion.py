"""`hotspare completion`: a script with which a shell completes commands, options and the names of files."""

import argparse
from pathlib import Path

import shtab

from controller.cli import main, output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `completion`."""
    parser.add_argument("shell", choices=sorted(shtab.SUPPORTED_SHELLS))


def run(args: argparse.Namespace) -> int:
    """Print the script; always 0."""
    parser = main.command_parser()
    _prepare(parser)
    output.print_lines([shtab.complete(parser, shell=args.shell)])
    return output.OK


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Let arguments that are paths be completed by the files that are there, and commands by their names."""
    for action in parser._actions:  # noqa: SLF001 - argparse lists them nowhere else
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # what shtab looks for
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            action.help = ""  # shtab leaves out what `--help` leaves out, and that lists commands by group
            for inner in action.choices.values():
                _prepare(inner)
