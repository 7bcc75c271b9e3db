"""Two applications: one follows the routing file, the baseline always asks the first candidate."""

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
_RECENT = 50
"""The requests of 5 s."""


class DrillPhase(StrEnum):
    """Part of the drill; a request counts in the phase in which its answer came."""

    QUIET = "quiet"
    OUTAGE = "outage"
    AFTER = "after"


@dataclass(slots=True, kw_only=True)
class TrafficCounts:
    """Requests and how many of them failed."""

    requests: int = 0
    failed: int = 0

    @property
    def failed_share(self) -> float | None:
        """Between 0 and 1; None before the first request."""
        return self.failed / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedShare:
    """Shares of failed requests, 0 to 1: of the application by phase, and of the baseline; None without requests."""

    quiet: float | None
    outage: float | None
    outage_without_failover: float | None
    after: float | None


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
    """An application: asks the target that `choose` returns, and counts how often that fails."""

    def __init__(self, choose: Callable[[], Target | None], *, keys: Mapping[str, str]) -> None:
        """`choose` is called for each request; `keys` holds the API keys by the name of their variable."""
        self._choose = choose
        self._keys = keys
        self.counts = {phase: TrafficCounts() for phase in DrillPhase}
        self._recent: deque[bool] = deque(maxlen=_RECENT)

    @property
    def recent_failed_share(self) -> float | None:
        """Share of failed requests among the last 50; None before the first."""
        return self._recent.count(False) / len(self._recent) if self._recent else None

    async def ask(self, client: httpx.AsyncClient, phase: Callable[[], DrillPhase]) -> None:
        """Ask once. Everything but HTTP 200 is a failure, also that there is no target."""
        target = self._choose()
        succeeded = target is not None and await self._answered(client, target)
        counts = self.counts[phase()]
        counts.requests += 1
        counts.failed += not succeeded
        self._recent.append(succeeded)

    async def _answered(self, client: httpx.AsyncClient, target: Target) -> bool:
        url, headers, body = _REQUESTS[target.dialect](target, self._keys.get(target.api_key_env or "", ""))
        try:
            response = await client.post(url, headers=headers, json=body)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK


class Traffic:
    """Both callers at a steady rate; no request waits for the one before."""

    def __init__(self, *, application: Caller, baseline: Caller, per_second: float = 10.0) -> None:
        self.application = application
        self.baseline = baseline
        self._phase = DrillPhase.QUIET
        self._pause_s = 1 / per_second

    async def run(self) -> None:
        """Ask until cancelled; requests in flight are then not counted."""
        # The providers close idle connections after 5 s; these must be closed before.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0)
        async with (
            httpx.AsyncClient(timeout=5.0, limits=limits, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            while True:
                for caller in (self.application, self.baseline):
                    group.create_task(caller.ask(client, lambda: self._phase))
                await asyncio.sleep(self._pause_s)

    def enter(self, phase: DrillPhase) -> None:
        """From now on answers are counted in this phase."""
        self._phase = phase

    @property
    def failed_share(self) -> FailedShare:
        """The shares of what has been counted so far."""
        application, baseline = self.application.counts, self.baseline.counts
        return FailedShare(
            quiet=application[DrillPhase.QUIET].failed_share,
            outage=application[DrillPhase.OUTAGE].failed_share,
            outage_without_failover=baseline[DrillPhase.OUTAGE].failed_share,
            after=application[DrillPhase.AFTER].failed_share,
        )

    def reset(self) -> None:
        """Reset all counts and the phase, for the next drill."""
        self._phase = DrillPhase.QUIET
        for caller in (self.application, self.baseline):
            caller.counts = {phase: TrafficCounts() for phase in DrillPhase}
