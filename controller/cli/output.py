"""How a command answers: its exit status, what it prints for people and scripts, and what it complains of."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from controller.routing.operator_requests import RefusalKind, RefusedError

OK = 0
BAD_NEWS = 1
"""It did what was asked, and the answer is bad news: a check failed, a target is down."""
WRONG = 2
"""It was asked wrongly, or cannot work with this configuration."""


def refused_status(error: RefusedError) -> int:
    """The exit status for a refused request: 2 when it was asked wrongly, otherwise 1."""
    return WRONG if error.kind is RefusalKind.INVALID else BAD_NEWS


def print_document(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output, for `--json`."""
    print(json.dumps(document, ensure_ascii=False, indent=2))  # noqa: T201 - what was asked for


def print_lines(lines: Iterable[str]) -> None:
    """These lines on standard output, as they are."""
    for line in lines:
        print(line)  # noqa: T201 - what was asked for


def complain(what: object) -> None:
    """Say on standard error why it cannot be done: an error, or a sentence."""
    print(what, file=sys.stderr)  # noqa: T201 - the command line's own output


def warn(warnings: Iterable[str]) -> None:
    """Each of the warnings on standard error, so that `--json` stays one document."""
    for warning in warnings:
        complain(f"warning: {warning}")
