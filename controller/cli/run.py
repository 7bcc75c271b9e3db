"""`hotspare run`: the service, until SIGINT or SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import time

from controller.cli import output
from controller.cli.arguments import add_config, load_settings, warn_about_budget
from controller.routing.routing_file import RoutingFileError
from controller.service.service import Service
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, DatabaseGoneError
from monitor.storage.lock import LockError

_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`."""
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Run the service until a signal; 1 when its database vanished, 2 when it cannot start."""
    settings = load_settings(args.config)
    warn_about_budget(settings)
    _log_to_stderr()
    try:
        asyncio.run(_serve(settings))
    except DatabaseGoneError as error:
        output.print_error(error)
        return output.BAD_NEWS
    except (LockError, DatabaseError, RoutingFileError) as error:
        output.print_error(error)
        return output.WRONG
    return output.OK


async def _serve(settings: Settings) -> None:
    """Run the service; the first signal stops it in good order, the second ends the process at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(_INTERRUPTED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    with Service(settings) as service:
        await service.run(stop)


def _log_to_stderr() -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for chatty in ("httpx", "httpcore", "slack_sdk", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every skipped probe; the service logs those itself, less often.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
