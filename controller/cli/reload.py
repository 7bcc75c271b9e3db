"""`hotspare reload`: asks the running service to read its configuration anew, and prints what came of it."""

import argparse

from controller.cli import output
from controller.cli.arguments import add_config, add_json, author_of, load_settings
from controller.reload_request import request_reload
from monitor.reload_events import REFUSED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `reload`."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--author", metavar="NAME", help="who asks (default: the login name)")


def run(args: argparse.Namespace) -> int:
    """Ask and wait; 2 when the service refuses the configuration.

    Raises ConfigError before anything is asked where the file is wrong in itself, and RefusedError where no service
    answers.
    """
    settings = load_settings(args.config, keys=False)
    answer = request_reload(settings, author_of(args))
    if args.json:
        output.print_document({"answer": answer.kind, "revision": settings.revision, "text": answer.text})
    elif answer.kind == REFUSED:
        output.print_error(answer.text)
    else:
        output.print_lines([answer.text])
    return output.WRONG if answer.kind == REFUSED else output.OK
