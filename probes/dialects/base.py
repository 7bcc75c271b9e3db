"""The inner shape that every dialect has: build a request, read a reply, read a stream, pick the words of an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from probes.checks import Task
from probes.dialects.errors import ErrorRules
from probes.reply import ErrorWords, Reply, Request
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target


class Framing(StrEnum):
    """How a stream's events are told apart."""

    SSE = "sse"
    """Server-sent events."""
    EVENTSTREAM = "eventstream"
    """The binary frames of AWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One wire format as pure functions."""

    name: str
    base_url: str
    """Where the format's own provider lives, in the shape of `Provider.base_url`; the default of the configuration."""
    checks: frozenset[Check]
    """The questions that can be asked in it."""
    request: Callable[[Target, Task], Request]
    """The request that puts a task to a target."""
    read_reply: Callable[[Mapping[str, Any]], Reply]
    """A whole reply from its JSON; raises MalformedError when there is no reply in it."""
    read_embedding: Callable[[Mapping[str, Any]], Reply] | None = None
    """Likewise an embedding; None where the format has none."""
    read_event: Callable[[Reply, ServerSentEvent], Reply]
    """A stream's reply so far, with one more event; raises MalformedError for a corrupt frame."""
    read_error: Callable[[Mapping[str, Any]], ErrorWords]
    """The words of an error body or error frame."""
    errors: ErrorRules
    request_id_headers: tuple[str, ...]
    """Where the provider's own id of the request may stand, the best first."""
    error_header: str | None = None
    """A response header, in lower case, that names the kind of an error up to the first colon."""
    framing: Framing = Framing.SSE
