"""The `hotspare` command: its words, its errors and its exit status. Each command imports what it needs."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from monitor.config import ConfigError, load
from monitor.settings import Settings

OK = 0
BAD_NEWS = 1
WRONG = 2
_INTERRUPTED = 130

_COMMANDS = {
    "run": "the service: probe, judge, decide, publish, tell; until it is stopped",
    "page": "the page in the browser, a process of its own",
    "check": "validate the configuration and ask every provider once, spending as little as can be",
    "once": "probe every target once and print a table",
    "status": "what is known right now, from the database",
    "demo": "the outage drill on simulated providers; needs no keys",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 for success, 1 for bad news, 2 for wrong usage or configuration."""
    given = parser().parse_args(arguments)
    try:
        status = _dispatch(given)
        sys.stdout.flush()  # here, where a full disk can still be told
        return status
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command line's own output
        return WRONG
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); it is no error, and flushing at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"cannot go on: {error.strerror or error}", file=sys.stderr)  # noqa: T201 - the command line's own output
        return WRONG


def parser() -> argparse.ArgumentParser:
    """Every command with its options; what `docs/commands.md` must describe."""
    words = argparse.ArgumentParser(
        prog="hotspare",
        description="Watches LLM providers, routes around the ones that fail, and says so.",
        epilog="Exit status: 0 success, 1 the answer is bad news, 2 wrong usage or configuration.",
    )
    words.add_argument("--version", action="version", version=f"hotspare {version('hotspare')}")
    commands = words.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in _COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        if name != "demo":
            command.add_argument(
                "-c", "--config", type=Path, default=Path("hotspare.yaml"), metavar="FILE", help="default: %(default)s"
            )
        if name in {"check", "once", "status", "demo"}:
            command.add_argument("--json", action="store_true", help="one JSON document on standard output")
        if name in {"page", "demo"}:
            command.add_argument(
                "--port",
                type=_port,
                help="where the page listens (default: 8501; for demo, a free one where that is taken)",
            )
        if name == "page":
            command.add_argument("--address", default="127.0.0.1", help="default: %(default)s, this machine alone")
        if name == "demo":
            command.add_argument("--once", action="store_true", help="end when the drill is over, within 3 minutes")
        if name == "once":
            command.add_argument("-t", "--target", action="append", metavar="ID", help="only this one; may be repeated")
    return words


def _dispatch(given: argparse.Namespace) -> int:
    if given.command == "demo":
        return _demo(given)
    # Who only looks at what the service stored needs no keys for it.
    settings = load(given.config, os.environ, keys=given.command not in {"page", "status"})
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 - the command line's own output
    if given.command == "run":
        return _run(settings)
    if given.command == "page":
        return _page(given)
    if given.command == "status":
        from controller import status  # noqa: PLC0415 - SQLAlchemy is slow to import

        return status.show(settings, as_json=given.json)
    from controller import asking  # noqa: PLC0415 - httpx is slow to import

    if given.command == "check":
        return asking.check(settings, as_json=given.json)
    return asking.once(settings, only=given.target, as_json=given.json)


def _run(settings: Settings) -> int:
    """The service until SIGINT or SIGTERM; a second signal ends it at once."""
    _log_to_stderr()
    # SQLAlchemy, httpx and more are slow to import.
    from controller.routing_file import RoutingFileError  # noqa: PLC0415
    from controller.service import Service  # noqa: PLC0415
    from monitor.database import DatabaseError, DatabaseGoneError  # noqa: PLC0415
    from monitor.lock import LockError  # noqa: PLC0415

    async def serve() -> None:
        stop = asyncio.Event()

        def asked() -> None:
            if stop.is_set():
                os._exit(_INTERRUPTED)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, asked)
        with Service(settings) as service:
            await service.run(stop)

    try:
        asyncio.run(serve())
    except DatabaseGoneError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command line's own output
        return BAD_NEWS
    except (LockError, DatabaseError, RoutingFileError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command line's own output
        return WRONG
    return OK


def _page(given: argparse.Namespace) -> int:
    """Become the page: Streamlit wants a process of its own."""
    words = [sys.executable, "-m", "ui.page", "--config", str(given.config), "--address", given.address]
    if given.port:
        words += ["--port", str(given.port)]
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606 - our own interpreter and module


def _demo(given: argparse.Namespace) -> int:
    try:
        from controller.demo import drill  # noqa: PLC0415 - brings up a world of its own, slow to import
    except ModuleNotFoundError as error:
        if error.name != "hotspare_client":
            raise
        print("the demo needs the client beside it: pip install ./client", file=sys.stderr)  # noqa: T201
        return WRONG
    return drill.main(once=given.once, as_json=given.json, port=given.port)


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 1 to 65535")


def _log_to_stderr() -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for chatty in ("httpx", "httpcore", "slack_sdk", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every skipped probe; we note them ourselves, and not as often.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
