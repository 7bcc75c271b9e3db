"""The values that every dialect reads from and writes to the wire, and safe ways through hostile JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class MalformedError(ValueError):
    """The provider's bytes are not what its dialect promises; the message says how, in a few words."""


class Finish(StrEnum):
    """Why a reply ended, as far as a probe cares."""

    STOP = "stop"
    LENGTH = "length"
    """The token budget was used up."""
    REFUSED = "refused"
    """Content policy."""
    FAILED = "failed"
    """The provider says that it failed."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, ready to send. The key is in a header, never in the URL."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said so far: a whole reply, or a stream folded event by event."""

    text: str = ""
    """Visible text only; reasoning is not in it."""
    finish: Finish | None = None
    ended: bool = False
    """The dialect's terminator was seen; always true for a whole reply."""
    input_tokens: int | None = None
    """Cached tokens included."""
    output_tokens: int | None = None
    """Reasoning included."""
    model: str | None = None
    """The model that answered, in the provider's own words."""
    error: Mapping[str, Any] | None = None
    """An error frame, as it came."""


NOTHING_SAID = Reply()
"""A stream's reply before its first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorWords:
    """What an error body says, picked from its envelope."""

    codes: tuple[str, ...] = ()
    """Code, type, status word and reasons, most telling first."""
    message: str = ""
    status: int | None = None
    """The HTTP status that the body claims, where it claims one."""
    retry_after_s: float | None = None
    request_id: str | None = None


def parse(data: str | bytes) -> dict[str, Any]:
    """The JSON object in `data`, also as a list of that alone; raises MalformedError for anything else."""
    if not data.strip():
        raise MalformedError("an empty body")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError("a body that is not JSON, or not all of it") from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise MalformedError("JSON that is not an object")
    return value


def table(value: object) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: object) -> Sequence[Mapping[str, Any]]:
    """The objects in `value` where it is a JSON array, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """`value` where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """`value` where it is a believable number of tokens, else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000_000:
        return value
    return None


def status_code(value: object) -> int | None:
    """The HTTP error status in a body's `code`: a number, or a number as a string."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    return number if isinstance(number, int) and 400 <= number <= 599 else None


def error_in(body: Mapping[str, Any]) -> bool:
    """True when the body is an error envelope, whatever the HTTP status says."""
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"
