"""Whether our own network is to blame: asks the neutral endpoints when a failure may be ours, and says so once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from probes.connectivity import Endpoints, Sight
from probes.observation import Observation
from probes.outcome import Blame

_FRESH = timedelta(seconds=5)
#: Asked this often while all is well, so that an endpoint's silence means something when it matters.
_SELDOM_S = 600.0


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
        self._undecided: dict[str, bool] = {}
        self._was_blind = False
        self._said_untrusted = False

    async def blind(self, batch: Sequence[Observation], providers: frozenset[str]) -> bool:
        """Whether failures in this batch that may be our own network's are to be taken for that.

        Neutral endpoints decide, asked at most every 5 s. Where none of them has answered within the hour they
        cannot: we are then blind while the latest probe of each of several `providers` failed so.
        """
        for seen in batch:
            self._undecided[seen.target.partition("/")[0]] = seen.outcome.blame is Blame.UNDECIDED
        if not any(seen.outcome.blame is Blame.UNDECIDED for seen in batch):
            return self._concluded(blind=False) if batch else self._was_blind
        await self._ask()
        if self._sight is Sight.UNTRUSTED:
            self._say_untrusted()
            return self._concluded(blind=len(providers) > 1 and all(self._undecided.get(name) for name in providers))
        return self._concluded(blind=self._sight is Sight.BLIND)

    async def keep_known(self) -> None:
        """Ask seldom while all is well, for ever."""
        while True:
            await self._ask()
            await asyncio.sleep(_SELDOM_S)

    async def _ask(self) -> None:
        now = self._clock()
        if self._asked_at is not None and timedelta() <= now - self._asked_at < _FRESH:
            return
        self._asked_at = now
        answered = await self._answering()
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
