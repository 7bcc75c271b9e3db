"""What each check asks for, and whether a reply satisfies it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from probes.reply import Reply
from probes.target import Check

#: Of the JSON that `structured` asks for and of the tool's arguments; every provider's strict mode allows all of it.
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "number": {"type": "integer"}},
    "required": ["word", "number"],
    "additionalProperties": False,
}
SCHEMA_NAME: Final = "probe"
TOOL_NAME: Final = "report"
TOOL_DESCRIPTION: Final = "Reports a word and a number."


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One check with its nonce, which keeps caches from answering."""

    check: Check
    nonce: str
    dimensions: int | None = None
    """The length that an embedding must have; None: any."""

    @property
    def prompt(self) -> str:
        """The user message, which contains the nonce; or the text to embed."""
        match self.check:
            case Check.CHAT | Check.STREAM:
                return f"Reply with exactly this word: {self.nonce}"
            case Check.STRUCTURED:
                return f"Reply with JSON only: the word {self.nonce} and the number 7."
            case Check.TOOL:
                return f"Call {TOOL_NAME} with the word {self.nonce} and the number 7."
            case Check.EMBEDDING:
                return self.nonce


def find_flaw(task: Task, reply: Reply) -> str | None:
    """What is wrong with the content of a reply, in a few words that may quote it; None when it satisfies the check.

    - `chat`, `stream`: the text contains the nonce.
    - `structured`: the text is JSON under `SCHEMA`, without other text, and its word contains the nonce.
    - `tool`: `TOOL_NAME` is called with arguments under `SCHEMA` whose word contains the nonce.
    - `embedding`: the right length, all numbers finite, not all zero.
    """
    match task.check:
        case Check.CHAT | Check.STREAM:
            missing = task.nonce.lower() not in reply.text.lower()
            return f"the reply lacks the requested word: {reply.text[:200]}" if missing else None
        case Check.STRUCTURED:
            flaw = _find_schema_flaw(task, reply.text)
            return flaw and f"the reply is not the requested JSON ({flaw}): {reply.text[:200]}"
        case Check.TOOL:
            return _find_tool_flaw(task, reply)
        case Check.EMBEDDING:
            return _find_embedding_flaw(task, reply.embedding or ())


def has_content(task: Task, reply: Reply) -> bool:
    """Whether the reply has any content of the kind that the check asks for."""
    match task.check:
        case Check.TOOL:
            return bool(reply.calls or reply.text.strip())
        case Check.EMBEDDING:
            return reply.embedding is not None
    return bool(reply.text.strip())


def _find_tool_flaw(task: Task, reply: Reply) -> str | None:
    if not reply.calls:
        return f"the function was not called; the reply says: {reply.text[:200]}"
    call = reply.calls[0]
    if call.name != TOOL_NAME:
        return f"another function was called: {call.name[:100]}"
    flaw = _find_schema_flaw(task, call.arguments)
    return flaw and f"the function was called with arguments that do not fit ({flaw}): {call.arguments[:200]}"


def _find_schema_flaw(task: Task, text: str) -> str | None:
    """Why a text is not JSON under `SCHEMA` with the nonce in its word."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "it does not parse"
    if not isinstance(value, dict):
        return "it is not an object"
    if value.keys() != {"word", "number"}:
        return "its keys are not word and number"
    if not isinstance(value["word"], str) or type(value["number"]) is not int:
        return "a value has the wrong type"
    return None if task.nonce.lower() in value["word"].lower() else "it lacks the requested word"


def _find_embedding_flaw(task: Task, vector: tuple[float, ...]) -> str | None:
    if not vector:
        return "the embedding is empty"
    if task.dimensions and len(vector) != task.dimensions:
        return f"the embedding has {len(vector)} numbers, {task.dimensions} were expected"
    if not all(math.isfinite(number) for number in vector):
        return "the embedding holds numbers that are not finite"
    return None if any(vector) else "the embedding is all zeros"
