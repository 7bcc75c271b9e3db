"""What a dialect builds and reads: requests, replies, errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


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

    def with_tokens(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> "Reply":
        """The reply with these counts; None keeps the count that it has."""
        return replace(
            self,
            input_tokens=self.input_tokens if input_tokens is None else input_tokens,
            output_tokens=self.output_tokens if output_tokens is None else output_tokens,
            cached_tokens=self.cached_tokens if cached_tokens is None else cached_tokens,
            reasoning_tokens=self.reasoning_tokens if reasoning_tokens is None else reasoning_tokens,
        )


EMPTY_REPLY = Reply()
"""A stream's reply before its first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
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
