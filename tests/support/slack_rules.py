"""What Slack refuses in a message: the limits of its blocks and its text, and the shape of metadata (pure)."""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_BLOCKS = 50
MAX_SECTION = 3_000
MAX_HEADER = 150
MAX_TEXT = 40_000
# Not in Slack's documentation; users saw 9,597 characters pass and 11,341 fail.
MAX_ALL_BLOCKS = 10_000
MAX_METADATA = 8_000

_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.:/-]{1,255}")


def blocks_of(given: object) -> list[dict[str, Any]] | None:
    """The blocks of a JSON or form body; None when they are not a list of objects."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return None
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(block, dict) for block in given):
        return None
    return given


def content_fault(text: str, blocks: list[dict[str, Any]] | None) -> str | None:
    """Slack's word for what is wrong with the content; None when nothing is."""
    if blocks is None:
        return "invalid_blocks_format"
    if not text and not blocks:
        return "no_text"
    if len(text) > MAX_TEXT:
        return "msg_too_long"
    if len(blocks) > MAX_BLOCKS or not all(_is_valid(block) for block in blocks):
        return "invalid_blocks"
    if len(json.dumps(blocks, ensure_ascii=False)) > MAX_ALL_BLOCKS:
        return "msg_blocks_too_long"
    return None


def metadata_fault(given: object) -> str | None:
    """Slack's word for what is wrong with a message's metadata; None when nothing is, or there is none."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or set(given) - {"event_type", "event_payload", "entities"}:
        return "invalid_metadata_format"
    kind, payload = given.get("event_type"), given.get("event_payload")
    if not isinstance(kind, str) or not _EVENT_TYPE.fullmatch(kind) or not isinstance(payload, Mapping):
        return "invalid_metadata_schema"
    return "metadata_too_large" if len(json.dumps(payload)) > MAX_METADATA else None


def _is_valid(block: dict[str, Any]) -> bool:
    match block:
        case {"type": "header", "text": {"type": "plain_text", "text": str(text)}}:
            return 0 < len(text) <= MAX_HEADER
        case {"type": "section", "text": {"type": "plain_text" | "mrkdwn", "text": str(text)}}:
            return 0 < len(text) <= MAX_SECTION
        case {"type": "context", "elements": [_, *_] as elements}:
            return len(elements) <= 10 and all(0 < len(e.get("text", "")) <= MAX_SECTION for e in elements)
        case {"type": "actions", "elements": [_, *_] as elements}:
            names = {str(element.get("action_id")) for element in elements}
            return len(names) == len(elements) <= 25 and all(_is_button(element) for element in elements)
        case {"type": "divider"}:
            return True
        case _:
            return False


def _is_button(element: Mapping[str, Any]) -> bool:
    match element:
        case {"type": "button", "text": {"type": "plain_text", "text": str(text)}, "action_id": str(action)}:
            asked = element.get("confirm")
            short = 0 < len(text) <= 75 and 0 < len(action) <= 255 and len(element.get("value", "")) <= 2_000
            return short and (asked is None or _is_question(asked))
        case _:
            return False


def _is_question(asked: Mapping[str, Any]) -> bool:
    """What is asked before a press counts."""
    limits = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    return all(0 < len(asked.get(part, {}).get("text", "")) <= most for part, most in limits.items())
