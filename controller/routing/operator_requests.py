"""What an operator asked for on the command line, checked before anything is written."""

import getpass
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from controller.cli import output as answers
from controller.routing.overrides import ALL, Override, OverrideKind
from controller.routing.store import LONGEST_AUTHOR, LONGEST_REASON
from monitor.config.problems import Problems
from monitor.formatting import plural
from monitor.settings import Settings
from probes.redaction import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """What was asked for on the command line."""

    kind: OverrideKind
    subject: str
    target: str | None = None
    reason: str
    author: str | None = None
    """None: whoever is logged in."""
    for_s: float = 0.0
    """How long it shall last; of no meaning for taking back."""
    force: bool = False


class RefusedError(Exception):
    """It was not done; the text says why and what to do."""

    def __init__(self, text: str, status: int = answers.WRONG) -> None:
        super().__init__(text)
        self.status = status


def check_names(settings: Settings, order: OperatorRequest) -> None:
    """Raise RefusedError unless the configuration has what the order names."""
    _require(order.subject, *_known(settings, order.kind))
    if order.kind is not OverrideKind.PIN:
        return
    route = next(route for route in settings.routes if route.name == order.subject)
    _require(order.target or "", route.candidates, f"a candidate of {route.name}")


def _known(settings: Settings, kind: OverrideKind) -> tuple[list[str], str]:
    """The names that such an override may be laid on, and what they are."""
    routes = [route.name for route in settings.routes]
    if kind is OverrideKind.DRAIN:
        providers = [provider.name for provider in settings.providers]
        return [*(target.id for target in settings.targets), *providers], "a target or a provider"
    return (routes, "a route") if kind is OverrideKind.PIN else ([*routes, ALL], "a route or 'all'")


def _require(name: str, known: Collection[str], what: str) -> None:
    if name in known:
        return
    words = Problems(file="")
    hint = words.did_you_mean(name, known)
    there = ", ".join(list(known)[:8]) + (", …" if len(known) > 8 else "")
    raise RefusedError(f"{words.shown(name)} is not {what}{hint or f'; there are: {there}'}")


def nothing(settings: Settings, order: OperatorRequest, others: Sequence[Override]) -> RefusedError:
    """Why there was nothing to take back; raises when the name itself is unknown."""
    _require(order.subject, *_known(settings, order.kind))
    done = {OverrideKind.PIN: "pinned", OverrideKind.DRAIN: "drained", OverrideKind.PAUSE: "paused"}[order.kind]
    verb = "nothing is" if order.subject == ALL else f"{order.subject} is not"
    there = ", ".join(one.subject for one in others[:8])
    hint = f"; {plural(len(others), 'other')} in force: {there}" if others else ""
    return RefusedError(f"{verb} {done}{hint}", answers.BAD_NEWS)


def checked_reason(given: str) -> str:
    """The reason as one line; raises RefusedError for none and for a novel."""
    if len(given) > LONGEST_REASON:
        raise RefusedError(f"--reason has {len(given):,} characters; at most {LONGEST_REASON} can be shown to people")
    reason = one_line(given, LONGEST_REASON)
    if not reason:
        raise RefusedError("--reason is empty: say why, for those who see the effect and do not know you")
    return reason


def checked_author(given: str | None) -> str:
    """Who it is; raises RefusedError when nobody knows."""
    if given is None:
        try:
            given = os.environ.get("SUDO_USER") or getpass.getuser()
        except (KeyError, OSError):  # what Python 3.11 and 3.13 raise for a user id without a name
            raise RefusedError("this user has no login name: say who you are with --author NAME") from None
    author = one_line(given, LONGEST_AUTHOR + 1)
    if not author:
        raise RefusedError("the author has no name: say who you are with --author NAME")
    if len(author) > LONGEST_AUTHOR:
        raise RefusedError(f"--author has more than {LONGEST_AUTHOR} characters: a name will do")
    return author
