"""Three simulated providers as real HTTP servers on loopback; each can be made to fail."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """The dialect, models and speed of a simulated provider."""

    name: str
    """Its name in the configuration and in llmock's base URLs."""
    dialect: str
    api_key_env: str
    models: tuple[str, ...]
    median_s: float
    """Median latency."""


PROVIDERS = (
    SimulatedProvider("openai", "openai-chat", "OPENAI_API_KEY", ("gpt-6-luna", "gpt-5.6-luna"), 0.28),
    SimulatedProvider("anthropic", "anthropic", "ANTHROPIC_API_KEY", ("claude-haiku-5-5", "claude-haiku-4-5"), 0.36),
    SimulatedProvider("gemini", "gemini", "GEMINI_API_KEY", ("gemini-3.5-flash-lite", "gemini-3.1-flash-lite"), 0.24),
)

_SPREAD = 0.25
"""Sigma of the lognormal latency: one answer in a hundred takes about 1.8 times the median."""


class LatencyMiddleware:
    """ASGI middleware that delays every request by a lognormal time; llmock's own latency is a constant."""

    def __init__(
        self, app: ASGIApp, *, median_s: float, seed: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._app = app
        self._sleep = sleep
        self._mu = math.log(median_s)
        self._random = random.Random(seed)  # noqa: S311 - latencies, not secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then let the provider answer; only POST waits, not llmock's `/health`."""
        if scope["type"] == "http" and scope["method"] == "POST":
            await self._sleep(self._random.lognormvariate(self._mu, _SPREAD))
        await self._app(scope, receive, send)


class World(ExitStack):
    """The running providers; a context manager. Every reply repeats the question, and with it a probe's nonce."""

    def __init__(self) -> None:
        """Start every provider on a port that the system chooses.

        Raises ModuleNotFoundError where llmock is not installed.
        """
        super().__init__()
        self._servers = {provider.name: self.enter_context(_server(provider)) for provider in PROVIDERS}

    def base_url(self, provider: str) -> str:
        """Return the provider's `base_url` for the configuration."""
        return str(self._servers[provider].base_url(provider))

    def neutral_url(self, provider: str) -> str:
        """Return the address of a page of that provider's server that never fails."""
        return f"{self._servers[provider].url}/health"

    def fail(self, provider: str, *, share: float) -> None:
        """Let the provider answer this share of its requests with HTTP 500 from now on."""
        self._servers[provider].state.chaos.error_rates = {500: share}

    def heal(self, provider: str) -> None:
        """Let the provider answer everything from now on."""
        self._servers[provider].state.chaos.error_rates = {}


def _server(provider: SimulatedProvider) -> Any:
    from llmock.simulation import MockResponseSettings  # noqa: PLC0415 - optional: only `hotspare[demo]` installs it
    from llmock.testing import LLMockServer  # noqa: PLC0415 - likewise

    server = LLMockServer(responses=MockResponseSettings(response_style="echo"))
    server.app.add_middleware(LatencyMiddleware, median_s=provider.median_s, seed=provider.name)
    return server
