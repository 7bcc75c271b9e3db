"""The `hotspare` command: runs the command that was asked for and turns errors into exit statuses.

A command is an entry of `GROUPS` and a module of this package with `add_arguments(parser)` and `run(args)`, which
returns the exit status. Errors that say what a person must do are printed here.
"""

import argparse
import codecs
import os
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from controller.cli.importing import uncollected


@dataclass(frozen=True, slots=True)
class Command:
    """A command in `hotspare --help`."""

    module: str
    """Of this package."""
    text: str
    example: str
    """What follows `hotspare`."""


#: By what people want, in the order in which they want it.
GROUPS = {
    "set up": {
        "init": Command("init", "write a first configuration for the keys in the environment, and try it", "init"),
        "check": Command(
            "check",
            "validate the configuration and ask every provider once, spending as little as can be",
            "check -c hotspare.yaml",
        ),
        "up": Command("run", "the service and the page together, until Ctrl-C", "up --port 8501"),
        "run": Command(
            "run", "the service: probe, judge, decide, publish, tell; until it is stopped", "run -c hotspare.yaml"
        ),
        "page": Command("run", "the page in the browser, a process of its own", "page --port 8080"),
        "reload": Command("reload", "let the running service read its configuration anew", "reload -c hotspare.yaml"),
        "alerts": Command(
            "alerts", "send one harmless message through every configured channel and print the results", "alerts test"
        ),
        "token": Command(
            "api_token", "make a token for the API, and the lines of the configuration that let it in", "token grafana"
        ),
        "completion": Command(
            "completion", "print what lets a shell complete these words", "completion bash >> ~/.bashrc"
        ),
    },
    "look": {
        "status": Command("status", "what is known right now, from the database", "status --watch"),
        "incidents": Command(
            "incidents", "what went wrong: list, show, note, acknowledge, export a report", "incidents show 12"
        ),
        "report": Command(
            "report", "how well targets and routes served users in a period, and what it cost", "report --since 7d"
        ),
        "export": Command("export", "where routes point, in LiteLLM's words or as variables", "export litellm"),
        "mcp": Command(
            "mcp_command", "answer a model's questions over standard input and output; it only reads", "mcp"
        ),
        "gate": Command("gate", "whether a route had trouble lately, for scripts that deploy", "gate chat --within 1h"),
        "compare": Command(
            "compare", "ask all candidates of a route the same questions, and compare", "compare chat --at-least 90%"
        ),
        "once": Command("probe", "probe every target once and print a table", "once --check stream -v"),
    },
    "operate": {
        "pin": Command(
            "overrides",
            "point a route at one target, whatever its health, for a while",
            'pin chat openai/gpt-6-luna --for 4h --reason "a test"',
        ),
        "unpin": Command("overrides", "give a pinned route back to Hotspare", "unpin chat"),
        "drain": Command(
            "overrides",
            "keep every route away from a target or a provider for a while",
            'drain openai --for 1d --reason "its bill is open"',
        ),
        "undrain": Command("overrides", "let routes use a drained target or provider again", "undrain openai"),
        "pause": Command(
            "overrides",
            "hold a route, or all of them, where they are for a while",
            'pause all --for 30m --reason "our deploy"',
        ),
        "resume": Command("overrides", "let a paused route, or all of them, move again", "resume all"),
        "maintain": Command(
            "overrides",
            "leave a target or a provider out of messages and availability for a while",
            'maintain openai --for 2h --reason "announced work"',
        ),
        "unmaintain": Command("overrides", "end the maintenance of a target or a provider", "unmaintain openai"),
        "drill": Command("overrides", "move a route to its standby and back, to prove that one", "drill chat --for 5m"),
        "undrill": Command("overrides", "end a drill before its time", "undrill chat"),
        "db": Command("db", "the database: its size, a backup, a check, unused space", "db backup hotspare-backup.db"),
    },
    "foresee": {
        "plan": Command(
            "plan",
            "what this configuration will do: time to flip, false failovers, probes and cost; needs no keys",
            "plan -c new.yaml",
        ),
        "simulate": Command(
            "simulate",
            "run the detector, pacing and policy in a made-up world and in virtual time; needs no keys",
            "simulate scenario.yaml --seeds 50",
        ),
        "replay": Command(
            "replay",
            "what a configuration would have decided over what was recorded; needs no keys",
            "replay --since 7d -c new.yaml",
        ),
        "demo": Command("run", "the outage drill on simulated providers; needs no keys", "demo --scene all-down"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}

_INTERRUPTED = 130
_PLAIN_CHARACTERS = "hotspare"
"""The name of the error handler of standard output and error."""
#: What stands for characters that a terminal cannot show; others are spelled out (`\u2713`).
_PLAIN = str.maketrans(
    {
        "→": "->",
        "–": "-",
        "…": "...",
        "×": "x",
        "“": '"',
        "”": '"',
        "’": "'",
        "✓": "ok",
        "✕": "x",
        "▼": "v",
        "↗": "^",
        "±": "+-",
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 for success, 1 for bad news, 2 for wrong usage or configuration."""
    words = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    try:
        status = _run(command_parser(COMMANDS.keys() & set(words)).parse_args(words))
        sys.stdout.flush()  # here, where a full disk can still be reported
        return status
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); that is no error, and flushing at exit must not complain.
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        where = f"{error.filename}: " if error.filename else ""
        print(f"cannot go on: {where}{error.strerror or error}", file=sys.stderr)  # noqa: T201 -- for the person at the terminal
        return 2


def _prepare_streams() -> None:
    """Replace closed streams by the null device, and let no character end a command with a traceback."""
    codecs.register_error(_PLAIN_CHARACTERS, _write_plainly)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It takes the number of the closed one, so that no file which is opened later is written to by mistake.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8", errors=_PLAIN_CHARACTERS))  # noqa: SIM115 - for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_PLAIN_CHARACTERS)


def _write_plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode("ascii", "backslashreplace").decode(), error.end


def command_parser(complete: Collection[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of all commands, but with the arguments of those in `complete` alone.

    The modules that know a command's arguments are slow to import.
    """
    parser = argparse.ArgumentParser(
        prog="hotspare",
        usage="%(prog)s [-h] [--version] COMMAND …",
        description=_overview(),
        epilog="Exit status: 0 success, 1 the answer is bad news, 2 wrong usage or configuration.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hotspare {version('hotspare')}")
    commands = parser.add_subparsers(
        prog="hotspare", dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    for name, about in COMMANDS.items():
        text, example = about.text, f"example: hotspare {about.example}"
        description = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(name, help=text, description=description, epilog=example)
        command.set_defaults(command=name)
        if name in complete:
            _module(name).add_arguments(command)
    return parser


def _overview() -> str:
    """What Hotspare is, and every command with its group."""
    width, column = max(shutil.get_terminal_size().columns - 2, 40), max(map(len, COMMANDS)) + 4
    lines = ["Watches LLM providers, routes around the ones that fail, and says so."]
    for group, commands in GROUPS.items():
        lines += ["", f"{group}:"]
        for name, command in commands.items():
            begin = f"  {name}".ljust(column)
            lines += textwrap.wrap(command.text, width, initial_indent=begin, subsequent_indent=" " * column)
        lines += [f"  $ hotspare {next(iter(commands.values())).example}"]
    return "\n".join(lines)


def _module(name: str) -> Any:
    """Return the module of a command."""
    with uncollected():
        return import_module(f"controller.cli.{COMMANDS[name].module}")


def _run(args: argparse.Namespace) -> int:
    from monitor.storage.threshold_file import keep_thresholds  # noqa: PLC0415 - as below

    try:
        keep_thresholds()
        return int(_module(args.command).run(args))
    except Exception as error:
        status = _error_status(error)
        if status is None:
            raise
        print(error, file=sys.stderr)  # noqa: T201 -- for the person at the terminal
        return status


def _error_status(error: Exception) -> int | None:
    """Return the exit status for an error that says what a person must do; None for any other."""
    # Not at the top: `hotspare --help` needs neither rich nor YAML nor SQLAlchemy.
    from controller.cli import output  # noqa: PLC0415
    from controller.routing.operator_requests import RefusalKind, RefusedError  # noqa: PLC0415
    from controller.routing.routing_file import RoutingFileError  # noqa: PLC0415
    from monitor.config.problems import ConfigError  # noqa: PLC0415
    from monitor.storage.database import DatabaseError  # noqa: PLC0415
    from monitor.storage.lock import LockError  # noqa: PLC0415

    if isinstance(error, RefusedError):
        return output.WRONG if error.kind is RefusalKind.INVALID else output.BAD_NEWS
    return output.WRONG if isinstance(error, ConfigError | DatabaseError | LockError | RoutingFileError) else None


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
