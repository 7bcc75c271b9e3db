"""Whether our own network is to blame: asks the neutral endpoints when a failure may be ours, and says so once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.connectivity import Endpoints, Sight
from probes.observation import Observation
from probes.outcome import Blame

_FRESH = timedelta(seconds=5)
#: Asked this often while all is well, so that an endpoint's silence means something when it matters.
_SELDOM_S = 600.0
#: Failures further apart than this have nothing to do with each other.
_FORGOTTEN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """A provider's failures of late that may be our own network's."""

    begun: datetime
    """When the first of those probes started."""
    last: datetime


class Network:
    """Remembers which neutral endpoints answered; notes (kind, subject, text) once when our network goes or returns.

    `ask` says which of the endpoints answer right now.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        ask: Callable[[], Awaitable[frozenset[str]]],
        note: Callable[[str, str, str], None],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._endpoints = endpoints
        self._answering = ask
        self._note = note
        self._clock = clock
        self._known = Endpoints()
        self._sight = Sight.ONLINE
        self._asked_at: datetime | None = None
        self._asking = asyncio.Lock()
        self._trouble: dict[str, _Trouble] = {}
        self._answered_at: dict[str, datetime] = {}
        self._was_blind = False
        self._said_untrusted = False

    async def blind(self, batch: Sequence[Observation], providers: frozenset[str]) -> bool:
        """Whether failures in this batch that may be our own network's are to be taken for that.

        Neutral endpoints decide, asked at most every 5 s. Where none of them has answered within the hour they
        cannot. We are then blind to a provider's failures until another of `providers` has answered, with whatever,
        after they began.
        """
        failing = self._heed(batch)
        if not failing and not (batch and self._was_blind):
            return self._was_blind
        await self._ask()
        if self._sight is not Sight.UNTRUSTED:
            return self._concluded(blind=self._sight is Sight.BLIND)
        self._say_untrusted()
        alone = len(providers) > 1 and not all(self._another_answered(name) for name in failing)
        self._concluded(blind=alone and all(self._silent(name) for name in providers))
        return alone

    def _heed(self, batch: Sequence[Observation]) -> set[str]:
        """Note who answered and who may have failed through us; the latter."""
        failing = set()
        for seen in sorted(batch, key=lambda one: one.finished_at):
            name = seen.target.partition("/")[0]
            if seen.outcome.blame is not Blame.UNDECIDED:
                self._answered_at[name] = seen.started_at
                continue
            failing.add(name)
            before = self._trouble.get(name)
            fresh = before is None or seen.finished_at - before.last > _FORGOTTEN
            begun = seen.started_at if fresh or before is None else before.begun
            self._trouble[name] = _Trouble(begun=begun, last=seen.finished_at)
        return failing

    def _silent(self, name: str) -> bool:
        """Whether a provider has failed, perhaps through us, and not answered since."""
        trouble, answered_at = self._trouble.get(name), self._answered_at.get(name)
        return trouble is not None and (answered_at is None or answered_at < trouble.begun)

    def _another_answered(self, name: str) -> bool:
        begun = self._trouble[name].begun
        return any(at > begun for other, at in self._answered_at.items() if other != name)

    async def keep_known(self) -> None:
        """Ask seldom while all is well, for ever."""
        while True:
            await self._ask()
            await asyncio.sleep(_SELDOM_S)

    async def _ask(self) -> None:
        async with self._asking:
            now = self._clock()
            if self._asked_at is not None and timedelta() <= now - self._asked_at < _FRESH:
                return
            answered = await self._answering()
            self._asked_at = now
            self._sight = self._known.sight(answered, now=now)
            self._known = self._known.after(answered, now=now)

    def _concluded(self, *, blind: bool) -> bool:
        if blind is not self._was_blind:
            self._was_blind = blind
            if blind:
                text = "neither the providers nor the neutral endpoints answer: nobody is judged, the routes hold"
                self._note("network_lost", "network", text)
            else:
                self._note("network_back", "network", "our own network answers again: judging goes on")
        return blind

    def _say_untrusted(self) -> None:
        if self._said_untrusted:
            return
        self._said_untrusted = True
        asked = ", ".join(self._endpoints) or "none is configured"
        text = (
            f"no neutral endpoint has answered within the hour ({asked}): blindness is judged from the providers alone"
        )
        self._note("endpoints_untrusted", "network", text)
