"""What an operator asks of the API: the same use cases as those of the command line, one after the other."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.api.reader import BusyError
from controller.incident_comments import acknowledge, add_note
from controller.incidents import json_document
from controller.incidents.incident import Incident
from controller.override_operations import OperationResult, begin_override, end_override
from controller.routing.operator_requests import LONGEST_OVERRIDE_S, OperatorRequest, RefusalKind, RefusedError
from controller.routing.overrides import OverrideKind
from monitor.config.settings import Settings
from monitor.config.units import parse_duration

log = logging.getLogger(__name__)

COMMANDS: Final = {kind.command: (kind, False) for kind in OverrideKind} | {
    kind.end_command: (kind, True) for kind in OverrideKind
}
"""The words of the command line, with what they are about and whether they end it."""
#: A token may ask for so much at once, and for so much more in a minute.
_AT_ONCE: Final = 10
_A_MINUTE: Final = 30.0
_MOST_WAITING: Final = 8

_Text = Annotated[str, Field(max_length=1_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class BeginBody(_Body):
    """What begins an override."""

    subject: _Text
    """A route, a target or a provider, as for the command."""
    target: _Text | None = None
    """Of a pin."""
    reason: _Text
    """Why; everybody reads it."""
    lasts: Annotated[_Text, Field(alias="for")] = "2h"
    """How long, such as `30m`."""
    force: bool = False
    """Pin also to a target that fails."""
    leave: bool = False
    """Of a maintenance: routes leave at once."""


class EndBody(_Body):
    """What ends one."""

    subject: _Text
    reason: _Text = ""


class AckBody(_Body):
    """Says that one looks after an incident: nothing more is needed."""


class NoteBody(_Body):
    """A note."""

    text: _Text


class TooManyError(Exception):
    """A token has asked for too much; the text says when to ask again."""


@dataclass(kw_only=True)
class Allowance:
    """How often each token may still act: ten times at once, and thirty times a minute."""

    monotonic: Callable[[], float]
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By name of a token of the configuration: when it acted last, and what was left then."""

    def use(self, name: str) -> None:
        """Count one; raises TooManyError where none is left."""
        now_s = self.monotonic()
        used_s, left = self._left.get(name, (now_s, float(_AT_ONCE)))
        left = min(_AT_ONCE, left + (now_s - used_s) * _A_MINUTE / 60)
        self._left[name] = now_s, max(0.0, left - 1)
        if left < 1:
            raise TooManyError(f"{name} has acted {_AT_ONCE} times at once; ask again in {60 / _A_MINUTE:g} s")


class OperatorDesk:
    """Carries out what operators ask for, on a thread of its own: each may wait two seconds for the service."""

    def __init__(
        self, settings: Callable[[], Settings], clock: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        """`settings` are those in force."""
        self._settings = settings
        self._clock = clock
        self._allowance = Allowance(monotonic=monotonic)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-operator")
        self._waiting = 0

    async def override(self, command: str, body: bytes, author: str) -> dict[str, Any]:
        """Begin or end an override; the document is that of the command with `--json`.

        Raises RefusedError, TooManyError, BusyError and DatabaseError: then nothing was done.
        """
        kind, ends = COMMANDS[command]
        given = _read(EndBody if ends else BeginBody, body)
        request = OperatorRequest(
            kind=kind,
            subject=given.subject,
            target=getattr(given, "target", None),
            reason=given.reason,
            author=author,
            for_s=_duration(given.lasts) if isinstance(given, BeginBody) else 0.0,
            force=getattr(given, "force", False),
            leave=getattr(given, "leave", False),
        )
        result: OperationResult = await self._do(
            author, lambda: (end_override if ends else begin_override)(self._settings(), request)
        )
        log.warning(
            "api_operation command=%s author=%s subject=%r: %s", command, author, given.subject, result.lines[0]
        )
        return result.document()

    async def comment(self, incident_id: int, command: str, body: bytes, author: str) -> dict[str, Any]:
        """Note or acknowledge; the document is the incident. Raises as `override`."""
        now = self._clock()
        text = _read(NoteBody, body).text if command == "note" else _read(AckBody, body or b"{}") and ""

        def say() -> Incident:
            if command == "note":
                return add_note(self._settings(), incident_id, text, author=author, at=now)
            return acknowledge(self._settings(), incident_id, author=author, at=now)

        incident = await self._do(author, say)
        log.warning("api_operation command=%s author=%s subject=%d: done", command, author, incident_id)
        return json_document.incident_document(incident, (), now)

    def close(self) -> None:
        """Do nothing more than what is under way."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _do(self, author: str, call: Callable[[], Any]) -> Any:
        self._allowance.use(author)
        if self._waiting >= _MOST_WAITING:
            raise BusyError("too many operate at once; ask again in a second")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        finally:
            self._waiting -= 1


def _read(kind: type[Any], body: bytes) -> Any:
    """The body; raises RefusedError with what is wrong first."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RefusedError(f"the body: {where + ': ' if where else ''}{first['msg'].lower()}") from None


def _duration(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise RefusedError(f"for: {text[:20]!r} {error}") from None
    if not 1 <= seconds <= LONGEST_OVERRIDE_S:
        raise RefusedError(f"for: {text[:20]!r} is out of range: expected 1s to 30d")
    return seconds


def status_of(error: RefusedError) -> int:
    """The HTTP status of a refusal."""
    return {RefusalKind.INVALID: 400, RefusalKind.NOT_FOUND: 404}.get(error.kind, 409)
