"""`hotspare run`, `page` and `demo`: what goes on until it is stopped."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings, port, warn_about_budget
from controller.cli.run_log import log_to_stderr
from controller.demo.scenes import BY_NAME, SCENES
from controller.routing.operator_requests import RefusedError
from monitor.config.settings import Settings

_INTERRUPTED = 130
_LONGEST_END_S = 9.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of one of these commands."""
    command = parser.get_default("command")
    if command == "demo":
        add_json(parser)
    else:
        add_config(parser)
    if command != "run":
        text = "where the page listens (default: 8501; for demo, a free one where that is taken)"
        parser.add_argument("--port", type=port, help=text)
    if command == "page":
        parser.add_argument("--address", default="127.0.0.1", help="default: %(default)s, this machine alone")
        text = "write the status as one HTML file, DIR/index.html, and end; it holds nothing that must not be public"
        parser.add_argument("--static", type=Path, metavar="DIR", help=text)
    if command == "demo":
        parser.add_argument("--once", action="store_true", help="end when the scene is over, within 5 minutes")
        parser.add_argument("--scene", choices=list(BY_NAME), default=SCENES[0].name, help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Run the service, the page or the drill.

    1 when the service did not end in good order; 2 when the service cannot start, or the client, which the demo needs,
    is not installed.
    """
    if args.command == "demo":
        return _demo(args)
    settings = load_settings(args.config, keys=args.command == "run", warns=args.command == "run")
    if args.command == "page":
        _become_page(args)
    warn_about_budget(settings)
    log_to_stderr()
    asyncio.run(_serve(settings))
    return output.OK


def _demo(args: argparse.Namespace) -> int:
    try:
        from controller.demo import main  # noqa: PLC0415 - it needs the client, which may not be installed
    except ModuleNotFoundError as error:
        if error.name != "hotspare_client":
            raise
        raise RefusedError("the demo needs the client beside it: pip install ./client") from None
    return main.main(once=args.once, as_json=args.json, port=args.port, scene=args.scene)


def _become_page(args: argparse.Namespace) -> None:
    """Replace this process by the page's, because Streamlit needs one of its own. Does not return."""
    command = [sys.executable, "-m", "ui.server", "--config", str(args.config), "--address", args.address]
    if args.static:
        command += ["--static", str(args.static)]
    if args.port:
        command += ["--port", str(args.port)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and module


async def _serve(settings: Settings) -> None:
    """Run the service; the first signal stops it in good order, the second ends the process at once."""
    from controller.service.service import Service  # noqa: PLC0415 - the page and the demo's help do without

    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(_INTERRUPTED)
        stop.set()
        # Whatever hangs (a disk, a reply that never ends): supervisors kill what has not ended after ten seconds.
        late = threading.Timer(_LONGEST_END_S, _end_late)
        late.daemon = True
        late.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    with Service(settings) as service:
        await service.run(stop)


def _end_late() -> None:
    logging.getLogger(__name__).error("ended_late: not in good order within %g s of the signal", _LONGEST_END_S)
    os._exit(output.BAD_NEWS)
