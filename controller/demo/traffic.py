"""The application that follows the routing file, and its unlucky twin that always asks the first candidate."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import httpx
from hotspare_client import Target

_QUESTION = "Say good morning to our users."
_LATELY = 50
"""How many of its last requests a caller remembers one by one: those of 5 s."""


class DrillPhase(StrEnum):
    """Where the drill stands; every request is counted in the phase in which its answer came."""

    QUIET = "quiet"
    OUTAGE = "outage"
    AFTER = "after"


@dataclass(slots=True, kw_only=True)
class TrafficCounts:
    """Requests and how many of them failed."""

    asked: int = 0
    failed: int = 0

    @property
    def failed_share(self) -> float | None:
        """Between 0 and 1; None before the first request."""
        return self.failed / self.asked if self.asked else None


def _openai_chat(target: Target, key: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    messages = [{"role": "user", "content": _QUESTION}]
    return (
        f"{target.base_url}/chat/completions",
        {"authorization": f"Bearer {key}"},
        {"model": target.model, "messages": messages},
    )


def _anthropic(target: Target, key: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    messages = [{"role": "user", "content": _QUESTION}]
    return (
        f"{target.base_url}/v1/messages",
        {"x-api-key": key, "anthropic-version": "2023-06-01"},
        {"model": target.model, "max_tokens": 64, "messages": messages},
    )


def _gemini(target: Target, key: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    return (
        f"{target.base_url}/v1beta/models/{quote(target.model, safe='')}:generateContent",
        {"x-goog-api-key": key},
        {"contents": [{"role": "user", "parts": [{"text": _QUESTION}]}]},
    )


_REQUESTS = {"openai-chat": _openai_chat, "anthropic": _anthropic, "gemini": _gemini}


class Caller:
    """Somebody who asks the target of the moment, and counts how often that fails."""

    def __init__(self, choose: Callable[[], Target | None], *, keys: Mapping[str, str]) -> None:
        """`choose` is asked anew for each request; `keys` holds the API keys by the name of their variable."""
        self._choose = choose
        self._keys = keys
        self.tallies = {phase: TrafficCounts() for phase in DrillPhase}
        self._lately: deque[bool] = deque(maxlen=_LATELY)

    @property
    def failed_lately(self) -> float | None:
        """Share of failed requests among the last 50; None before the first."""
        return self._lately.count(False) / len(self._lately) if self._lately else None

    async def ask(self, client: httpx.AsyncClient, phase: Callable[[], DrillPhase]) -> None:
        """Ask once. Whatever is not HTTP 200 has failed, and so has a request that found no target."""
        target = self._choose()
        succeeded = target is not None and await self._answered(client, target)
        tally = self.tallies[phase()]
        tally.asked += 1
        tally.failed += not succeeded
        self._lately.append(succeeded)

    async def _answered(self, client: httpx.AsyncClient, target: Target) -> bool:
        url, headers, body = _REQUESTS[target.dialect](target, self._keys.get(target.api_key_env or "", ""))
        try:
            response = await client.post(url, headers=headers, json=body)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK


class Traffic:
    """Both callers, asking side by side at a steady rate, as users do: nobody waits for the one before."""

    def __init__(self, *, application: Caller, twin: Caller, per_second: float = 10.0) -> None:
        self.application = application
        self.twin = twin
        self._phase = DrillPhase.QUIET
        self._pause_s = 1 / per_second

    async def run(self) -> None:
        """Ask until cancelled; requests on their way are then given up, uncounted."""
        # The providers close idle connections after 5 s; ours must not be the ones to find out.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0)
        async with (
            httpx.AsyncClient(timeout=5.0, limits=limits, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            while True:
                for caller in (self.application, self.twin):
                    group.create_task(caller.ask(client, lambda: self._phase))
                await asyncio.sleep(self._pause_s)

    def enter(self, phase: DrillPhase) -> None:
        """From now on answers are counted in this phase."""
        self._phase = phase

    def start_over(self) -> None:
        """Forget all counts and go back to the quiet phase, for the next drill."""
        self._phase = DrillPhase.QUIET
        for caller in (self.application, self.twin):
            caller.tallies = {phase: TrafficCounts() for phase in DrillPhase}
