"""`hotspare run`, `page`, `up` and `demo`: what goes on until it is stopped."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from controller.cli import output
from controller.cli.arguments import add_config, add_json, budget_warnings, load_settings, port
from controller.cli.importing import uncollected
from controller.cli.log_events import EVENTS
from controller.cli.malloc_arena import share_one_arena
from controller.cli.run_log import LogFormat, log_to_stderr, secrets_in
from controller.demo.scenes import BY_NAME, SCENES
from controller.routing.operator_requests import RefusedError
from controller.service.child_processes import Processes
from controller.service.supervisor import Supervisor
from monitor.config.database_url import is_postgres, shown_url
from monitor.config.settings import Settings
from monitor.formatting import listed
from monitor.storage.database import require_psycopg
from probes import loop_lag

log = logging.getLogger(__name__)

_INTERRUPTED = 130
#: How often it is looked whether the page still runs, and how long one that has ended is left alone.
_LOOK_S, _PAGE_AGAIN_S = 0.2, 5.0
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
    if command in {"page", "up"}:
        parser.add_argument("--address", default="127.0.0.1", help="default: %(default)s, this machine alone")
    if command == "page":
        text = "write the status as one HTML file, DIR/index.html, and end; it holds nothing that must not be public"
        parser.add_argument("--static", type=Path, metavar="DIR", help=text)
    if command in {"run", "up"}:
        text = "the region of this machine, of `regions` (default: HOTSPARE_REGION)"
        parser.add_argument("--region", metavar="NAME", help=text)
        _add_log_options(parser)
    if command == "demo":
        parser.add_argument("--once", action="store_true", help="end when the scene is over, within 5 minutes")
        parser.add_argument("--scene", choices=list(BY_NAME), default=SCENES[0].name, help="default: %(default)s")


def _add_log_options(parser: argparse.ArgumentParser) -> None:
    text = "auto: for people on a terminal, else json; text: event key=value: text; json: an object on each line"
    parser.add_argument("--log-format", type=LogFormat, choices=list(LogFormat), default=LogFormat.AUTO, help=text)
    parser.add_argument(
        "--log-level", choices=("info", "warning", "error"), default="info", help="default: %(default)s"
    )
    parser.add_argument("--log-events", action=_PrintEvents, nargs=0, help="print the names of all events, and end")


class _PrintEvents(argparse.Action):
    """Prints what may stand in the log and ends, as `--help` does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        output.print_lines(f"{name}: {meaning}" for name, meaning in EVENTS.items())
        sys.stdout.flush()  # here, where a full disk can still be reported
        parser.exit()


def run(args: argparse.Namespace) -> int:
    """Run the service, the page, both or the drill.

    1 when the service did not end in good order; 2 when the service or its page cannot start, or the client, which the
    demo needs, is not installed.
    """
    if args.command == "demo":
        return _demo(args)
    settings = load_settings(args.config, keys=args.command != "page")
    if args.command == "page":
        sys.stdout.flush()
        os.execv(sys.executable, _page_command(args))  # noqa: S606 - our own interpreter and module
    share_one_arena()
    region = _region(settings, args.region if args.command in {"run", "up"} else None)
    log_to_stderr(args.log_format, args.log_level, secrets_in(settings))
    for warning in (*settings.warnings, *budget_warnings(settings)):
        log.warning("configuration_warning: %s", warning)
    if args.command == "run":
        loop_lag.run(_serve(settings, region, asyncio.Event()))
        return output.OK
    with Processes() as processes:
        return loop_lag.run(_serve_with_page(settings, region, processes, _page_command(args)))


def _region(settings: Settings, given: str | None) -> str:
    """The region that this machine probes from, empty where there are none; raises RefusedError."""
    region, regions = given or os.environ.get("HOTSPARE_REGION", ""), listed(settings.regions)
    if not settings.regions:
        if given:
            raise RefusedError(f"--region {given}: {settings.path} has no regions; leave it out, or add `regions`")
        return ""
    if not is_postgres(settings.database):
        text = f"regions need a database that their machines share, not {shown_url(settings.database)}"
        raise RefusedError(f"{settings.path}: {text}: see `database`")
    if region not in settings.regions:
        found = f"{region!r} is none of {regions}" if region else f"which of {regions} is this machine in?"
        raise RefusedError(f"{settings.path} has regions, and {found}: `--region NAME`, or HOTSPARE_REGION")
    return region


def _demo(args: argparse.Namespace) -> int:
    try:
        from controller.demo import main  # noqa: PLC0415 - it needs the client, which may not be installed
    except ModuleNotFoundError as error:
        if error.name != "hotspare_client":
            raise
        raise RefusedError("the demo needs the client beside it: pip install ./client") from None
    return main.main(once=args.once, as_json=args.json, port=args.port, scene=args.scene)


def _page_command(args: argparse.Namespace) -> list[str]:
    """What serves the page: Streamlit needs a process of its own."""
    command = [sys.executable, "-m", "ui.server", "--config", str(args.config), "--address", args.address]
    if args.command == "page" and args.static:
        command += ["--static", str(args.static)]
    return [*command, "--port", str(args.port)] if args.port else command


async def _serve_with_page(settings: Settings, region: str, processes: Processes, command: Sequence[str]) -> int:
    """Run the service and the page until a signal, or until it shows that the page cannot start; the exit status."""
    stop, page = asyncio.Event(), "page"
    processes.start(page, command, environment=os.environ)
    service = asyncio.create_task(_serve(settings, region, stop))
    refused = started_again = False
    while not service.done():
        await asyncio.wait([service], timeout=_LOOK_S)
        status = processes.exit_status(page)
        if status is None or stop.is_set():
            continue
        if status == output.WRONG and not started_again:  # it has said why
            refused = True
            stop.set()
            continue
        log.error("page_ended status=%d: it is started again in %g s; the service goes on", status, _PAGE_AGAIN_S)
        await asyncio.wait([service], timeout=_PAGE_AGAIN_S)
        if not stop.is_set():
            started_again = True
            processes.start(page, command, environment=os.environ)
    await service
    return output.WRONG if refused else output.OK


async def _serve(settings: Settings, region: str, stop: asyncio.Event) -> None:
    """Run the service until `stop`; the first signal sets it, the second ends the process at once."""
    with uncollected():
        from controller.service.service import Service  # noqa: PLC0415 - the page and the demo's help do without
    supervisor = Supervisor(os.environ)

    def on_signal() -> None:
        if stop.is_set():
            os._exit(_INTERRUPTED)
        stop.set()
        supervisor.tell("STOPPING=1")
        # Whatever hangs (a disk, a reply that never ends): supervisors kill what has not ended after ten seconds.
        late = threading.Timer(_LONGEST_END_S, _end_late)
        late.daemon = True
        late.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    if is_postgres(settings.database):
        require_psycopg(settings.database)
        from controller.fleet.node import FleetNode  # noqa: PLC0415 - an extra

        with FleetNode(settings, region=region, environ=os.environ) as node:
            loop.add_signal_handler(signal.SIGHUP, node.reload)
            signs = loop.create_task(supervisor.watch(node.stuck))
            await node.run(stop, ready=lambda: supervisor.tell("READY=1"))
            signs.cancel()
        return
    with Service(settings, environ=os.environ) as service:
        loop.add_signal_handler(signal.SIGHUP, service.reloader.ask)
        supervisor.tell("READY=1")
        signs = loop.create_task(supervisor.watch(service.stuck))
        await service.run(stop)
        signs.cancel()


def _end_late() -> None:
    log.error("ended_late: not in good order within %g s of the signal", _LONGEST_END_S)
    logging.shutdown()
    os._exit(output.BAD_NEWS)
