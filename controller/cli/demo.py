"""`hotspare demo`: the outage drill on simulated providers."""

import argparse

from controller.cli import output
from controller.cli.arguments import add_json, add_port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    add_json(parser)
    add_port(parser)
    parser.add_argument("--once", action="store_true", help="end when the drill is over, within 3 minutes")


def run(args: argparse.Namespace) -> int:
    """Run the drill; 2 where the client is not installed."""
    try:
        from controller.demo import main  # noqa: PLC0415 - it needs the client, which may not be installed
    except ModuleNotFoundError as error:
        if error.name != "hotspare_client":
            raise
        output.print_error("the demo needs the client beside it: pip install ./client")
        return output.WRONG
    return main.main(once=args.once, as_json=args.json, port=args.port)
