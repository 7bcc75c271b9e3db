"""Our own network, live: asks the neutral endpoints when it matters, keeps what they say, and tells people once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from monitor.connectivity.blindness import FRESH_S, Blindness
from monitor.connectivity.messages import ConnectivityNote
from monitor.connectivity.state import ConnectivityObservation
from probes.observation import Observation

_LOOK_S = 0.5


class ConnectivityChecker:
    """Drives `Blindness` in real time, from one event loop.

    `ask` says which of the endpoints answer right now; `keep` is handed each answer, `tell` each note.
    """

    def __init__(
        self,
        blindness: Blindness,
        ask: Callable[[], Awaitable[frozenset[str]]],
        *,
        keep: Callable[[ConnectivityObservation], None],
        tell: Callable[[ConnectivityNote], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._blindness = blindness
        self._ask = ask
        self._keep = keep
        self._tell = tell
        self._clock = clock
        self._asking = asyncio.Lock()
        self._asked_at: datetime | None = None

    async def blind(self, batch: Sequence[Observation]) -> frozenset[Observation]:
        """Those of the batch whose failure is to be taken for our own network's; asks first where that is open."""
        if self._blindness.heed(batch, self._clock()):
            await self._asked()
        blind = self._blindness.blind(batch)
        for note in self._blindness.said():
            self._tell(note)
        return blind

    async def watch(self) -> None:
        """Ask whenever it is due, for ever."""
        while True:
            if self._blindness.due(self._clock()):
                await self._asked()
            await asyncio.sleep(_LOOK_S)

    async def _asked(self) -> None:
        async with self._asking:
            now = self._clock()
            if self._asked_at is not None and timedelta() <= now - self._asked_at < timedelta(seconds=FRESH_S):
                return  # by the other one who waited for this lock
            answered = await self._ask()
            self._asked_at = now
            self._keep(self._blindness.asked(answered, now))
