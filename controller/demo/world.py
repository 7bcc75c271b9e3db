"""The simulated providers as real HTTP servers on loopback; each can be made to fail."""

import asyncio
import math
import random
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from controller.demo.providers import PROVIDERS, Fault, SimulatedProvider

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

    def set_faults(self, faults: Mapping[str, Fault]) -> None:
        """Let these providers fail from now on, by name, and all others answer everything."""
        for name, server in self._servers.items():
            fault = faults.get(name)
            server.state.chaos.error_rates = {fault.status: fault.share} if fault else {}


def _server(provider: SimulatedProvider) -> Any:
    # FastAPI hides this warning of its own making, but not where several servers start in threads at once.
    warnings.filterwarnings("ignore", "The 'alias' attribute")
    from llmock.simulation import MockResponseSettings  # noqa: PLC0415 - optional: only `hotspare[demo]` installs it
    from llmock.testing import LLMockServer  # noqa: PLC0415 - likewise

    server = LLMockServer(responses=MockResponseSettings(response_style="echo"))
    server.app.add_middleware(LatencyMiddleware, median_s=provider.median_s, seed=provider.name)
    return server
