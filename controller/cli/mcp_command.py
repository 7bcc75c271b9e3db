"""`hotspare mcp`: answers a model's questions over standard input and output; it only reads."""

import argparse

from controller.cli import output
from controller.cli.arguments import add_config, load_settings
from controller.routing.operator_requests import RefusedError
from monitor.storage.database import open_reader, shared_now


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mcp`."""
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until standard input ends; 2 where the configuration is wrong or `hotspare[mcp]` is not installed."""
    try:
        from controller.mcp_server import Questions, build_server  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise RefusedError("`hotspare mcp` needs the SDK: pip install 'hotspare[mcp]'") from None
    settings = load_settings(args.config, keys=False)
    build_server(
        Questions(settings, lambda: open_reader(settings.database), lambda: shared_now(settings.database))
    ).run("stdio")
    return output.OK
