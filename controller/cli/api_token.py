"""`hotspare token`: makes a token for the API, and the lines of the configuration that let it in."""

import argparse
import re
import secrets

from controller.api.access import PREFIX, hash_token
from controller.cli import output
from controller.cli.arguments import add_json
from monitor.config.api_settings import NAME_EXPECTED, NAME_PATTERN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `token`."""
    text = "who will hold it: the author of what is done with it"
    parser.add_argument("name", type=_token_name, metavar="NAME", help=text)
    text = "read, or operate: also pin, drain, pause, acknowledge and note (default: read)"
    parser.add_argument("--scope", choices=("read", "operate"), default="read", help=text)
    add_json(parser)


def _token_name(text: str) -> str:
    if re.fullmatch(NAME_PATTERN, text) is None:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} cannot name a token; expected {NAME_EXPECTED}")
    return text


def run(args: argparse.Namespace) -> int:
    """Print it, once: nothing of it is kept."""
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    document = {"name": args.name, "scope": args.scope, "token": token, "hash": hash_token(token)}
    output.print_answer(args, document, lambda *_: output.print_lines(_lines(document)))
    return output.OK


def _lines(document: dict[str, str]) -> list[str]:
    return [
        f"The token of {document['name']}, which nobody can show you again: {document['token']}",
        "What lets it in, in hotspare.yaml:",
        "api:",
        "  tokens:",
        f"    {document['name']}: {{hash: {document['hash']}, scope: {document['scope']}}}",
    ]
