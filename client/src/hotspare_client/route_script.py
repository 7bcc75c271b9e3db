"""`hotspare-route`: prints the present target of a route, for shells."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime

from hotspare_client.reader import Routing
from hotspare_client.target import Target

FILE_VARIABLE = "HOTSPARE_ROUTING_FILE"
USUAL_FILE = "var/routing.json"
_APART = {"id", "limits"}
_FIELDS = tuple(field.name for field in fields(Target))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is asked for, and return 0; 1, with the reason on standard error, where that cannot be done."""
    asked = _parser().parse_args(arguments)
    routing = Routing(asked.file)
    target = routing.route(asked.route)
    if target is None:
        known = ", ".join(routing.status.routes) or "none"
        problem = routing.status.problem or f"{asked.file} has no such route; it has {known}"
        sys.stderr.write(f"hotspare-route: no target for route {asked.route!r}: {problem}\n")
        return 1
    # Bytes, because a shell without UTF-8 is no reason to fail, and past every buffer, so that nothing fails later.
    rest = f"{_text(target, asked)}\n".encode(errors="replace")
    try:
        while rest:
            rest = rest[os.write(1, rest) :]
    except BrokenPipeError:
        pass  # whoever reads has seen enough
    except OSError as error:
        sys.stderr.write(f"hotspare-route: the target of {asked.route!r} cannot be printed: {error.strerror}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hotspare-route",
        description="Print the target that a route uses now, as provider/model.",
        epilog='In a shell: eval "$(hotspare-route chat --env)"; curl "$HOTSPARE_BASE_URL/models"',
    )
    parser.add_argument("route", help="the route, such as chat")
    usual = os.environ.get(FILE_VARIABLE) or USUAL_FILE
    parser.add_argument("--file", default=usual, help=f"the routing file; else {FILE_VARIABLE}, else {USUAL_FILE}")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all that is known of it, as JSON")
    form.add_argument("--env", action="store_true", help="HOTSPARE_TARGET, _MODEL, _BASE_URL, …, for eval")
    form.add_argument("--field", choices=_FIELDS, metavar="FIELD", help=f"one of {', '.join(_FIELDS)}")
    return parser


def _text(target: Target, asked: argparse.Namespace) -> str:
    if asked.json:
        return json.dumps(asdict(target), indent=2, default=_plain)
    if asked.env:
        # Empty where the target has none, so that nothing of a former target is left in the shell.
        values = {
            "TARGET": target.id,
            **{name.upper(): getattr(target, name) for name in _FIELDS if name not in _APART},
        }
        return "\n".join(f"HOTSPARE_{name}={shlex.quote(_plain(value))}" for name, value in values.items())
    value = _plain(getattr(target, asked.field or "id"))
    # One line, whatever the file holds.
    return "".join(letter if letter.isprintable() else " " for letter in value)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, default=asdict)


if __name__ == "__main__":
    sys.exit(main())
