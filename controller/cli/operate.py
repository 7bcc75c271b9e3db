"""`hotspare pin`, `drain`, `pause` and their opposites: calls the operation and prints what came of it."""

import getpass
import os
from typing import Any

from controller.cli import output as answers
from controller.operations import OperationResult, begin_override, end_override
from controller.routing import override_text
from controller.routing.operator_requests import OperatorRequest, RefusedError
from controller.routing.overrides import OverrideKind
from monitor.settings import Settings
from monitor.storage.database import DatabaseError


def run(
    settings: Settings,
    kind: str,
    subject: str,
    *,
    begins: bool,
    reason: str,
    author: str | None,
    target: str | None = None,
    for_s: float = 0.0,
    force: bool = False,
    as_json: bool,
) -> int:
    """Begin an override of this kind, or end it, and print what came of it.

    0 when it is in force, or will be once the service starts; 1 when the target of a pin fails, there is nothing to
    end, it is not in effect after two seconds, or users are still on a drained target; 2 when a name or the reason is
    wrong, or the database cannot be used.
    """
    try:
        request = OperatorRequest(
            kind=OverrideKind(kind),
            subject=subject,
            target=target,
            reason=reason,
            author=login_name() if author is None else author,
            for_s=for_s,
            force=force,
        )
        result = (begin_override if begins else end_override)(settings, request)
    except RefusedError as error:
        answers.complain(error)
        return answers.refused_status(error)
    except DatabaseError as error:
        answers.complain(error)
        return answers.WRONG
    if as_json:
        answers.print_document(_document(result))
    else:
        answers.print_lines(result.lines)
    return answers.OK if result.good else answers.BAD_NEWS


def login_name() -> str:
    """The name of the person who runs the command, also under sudo; raises RefusedError when there is none."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # what Python 3.11 and 3.13 raise for a user id without a name
        raise RefusedError("this user has no login name: say who you are with --author NAME") from None


def _document(result: OperationResult) -> dict[str, Any]:
    return {
        "overrides": [override_text.override_document(override) for override in result.overrides],
        "service": result.liveness.value,
        "in_effect": result.in_effect,
        "routes": [
            {"route": route.route, "before": route.before, "target": route.target, "reason": route.reason}
            for route in result.routes
        ],
        "text": result.lines,
    }
