"""Safe access to JSON that somebody else wrote: each function takes any value and returns its own type."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any


class MalformedError(ValueError):
    """The bytes are not what the dialect promises; the message says how, in a few words."""


def parse(data: str | bytes) -> dict[str, Any]:
    """The JSON object in `data`, or in a list of one; raises MalformedError."""
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


def as_object(value: object) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> Sequence[Mapping[str, Any]]:
    """The objects in `value` where it is a JSON array, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """`value` where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """`value` where it is a plausible number of tokens, else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000_000:
        return value
    return None


def status_code(value: object) -> int | None:
    """The HTTP error status that `value` is, as a number or as its digits; else None."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    return number if isinstance(number, int) and 400 <= number <= 599 else None


def overlay(body: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The body with these parameters merged into it; None removes a key."""
    merged = dict(body)
    for key, wanted in parameters.items():
        if wanted is None:
            merged.pop(key, None)
        elif isinstance(wanted, Mapping):
            merged[key] = overlay(as_object(merged.get(key)), wanted)
        else:
            merged[key] = wanted
    return merged


def as_vector(value: object) -> tuple[float, ...]:
    """`value` as a vector; raises MalformedError for anything but a list of numbers."""
    if not isinstance(value, list) or not all(type(item) in {int, float} for item in value):
        raise MalformedError("an embedding that is not a list of numbers")
    try:
        return tuple(float(item) for item in value)
    except OverflowError as error:
        raise MalformedError("an embedding with a number out of range") from error


def to_json(value: object) -> str:
    """`value` as JSON; raises MalformedError where it is nested too deep."""
    try:
        return json.dumps(value)
    except RecursionError as error:
        raise MalformedError("JSON nested too deep") from error
