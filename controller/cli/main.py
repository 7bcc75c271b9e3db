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

from controller.cli import output as answers
from monitor.clock import utc_now
from monitor.config.loader import ConfigError, load
from monitor.config.units import parse_duration
from monitor.formatting import format_duration
from monitor.settings import Settings
from probes.target import Check

_INTERRUPTED = 130

_COMMANDS = {
    "run": "the service: probe, judge, decide, publish, tell; until it is stopped",
    "page": "the page in the browser, a process of its own",
    "check": "validate the configuration and ask every provider once, spending as little as can be",
    "once": "probe every target once and print a table",
    "status": "what is known right now, from the database",
    "incidents": "what went wrong: list, show, note, acknowledge, export a report",
    "alerts": "send one harmless message through everything that tells people, and say what became of it",
    "pin": "point a route at one target, whatever its health, for a while",
    "unpin": "give a pinned route back to Hotspare",
    "drain": "keep every route away from a target or a provider for a while",
    "undrain": "let routes use a drained target or provider again",
    "pause": "hold a route, or all of them, where they are for a while",
    "resume": "let a paused route, or all of them, move again",
    "plan": "what this configuration will do: time to flip, false failovers, probes and cost; needs no keys",
    "simulate": "run the detector, pacing and policy in a made-up world and in virtual time; needs no keys",
    "replay": "what a configuration would have decided over what was recorded; needs no keys",
    "demo": "the outage drill on simulated providers; needs no keys",
}


#: The operator's commands: the kind of override, and whether it is laid on or taken back.
_BY_HAND = {
    "pin": ("pin", True),
    "unpin": ("pin", False),
    "drain": ("drain", True),
    "undrain": ("drain", False),
    "pause": ("pause", True),
    "resume": ("pause", False),
}
_SUBJECTS = {"pin": "ROUTE", "drain": "TARGET|PROVIDER", "pause": "ROUTE|all"}
_SUBJECTS_HELP = {
    "pin": "a route of the configuration",
    "drain": "a target, as provider/model, or a provider: all of its targets",
    "pause": "a route of the configuration, or all of them",
}
#: What can be done about one incident.
_ABOUT_ONE = {
    "show": "all that is known of one: its story, the evidence, where applications were",
    "note": "add a line to its story, open or not",
    "ack": "say that you look after it",
    "export": "a report to paste into a ticket or a wiki",
}
_USUAL_S = 2 * 3600.0
#: Whoever wants it for longer wants another configuration.
_LONGEST_S = 30 * 86400.0
_MOST = 1_000_000
_WEEK_S = 7 * 86400.0
_MONTH_S = 30 * 86400.0
_LARGEST_ID = 2**53


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 for success, 1 for bad news, 2 for wrong usage or configuration."""
    given = parser().parse_args(arguments)
    try:
        status = _dispatch(given)
        sys.stdout.flush()  # here, where a full disk can still be told
        return status
    except ConfigError as error:
        answers.complain(error)
        return answers.WRONG
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); it is no error, and flushing at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return answers.OK
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        answers.complain(f"cannot go on: {error.strerror or error}")
        return answers.WRONG


def parser() -> argparse.ArgumentParser:
    """Every command with its options; what `docs/commands.md` must describe."""
    words = argparse.ArgumentParser(
        prog="hotspare",
        description="Watches LLM providers, routes around the ones that fail, and says so.",
        epilog="Exit status: 0 success, 1 the answer is bad news, 2 wrong usage or configuration.",
    )
    words.add_argument("--version", action="version", version=f"hotspare {version('hotspare')}")
    commands = words.add_subparsers(dest="command", required=True, metavar="COMMAND")
    own_words = {"once": _once_words, "incidents": _incident_words, "alerts": _alerts_words}
    for name, meaning in _COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        if name not in {"demo", "simulate"}:
            command.add_argument(
                "-c", "--config", type=Path, default=Path("hotspare.yaml"), metavar="FILE", help="default: %(default)s"
            )
        if name in _BY_HAND:
            _operator_words(command, name)
        if name == "simulate":
            _simulation_words(command)
        if name == "plan":
            words_for_seeds = "how many outages of each kind to try (default: what takes some seconds, at most 250)"
            command.add_argument("--seeds", type=_count, metavar="N", help=words_for_seeds)
            command.add_argument("--jobs", type=_count, metavar="J", help="processes at work (default: one per core)")
        if name == "replay":
            _replay_words(command)
        if name in {"check", "once", "status", "incidents", "alerts", "plan", "simulate", "replay", "demo", *_BY_HAND}:
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
        if name in own_words:
            own_words[name](command)
    return words


def _once_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("-t", "--target", action="append", metavar="ID", help="only this one; may be repeated")
    words = f"ask this instead of the target's own checks: {', '.join(Check)}; may be repeated"
    command.add_argument("--check", action="append", choices=[one.value for one in Check], metavar="CHECK", help=words)
    words = "show the whole exchange (keys masked), the phases, and why it ended as it did"
    command.add_argument("-v", "--verbose", action="store_true", help=words)


def _alerts_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=["test"], help="what to do")


def _incident_words(command: argparse.ArgumentParser) -> None:
    since = "those that were open within this time, such as 12h or 7d (default: 30d)"
    command.add_argument("--since", type=_past, default=_MONTH_S, metavar="DURATION", help=since)
    command.add_argument("--open", action="store_true", help="only those that are open")
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="about one of them")
    for name, meaning in _ABOUT_ONE.items():
        action = actions.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        action.add_argument("id", type=_number, metavar="ID", help="its number, as the list shows it")
        # May stand on either side of the action; a default here would overrule what stands before it.
        action.add_argument("-c", "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="as above")
        words = "one JSON document on standard output"
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=words)
        if name == "note":
            action.add_argument("text", metavar="TEXT", help="what people should know; everybody reads it")
        if name in {"note", "ack"}:
            action.add_argument("--author", help="who says so (default: the login name)")
        if name == "export":
            action.add_argument("--markdown", action="store_true", required=True, help="the form of the report")
            action.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")


def _operator_words(command: argparse.ArgumentParser, name: str) -> None:
    kind, lays = _BY_HAND[name]
    command.add_argument("subject", metavar=_SUBJECTS[kind], help=_SUBJECTS_HELP[kind])
    if name == "pin":
        command.add_argument("target", metavar="TARGET", help="one of the route's candidates, as provider/model")
        force = "also to a target that is down, unusable or misconfigured"
        command.add_argument("--force", action="store_true", help=force)
    if lays:
        usual = format_duration(_USUAL_S)
        words = f"how long, such as 30m or 1d; at most {format_duration(_LONGEST_S)} (default: {usual})"
        command.add_argument("--for", dest="for_s", type=_lasting, default=_USUAL_S, metavar="DURATION", help=words)
    command.add_argument("--reason", required=True, help="why; everybody reads it")
    command.add_argument("--author", help="who says so (default: the login name)")


def _simulation_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("scenario", type=Path, metavar="SCENARIO.yaml")
    command.add_argument(
        "--seeds", type=_count, default=20, metavar="N", help="how many worlds to go through (default: %(default)s)"
    )
    command.add_argument(
        "--seed", type=_seed, default=0, metavar="K", help="the first seed, to see others (default: %(default)s)"
    )
    command.add_argument("--jobs", type=_count, metavar="J", help="processes at work (default: one per core)")


def _replay_words(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--since", type=_past, default=_WEEK_S, metavar="DURATION", help="how far back, such as 12h or 7d (default: 7d)"
    )
    command.add_argument("--database", metavar="URL", help="the history to read (default: that of the configuration)")


def _dispatch(given: argparse.Namespace) -> int:
    by_themselves = {"demo": _demo, "simulate": _simulate, "plan": _foresee, "replay": _foresee}
    if given.command in by_themselves:
        return by_themselves[given.command](given)
    # Who only looks at what the service stored, or steers it, needs no keys for that.
    settings = load(given.config, os.environ, keys=given.command not in {"page", "status", "incidents", *_BY_HAND})
    answers.warn(settings.warnings)
    if given.command in {"run", "check"}:
        _warn_about_money(settings)
    if given.command == "run":
        return _run(settings)
    if given.command == "page":
        return _page(given)
    if given.command in {"status", "incidents"}:
        return _look(settings, given)
    if given.command in _BY_HAND:
        return _operate(settings, given)
    return _ask(settings, given)


def _warn_about_money(settings: Settings) -> None:
    if settings.budget_usd_per_month is not None:
        from monitor.budget import enforcer as allowance  # noqa: PLC0415 - SQLAlchemy and the price list are slow to import

        answers.warn(allowance.warnings(settings, utc_now()))


def _ask(settings: Settings, given: argparse.Namespace) -> int:
    if given.command == "alerts":
        from controller.cli import alerts as alerts_command  # noqa: PLC0415 - slack_sdk and httpx are slow to import

        return alerts_command.test(settings, as_json=given.json)
    from controller.cli import probe as asking  # noqa: PLC0415 - httpx is slow to import

    if given.command == "check":
        return asking.check(settings, as_json=given.json)
    checks = [Check(name) for name in given.check or ()]
    return asking.once(settings, only=given.target, checks=checks, verbose=given.verbose, as_json=given.json)


def _run(settings: Settings) -> int:
    """The service until SIGINT or SIGTERM; a second signal ends it at once."""
    _log_to_stderr()
    # SQLAlchemy, httpx and more are slow to import.
    from controller.routing.routing_file import RoutingFileError  # noqa: PLC0415
    from controller.service.service import Service  # noqa: PLC0415
    from monitor.storage.database import DatabaseError, DatabaseGoneError  # noqa: PLC0415
    from monitor.storage.lock import LockError  # noqa: PLC0415

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
        answers.complain(error)
        return answers.BAD_NEWS
    except (LockError, DatabaseError, RoutingFileError) as error:
        answers.complain(error)
        return answers.WRONG
    return answers.OK


def _simulate(given: argparse.Namespace) -> int:
    from controller.simulation import runner as command  # noqa: PLC0415 - rich is slow to import

    return command.run(given.scenario, seeds=given.seeds, first_seed=given.seed, jobs=given.jobs, as_json=given.json)


def _foresee(given: argparse.Namespace) -> int:
    """What a configuration will do, or would have done."""
    stores = given.command == "replay" and given.database is None
    settings = load(given.config, os.environ, keys=False, stores=stores)
    answers.warn(settings.warnings)
    if given.command == "plan":
        from controller.plan import runner as planning  # noqa: PLC0415 - rich is slow to import

        return planning.run(settings, seeds=given.seeds, jobs=given.jobs, as_json=given.json)
    from controller.replay import runner as replaying  # noqa: PLC0415 - SQLAlchemy is slow to import

    return replaying.run(settings, since_s=given.since, database=given.database, as_json=given.json)


def _page(given: argparse.Namespace) -> int:
    """Become the page: Streamlit wants a process of its own."""
    words = [sys.executable, "-m", "ui.page", "--config", str(given.config), "--address", given.address]
    if given.port:
        words += ["--port", str(given.port)]
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606 - our own interpreter and module


def _operate(settings: Settings, given: argparse.Namespace) -> int:
    from controller.cli import operate  # noqa: PLC0415 - SQLAlchemy is slow to import

    kind, begins = _BY_HAND[given.command]
    return operate.run(
        settings,
        kind,
        given.subject,
        begins=begins,
        reason=given.reason,
        author=given.author,
        target=getattr(given, "target", None),
        for_s=getattr(given, "for_s", 0.0),
        force=getattr(given, "force", False),
        as_json=given.json,
    )


def _look(settings: Settings, given: argparse.Namespace) -> int:
    """What the database knows."""
    if given.command == "incidents":
        return _incidents(settings, given)
    from controller.cli import status  # noqa: PLC0415 - SQLAlchemy is slow to import

    return status.show(settings, as_json=given.json)


def _incidents(settings: Settings, given: argparse.Namespace) -> int:
    from controller.cli import incidents as incident_command  # noqa: PLC0415 - SQLAlchemy is slow to import

    if given.action == "show":
        return incident_command.show(settings, given.id, as_json=given.json)
    if given.action == "note":
        return incident_command.note(settings, given.id, given.text, author=given.author, as_json=given.json)
    if given.action == "ack":
        return incident_command.acknowledge(settings, given.id, author=given.author, as_json=given.json)
    if given.action == "export":
        return incident_command.export(settings, given.id, to=given.output, as_json=given.json)
    return incident_command.listing(settings, since_s=given.since, only_open=given.open, as_json=given.json)


def _demo(given: argparse.Namespace) -> int:
    try:
        from controller.demo import drill  # noqa: PLC0415 - brings up a world of its own, slow to import
    except ModuleNotFoundError as error:
        if error.name != "hotspare_client":
            raise
        answers.complain("the demo needs the client beside it: pip install ./client")
        return answers.WRONG
    return drill.main(once=given.once, as_json=given.json, port=given.port)


def _lasting(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    if 1 <= seconds <= _LONGEST_S:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is out of range: expected 1s to {format_duration(_LONGEST_S)}")


def _past(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    if seconds >= 1:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is out of range: expected 1s or more")


def _number(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < _LARGEST_ID:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no incident's number; `hotspare incidents` lists them")


def _count(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= _MOST:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a count; expected 1 to {_MOST:,}")


def _seed(text: str) -> int:
    if text.isdecimal() and int(text) <= _MOST:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a seed; expected 0 to {_MOST:,}")


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
