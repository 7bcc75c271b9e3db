"""Three simulated providers as real HTTP servers on loopback, one of which can be made to fail."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedProvider:
    """What one simulated provider speaks and how fast it is."""

    name: str
    """As Hotspare's configuration and llmock's base URLs name it."""
    dialect: str
    api_key_env: str
    models: tuple[str, ...]
    median_s: float
    """Half of its answers are faster than this."""


PROVIDERS = (
    SimulatedProvider(
        name="openai",
        dialect="openai-chat",
        api_key_env="OPENAI_API_KEY",
        models=("gpt-6-luna", "gpt-5.6-luna"),
        median_s=0.28,
    ),
    SimulatedProvider(
        name="anthropic",
        dialect="anthropic",
        api_key_env="ANTHROPIC_API_KEY",
        models=("claude-haiku-5-5", "claude-haiku-4-5"),
        median_s=0.36,
    ),
    SimulatedProvider(
        name="gemini",
        dialect="gemini",
        api_key_env="GEMINI_API_KEY",
        models=("gemini-3.5-flash-lite", "gemini-3.1-flash-lite"),
        median_s=0.24,
    ),
)

_SPREAD = 0.25
"""Sigma of the lognormal latency: one answer in a hundred takes about 1.8 times the median."""


class LatencyMiddleware:
    """ASGI middleware that lets every request wait a lognormal time; llmock's own latency is a constant."""

    def __init__(
        self,
        app: _App,
        *,
        median_s: float,
        seed: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._app = app
        self._sleep = sleep
        self._mu = math.log(median_s)
        self._random = random.Random(seed)  # noqa: S311 - latencies, not secrets

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Wait, then let the provider answer; what is not a POST (llmock's `/health`) does not wait."""
        if scope["type"] == "http" and scope["method"] == "POST":
            await self._sleep(self._random.lognormvariate(self._mu, _SPREAD))
        await self._app(scope, receive, send)


class World:
    """The running providers; a context manager. Every reply repeats the question, so a probe's nonce comes back."""

    def __init__(self) -> None:
        """Raises ModuleNotFoundError where llmock is not installed."""
        self._servers = {provider.name: _server(provider) for provider in PROVIDERS}
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Start every provider on a port that the system chooses."""
        with ExitStack() as starting:
            for server in self._servers.values():
                starting.enter_context(server)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop every provider."""
        self._running.close()

    def base_url(self, provider: str) -> str:
        """What Hotspare's configuration calls the provider's `base_url`."""
        return str(self._servers[provider].base_url(provider))

    def neutral_url(self, provider: str) -> str:
        """A page of that provider's server that always answers at once and never fails."""
        return f"{self._servers[provider].url}/health"

    def fail(self, provider: str, *, share: float) -> None:
        """From now on the provider answers this share of its requests with HTTP 500."""
        self._servers[provider].state.chaos.error_rates = {500: share}

    def heal(self, provider: str) -> None:
        """From now on the provider answers everything."""
        self._servers[provider].state.chaos.error_rates = {}


def _server(provider: SimulatedProvider) -> Any:
    from llmock.simulation import MockResponseSettings  # noqa: PLC0415 - optional: only `hotspare[demo]` installs it
    from llmock.testing import LLMockServer  # noqa: PLC0415 - likewise

    server = LLMockServer(responses=MockResponseSettings(response_style="echo"))
    server.app.add_middleware(LatencyMiddleware, median_s=provider.median_s, seed=provider.name)
    return server
