"""A target as a route points at it, with what the routing file knows of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hotspare_client import sdk_clients

if TYPE_CHECKING:
    from anthropic import Anthropic, AsyncAnthropic
    from openai import AsyncOpenAI, OpenAI


class MissingKeyError(LookupError):
    """The environment variable that holds a target's key is not set, or empty; the message names both."""


@dataclass(frozen=True)
class Limits:
    """How long to wait for a target, in seconds, by what Hotspare's probes of it take; None where nobody knows yet."""

    first_token_s: float | None = None
    """From the request to the first piece of a stream."""
    stall_s: float | None = None
    """Between two pieces of a stream."""
    p95_s: float | None = None
    """What 95 of 100 of its good answers stay under."""


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Target:
    """One model at one provider, as a route points at it."""

    id: str
    """`provider/model`."""
    provider: str
    model: str
    """As the provider names it."""
    dialect: str
    """The wire format to speak: `openai-chat`, `anthropic`, `gemini`, …"""
    base_url: str
    """Without a trailing slash. For `openai-chat` it ends in the version (`…/v1`), for the others it is the host."""
    api_key_env: str | None
    """The environment variable that holds the key; None when Hotspare's configuration holds it, or there is none."""
    health: str
    """`up`, `suspect`, `degraded`, `down`, … New words may appear."""
    route: str
    """The route that was asked for."""
    reason: str
    """Why it points there, in one sentence. It may quote a provider: show it as text, never as markup."""
    since: datetime
    """When the route came to where it points."""
    preset: str | None = None
    """The provider's preset in the configuration (`groq`, `mistral`, …)."""
    region: str | None = None
    """The region of the cloud, where the dialect needs one (`bedrock`)."""
    api_version: str | None = None
    """The version in the address of a classic Azure resource."""
    signing: bool = False
    """Whether requests are signed with the credentials of AWS (SigV4), in place of a key."""
    weight: float = 0.0
    """The share of the route's requests that it gets now, from 0 to 1."""
    move: str | None = None
    """How the route came where it points: `failover`, `failback`, `step`, … New words may appear."""
    drained: bool = False
    """Whether an operator has drained it: nothing new is to be begun there."""
    limits: Limits = NO_LIMITS
    context: int | None = None
    """The most tokens that a request may have; None where nobody knows."""

    def api_key(self) -> str | None:
        """The key, read from the environment now; None where no variable is named.

        Raises MissingKeyError where one is named and is not set, or empty.
        """
        if not self.api_key_env:
            return None
        try:
            key = os.environ.get(self.api_key_env, "").strip()
        except ValueError:  # no name of a variable
            key = ""
        if not key:
            raise MissingKeyError(f"{self.api_key_env} is not set: it holds the key of {self.id}")
        return key

    def openai(self, **options: Any) -> OpenAI:
        """The client of the `openai` package for this target (`hotspare-client[openai]`): its address and its key.

        Nothing else comes from the environment: what `OPENAI_*` say is meant for another account. The SDK's own
        retries are off. All calls for the same address and key share connections; `options` (`timeout`, `max_retries`,
        `default_headers`, …) are those of the SDK's `with_options`, beside `api_key`, `organization`, `project`.

        Raises ValueError where the target speaks no dialect of OpenAI's, MissingKeyError as `api_key` does, ImportError
        where the package is missing.
        """
        client: OpenAI = sdk_clients.openai_client(self, options, in_asyncio=False)
        return client

    def async_openai(self, **options: Any) -> AsyncOpenAI:
        """The same for asyncio; connections are shared within an event loop."""
        client: AsyncOpenAI = sdk_clients.openai_client(self, options, in_asyncio=True)
        return client

    def anthropic(self, **options: Any) -> Anthropic:
        """The client of the `anthropic` package (`hotspare-client[anthropic]`), with the promises of `openai`."""
        client: Anthropic = sdk_clients.anthropic_client(self, options, in_asyncio=False)
        return client

    def async_anthropic(self, **options: Any) -> AsyncAnthropic:
        """The same for asyncio; connections are shared within an event loop."""
        client: AsyncAnthropic = sdk_clients.anthropic_client(self, options, in_asyncio=True)
        return client
