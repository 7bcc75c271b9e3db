"""`hotspare pin`, `drain`, `pause`, `maintain`, `drill`, and what ends each: set and end operator overrides."""

import argparse
import sys

from controller.cli import output
from controller.cli.arguments import (
    add_config,
    add_json,
    author_of,
    load_settings,
    override_duration,
)
from controller.override_operations import begin_override, end_override
from controller.routing.drill import USUAL_DRILL_S
from controller.routing.operator_requests import LONGEST_OVERRIDE_S, OperatorRequest, RefusedError
from controller.routing.overrides import OverrideKind
from monitor.config.windows import LONGEST_DRILL_S
from monitor.formatting import format_duration

_USUAL_S = 2 * 3600.0
_BEGINS, _ENDS = ({getattr(kind, name): kind for kind in OverrideKind} for name in ("command", "end_command"))
_SUBJECTS = {
    OverrideKind.PIN: ("ROUTE", "a route of the configuration"),
    OverrideKind.DRAIN: ("TARGET|PROVIDER", "a target, as provider/model, or a provider: all of its targets"),
    OverrideKind.MAINTENANCE: ("TARGET|PROVIDER", "a target, as provider/model, or a provider: all of its targets"),
    OverrideKind.DRILL: ("ROUTE", "a route of the configuration"),
    OverrideKind.PAUSE: ("ROUTE|all", "a route of the configuration, or all of them"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of one of these commands."""
    command = parser.get_default("command")
    metavar, text = _SUBJECTS[(_BEGINS | _ENDS)[command]]
    add_config(parser)
    parser.add_argument("subject", metavar=metavar, help=text)
    if command == "pin":
        parser.add_argument("target", metavar="TARGET", help="one of the route's candidates, as provider/model")
        text = "also to a target that is down, unusable or misconfigured"
        parser.add_argument("--force", action="store_true", help=text)
    if command == "maintain":
        parser.add_argument("--leave", action="store_true", help="routes leave it at once, as if it were drained")
    if command not in _ENDS:
        drill = command == "drill"
        longest = format_duration(LONGEST_DRILL_S if drill else LONGEST_OVERRIDE_S)
        usual_s = USUAL_DRILL_S if drill else _USUAL_S
        usual = format_duration(usual_s)
        text = f"how long, such as 30m or 1d; at most {longest} (default: {usual})"
        parser.add_argument(
            "--for", dest="for_s", type=override_duration, default=usual_s, metavar="DURATION", help=text
        )
    text = "why; everybody reads it" if command in _ENDS else "why; everybody reads it (asked for on a terminal)"
    parser.add_argument("--reason", help=text)
    parser.add_argument("--author", help="who says so (default: the login name)")
    add_json(parser)


def _asked_reason() -> str:
    """What a person at the terminal says; raises RefusedError where nobody is there."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("--reason is missing: say why; everybody who sees the effect reads it")
    sys.stderr.write("Why? Everybody reads it: ")
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")


def run(args: argparse.Namespace) -> int:
    """Begin the override, or end it, and print what came of it.

    A reason that is missing and needed is asked for on a terminal. 0 when it is in force, or will be once the service
    starts; 1 when the target of a pin fails, there is nothing to end, it is not in effect after two seconds, or
    users are still on a drained target; 2 when a name or the reason is wrong, or the database cannot be used.
    """
    settings = load_settings(args.config, keys=False)
    ends = _ENDS.get(args.command)
    given = "fire drill" if args.command == "drill" and args.reason is None else args.reason
    reason = given if ends or given is not None else _asked_reason()
    request = OperatorRequest(
        kind=ends or _BEGINS[args.command],
        subject=args.subject,
        target=getattr(args, "target", None),
        reason=reason or "",
        author=author_of(args),
        for_s=getattr(args, "for_s", 0.0),
        force=getattr(args, "force", False),
        leave=getattr(args, "leave", False),
    )
    result = (end_override if ends else begin_override)(settings, request)
    if args.json:
        output.print_document(result.document())
    else:
        output.print_lines(result.lines)
    return output.OK if result.good else output.BAD_NEWS
