"""A question of people's own that is asked once and judged elsewhere, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from probes.observation import Observation
from probes.request_reply import Reply
from probes.target import Check, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that a request offers."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(hash=False)
    """The JSON Schema of its arguments."""

    @property
    def label(self) -> dict[str, str]:
        """Name and description; each format has its own key for the schema."""
        return {"name": self.name, "description": self.description}

    @property
    def strict(self) -> bool:
        """Whether a provider's strict mode takes the schema."""
        return is_strict(self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: a prompt, and either the schema of the JSON that is wanted, or tools, or neither."""

    prompt: str
    """The user message, sent as it is: no nonce is added."""
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    tools: tuple[Tool, ...] = ()
    """The model chooses whether to call one, and which."""
    max_tokens: int = 256
    """The token budget of the answer; what the model's family reasons at least comes on top."""

    @property
    def check(self) -> Check:
        """The check that asks for an answer of this kind."""
        if self.tools:
            return Check.TOOL
        return Check.CHAT if self.schema is None else Check.STRUCTURED

    @property
    def most_tokens(self) -> tuple[int, int]:
        """About the tokens, in and out, of an answer that uses its budget up: four characters each."""
        extras = [self.schema or {}, *((tool.label, tool.parameters) for tool in self.tools)]
        return (len(self.prompt) + len(str(extras))) // 4 + 20, self.max_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one question."""

    observation: Observation
    """`ok` or `slow`: there was an answer, right or wrong."""
    reply: Reply
    """As the provider wrote it: to be judged, never to be shown."""
    key: Secret
    """What was sent as the key: to be masked in whatever quotes the reply."""
    shown: str
    """The text, or the calls, on one line that is fit to be shown."""
    model: str | None = None
    """What the model calls itself, likewise."""


def is_strict(schema: Any) -> bool:
    """Whether every object in a schema requires all its properties and allows no others, as strict modes want it."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        named, required = schema.get("properties") or {}, schema.get("required") or ()
        if schema.get("additionalProperties") is not False or set(required) != set(named):
            return False
    return all(map(is_strict, schema.values()))
