"""`hotspare page`: the page in the browser."""

import argparse
import os
import sys

from controller.cli.arguments import add_config, add_port, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `page`."""
    add_config(parser)
    add_port(parser)
    parser.add_argument("--address", default="127.0.0.1", help="default: %(default)s, this machine alone")


def run(args: argparse.Namespace) -> int:
    """Validate the configuration, then become the page: Streamlit needs a process of its own. Does not return."""
    load_settings(args.config, keys=False)
    command = [sys.executable, "-m", "ui.server", "--config", str(args.config), "--address", args.address]
    if args.port:
        command += ["--port", str(args.port)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and module
