"""What each check asks for, and whether a reply satisfies it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from probes.custom_check import CustomCheck
from probes.question import Question, Tool, is_strict
from probes.request_reply import Reply
from probes.target import Check, Target

#: Of the JSON that `structured` asks for and of the tool's arguments; every provider's strict mode allows all of it.
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "number": {"type": "integer"}},
    "required": ["word", "number"],
    "additionalProperties": False,
}
SCHEMA_NAME: Final = "probe"
TOOL_NAME: Final = "report"
#: The function that `tool` offers.
TOOL: Final = Tool(name=TOOL_NAME, description="Reports a word and a number.", parameters=SCHEMA)
_EMPTY: Final = "the reply was empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One check with its nonce, which keeps caches from answering."""

    check: str
    """A `Check`, or the name of a check of people's own."""
    nonce: str
    dimensions: int | None = None
    """The length that an embedding must have; None: any."""
    custom: CustomCheck | None = None
    """The check of people's own; None: a `Check`."""
    question: Question | None = None
    """What is asked in place of the check's own question, in the form of the check."""

    @property
    def prompt(self) -> str:
        """The user message, which contains the nonce unless it is that of a question; or the text to embed."""
        if self.question:
            return self.question.prompt
        if self.custom:
            return self.custom.prompt_with(self.nonce)
        return DEFINITIONS[self.check].prompt.format(nonce=self.nonce)

    @property
    def max_tokens(self) -> int | None:
        """The token budget that people set; None: that of the model's family."""
        return self.custom.max_tokens if self.custom else None

    @property
    def has_long_reply(self) -> bool:
        """Whether the reply takes more tokens than a word."""
        return self.question is None and (self.custom is not None or DEFINITIONS[self.check].asks_for_json)

    @property
    def answer_tokens(self) -> int:
        """The token budget of the answer to a question, besides that of the model's family; 0 for a check."""
        return self.question.max_tokens if self.question else 0

    @property
    def schema(self) -> Mapping[str, Any]:
        """Of the JSON that `structured` asks for."""
        return SCHEMA if self.question is None or self.question.schema is None else self.question.schema

    @property
    def strict(self) -> bool:
        """Whether a provider's strict mode takes that schema."""
        return is_strict(self.schema)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What `tool` offers."""
        return self.question.tools if self.question else (TOOL,)

    @property
    def forces_tool(self) -> bool:
        """Whether a call is demanded, where the model allows that; a question leaves it to the model."""
        return self.question is None


def find_flaw(task: Task, reply: Reply) -> str | None:
    """What is wrong with the content of a reply, in a few words that may quote it; None when it satisfies the check.

    Any reply to a question does that is not empty: it is judged by whoever asked.
    """
    if task.question:
        return None if _has_any_content(reply) else _EMPTY
    if task.custom:
        return task.custom.find_flaw(task.nonce, reply.text) if _has_text(reply) else _EMPTY
    definition = DEFINITIONS[task.check]
    return definition.find_flaw(task, reply) if definition.has_content(reply) else _EMPTY


def _has_text(reply: Reply) -> bool:
    return bool(reply.text.strip())


def _has_any_content(reply: Reply) -> bool:
    return bool(reply.calls) or _has_text(reply)


def _find_word_flaw(task: Task, reply: Reply) -> str | None:
    missing = task.nonce.lower() not in reply.text.lower()
    return f"the reply lacks the requested word: {reply.text[:200]}" if missing else None


def _find_json_flaw(task: Task, reply: Reply) -> str | None:
    flaw = _find_schema_flaw(task, reply.text)
    return flaw and f"the reply is not the requested JSON ({flaw}): {reply.text[:200]}"


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


def _find_embedding_flaw(task: Task, reply: Reply) -> str | None:
    vector = reply.embedding or ()
    if not vector:
        return "the embedding is empty"
    if task.dimensions and len(vector) != task.dimensions:
        return f"the embedding has {len(vector)} numbers, {task.dimensions} were expected"
    if not all(math.isfinite(number) for number in vector):
        return "the embedding holds numbers that are not finite"
    return None if any(vector) else "the embedding is all zeros"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDefinition:
    """What a check asks for, which replies satisfy it, and the tokens that it takes."""

    prompt: str
    """`{nonce}` stands for the task's nonce."""
    find_flaw: Callable[[Task, Reply], str | None]
    has_content: Callable[[Reply], bool] = _has_text
    """Whether a reply has any content of the kind that is asked for."""
    asks_for_json: bool = False
    """Whether it asks for JSON under `SCHEMA`, which takes more tokens than a word."""
    usual_tokens: tuple[int, int]
    """About the tokens, in and out, of a good probe."""


_WORD = CheckDefinition(
    prompt="Reply with exactly this word: {nonce}", find_flaw=_find_word_flaw, usual_tokens=(20, 10)
)
DEFINITIONS: Final[Mapping[str, CheckDefinition]] = {
    Check.CHAT: _WORD,
    Check.STREAM: _WORD,
    Check.STRUCTURED: CheckDefinition(
        prompt="Reply with JSON only: the word {nonce} and the number 7.",
        find_flaw=_find_json_flaw,
        asks_for_json=True,
        usual_tokens=(80, 30),
    ),
    Check.TOOL: CheckDefinition(
        prompt=f"Call {TOOL_NAME} with the word {{nonce}} and the number 7.",
        find_flaw=_find_tool_flaw,
        has_content=_has_any_content,
        asks_for_json=True,
        usual_tokens=(120, 30),
    ),
    Check.EMBEDDING: CheckDefinition(
        prompt="{nonce}",
        find_flaw=_find_embedding_flaw,
        has_content=lambda reply: reply.embedding is not None,
        usual_tokens=(10, 0),
    ),
}


def usual_tokens(target: Target, check: str) -> tuple[int, int]:
    """About the tokens, in and out, of a good probe of this target with this check."""
    custom = target.own_check(check)
    return custom.usual_tokens if custom else DEFINITIONS[check].usual_tokens
