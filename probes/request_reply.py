"""What a dialect builds and reads: requests, replies, errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Finish(StrEnum):
    """Why a reply ended."""

    STOP = "stop"
    LENGTH = "length"
    """The token budget was used up."""
    REFUSED = "refused"
    """By content policy."""
    FAILED = "failed"
    """By the provider's own account."""
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
    """A function call that the model asks for."""

    name: str
    arguments: str
    """JSON, if the model got it right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply, or a stream as far as it was read."""

    text: str = ""
    """Visible text, without reasoning."""
    finish: Finish | None = None
    ended: bool = False
    """Whether the dialect's terminator was read; always true for a whole reply."""
    calls: tuple[ToolCall, ...] = ()
    """Of a whole reply; streams are never asked for calls."""
    embedding: tuple[float, ...] | None = None
    input_tokens: int | None = None
    """Cached tokens included."""
    output_tokens: int | None = None
    """Reasoning included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    model: str | None = None
    """The model that answered, as the provider names it."""
    deprecation: str | None = None
    """The provider's notice that the model will be retired."""
    cost_usd: float | None = None
    """As stated by the provider."""
    error: Mapping[str, Any] | None = None
    """An error frame of a stream."""

    def with_tokens(self, **counts: int | None) -> "Reply":
        """The reply with these counts of tokens, by the names of its fields; None keeps the count that it has."""
        known: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
        return replace(self, **known)


EMPTY_REPLY = Reply()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """The content of an error body or an error frame."""

    codes: tuple[str, ...] = ()
    """Code, type, status and reasons, the most specific first."""
    message: str = ""
    status: int | None = None
    """The HTTP status that the body states."""
    retry_after_s: float | None = None
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Response headers that the body quotes; names in lower case."""
