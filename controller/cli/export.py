"""`hotspare export`: the routing table in the words of another router, or as variables."""

import argparse

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from controller.routing.export import env_lines, litellm_document
from controller.routing.operator_requests import RefusalKind, RefusedError
from controller.routing.routing_file import RoutingFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    add_config(parser)
    text = "litellm: the model_list of LiteLLM's configuration, as JSON, which is YAML; env: variables for a shell"
    parser.add_argument("form", choices=("litellm", "env"), help=text)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print it as of now; 1 where there is no routing file yet."""
    path = load_settings(args.config, keys=False).routing_file
    table = RoutingFile(path).read_table()
    if not table:
        raise RefusedError(f"there is no routing file {path}: `hotspare run` writes it", RefusalKind.NOTHING_TO_DO)
    if args.form == "litellm":
        output.print_document(litellm_document(table))
    elif args.json:
        output.print_document(dict(line.partition("=")[::2] for line in env_lines(table)))
    else:
        output.print_lines(env_lines(table))
    return output.OK
