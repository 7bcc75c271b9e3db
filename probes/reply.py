"""The values that every dialect reads from and writes to the wire, and safe ways through hostile JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function that the model wants called."""

    name: str
    arguments: str
    """As JSON, or what the model took for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said so far: a whole reply, or a stream folded event by event."""

    text: str = ""
    """Visible text only; reasoning is not in it."""
    finish: Finish | None = None
    ended: bool = False
    """The dialect's terminator was seen; always true for a whole reply."""
    calls: tuple[ToolCall, ...] = ()
    """Of a whole reply; streams are not asked to call anything."""
    embedding: tuple[float, ...] | None = None
    input_tokens: int | None = None
    """Cached tokens included."""
    output_tokens: int | None = None
    """Reasoning included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    model: str | None = None
    """The model that answered, in the provider's own words."""
    deprecation: str | None = None
    """The provider's hint that the model will go, in a few words."""
    cost_usd: float | None = None
    """What the provider says that it charged."""
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
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of a response, told in the body; names in lower case."""


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


def overlaid(body: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The body with these parameters laid over it, section by section; None takes a key out."""
    merged = dict(body)
    for key, wanted in parameters.items():
        if wanted is None:
            merged.pop(key, None)
        elif isinstance(wanted, Mapping):
            merged[key] = overlaid(table(merged.get(key)), wanted)
        else:
            merged[key] = wanted
    return merged


def numbers(value: object) -> tuple[float, ...]:
    """A vector; raises MalformedError for anything but a list of numbers."""
    if not isinstance(value, list) or not all(type(item) in {int, float} for item in value):
        raise MalformedError("an embedding that is no list of numbers")
    try:
        return tuple(float(item) for item in value)
    except OverflowError as error:
        raise MalformedError("an embedding with a number that is none") from error


def as_json(value: object) -> str:
    """A part of a body as JSON again; raises MalformedError for one too deep to write."""
    try:
        return json.dumps(value)
    except RecursionError as error:
        raise MalformedError("JSON nested too deep") from error
