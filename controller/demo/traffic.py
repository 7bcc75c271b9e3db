"""Two applications: one follows the routing file, the baseline always asks the first candidate."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
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


def _request(target: Target, key: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The address, headers and body of a question in the target's dialect."""
    messages = [{"role": "user", "content": _QUESTION}]
    match target.dialect:
        case "openai-chat":
            url, headers = f"{target.base_url}/chat/completions", {"authorization": f"Bearer {key}"}
            return url, headers, {"model": target.model, "messages": messages}
        case "anthropic":
            url, headers = f"{target.base_url}/v1/messages", {"x-api-key": key, "anthropic-version": "2023-06-01"}
            return url, headers, {"model": target.model, "max_tokens": 64, "messages": messages}
        case _:
            url = f"{target.base_url}/v1beta/models/{quote(target.model, safe='')}:generateContent"
            return url, {"x-goog-api-key": key}, {"contents": [{"role": "user", "parts": [{"text": _QUESTION}]}]}


class Caller:
    """An application: asks the target that `choose` returns, and counts how often that fails."""

    def __init__(self, choose: Callable[[], Target | None], *, keys: Mapping[str, str]) -> None:
        """`choose` is called for each request; `keys` holds the API keys by the name of their variable."""
        self._choose = choose
        self._keys = keys
        self.requests, self.failed = Counter[DrillPhase](), Counter[DrillPhase]()
        self._recent: deque[bool] = deque(maxlen=_RECENT)

    def failed_share(self, phase: DrillPhase) -> float | None:
        """Between 0 and 1; None before the first request of the phase."""
        return self.failed[phase] / self.requests[phase] if self.requests[phase] else None

    @property
    def recent_failed_share(self) -> float | None:
        """Share of failed requests among the last 50; None before the first."""
        return self._recent.count(False) / len(self._recent) if self._recent else None

    async def ask(self, client: httpx.AsyncClient, phase: Callable[[], DrillPhase]) -> None:
        """Ask once. Everything but HTTP 200 is a failure, also that there is no target."""
        target = self._choose()
        succeeded = target is not None and await self._answered(client, target)
        self.requests[phase()] += 1
        self.failed[phase()] += not succeeded
        self._recent.append(succeeded)

    async def _answered(self, client: httpx.AsyncClient, target: Target) -> bool:
        url, headers, body = _request(target, self._keys.get(target.api_key_env or "", ""))
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
    def failed_shares(self) -> dict[str, float | None]:
        """Shares of failed requests so far, 0 to 1, by phase and of the baseline; None without requests."""
        return {
            "quiet": self.application.failed_share(DrillPhase.QUIET),
            "outage": self.application.failed_share(DrillPhase.OUTAGE),
            "outage_without_failover": self.baseline.failed_share(DrillPhase.OUTAGE),
            "after": self.application.failed_share(DrillPhase.AFTER),
        }

    def reset(self) -> None:
        """Reset all counts and the phase, for the next drill."""
        self._phase = DrillPhase.QUIET
        for caller in (self.application, self.baseline):
            caller.requests.clear()
            caller.failed.clear()
