"""Access to parts of a JSON document of unknown shape (pure)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.status_pages.reading import UnexpectedError, VendorState, aware
from probes.json_values import as_text

#: The states of components, as the platforms name them.
_STATES = {state.value: state for state in VendorState} | {
    "available": VendorState.OPERATIONAL,
    "resolved": VendorState.OPERATIONAL,
    "under_maintenance": VendorState.MAINTENANCE,
    "degraded_performance": VendorState.DEGRADED,
    "full_outage": VendorState.MAJOR_OUTAGE,
    "downtime": VendorState.MAJOR_OUTAGE,
}


def decoded(body: bytes, *, cut: bool = False) -> str:
    """The text of a body in UTF-8, or UTF-16 with a byte order mark; raises UnexpectedError. `cut`: anywhere."""
    errors = "replace" if cut else "strict"
    try:
        return body.decode("utf-16" if body[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise UnexpectedError("neither UTF-8 nor UTF-16") from error


def parsed(text: str) -> Any:
    """The JSON value; raises UnexpectedError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnexpectedError("no JSON") from error


def complete_items(text: str) -> list[Any]:
    """The complete items of a JSON list that is cut off; raises UnexpectedError when the text is no list."""
    decoder, items, at = json.JSONDecoder(), [], text.find("[") + 1
    if text[:at].strip() != "[":
        raise UnexpectedError("no list")
    while at < len(text):
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items


def listed(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; raises UnexpectedError unless the value is a list of objects only."""
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise UnexpectedError("no list of objects")
    return value


def state(value: Any) -> VendorState:
    """The state that a platform names so; `unknown` for any other name."""
    return _STATES.get(as_text(value).casefold(), VendorState.UNKNOWN)


def name_of(item: Mapping[str, Any]) -> str:
    """The item's `name`; empty where it has none."""
    return as_text(item.get("name"))


def status_of(item: Mapping[str, Any]) -> VendorState:
    """The item's `status` as a state."""
    return state(item.get("status"))


def instant(value: Any) -> datetime | None:
    """An instant written in ISO 8601, or as seconds since 1970 (a number or its digits); None for anything else."""
    try:
        if isinstance(value, str) and not value.strip().isdecimal():
            return aware(datetime.fromisoformat(value.strip()))
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
