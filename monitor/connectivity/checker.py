"""Checks the neutral endpoints while the service runs, stores the results, and passes on the notes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta

from monitor.connectivity.messages import ConnectivityNote
from monitor.connectivity.network_loss import FRESH_S, NetworkLossDetector
from monitor.connectivity.state import ConnectivityObservation
from probes.observation import Observation

_LOOK_S = 0.5


@dataclass(eq=False)
class ConnectivityChecker:
    """Drives `NetworkLossDetector` in real time, from one event loop.

    `ask` returns the endpoints that answer right now; `keep` is called with each check, `notify` with each note.
    """

    detector: NetworkLossDetector
    ask: Callable[[], Awaitable[frozenset[str]]]
    _: KW_ONLY
    keep: Callable[[ConnectivityObservation], None]
    notify: Callable[[ConnectivityNote], None]
    clock: Callable[[], datetime]
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _checked_at: datetime | None = field(default=None, init=False)

    def reconfigure(
        self,
        detector: NetworkLossDetector,
        ask: Callable[[], Awaitable[frozenset[str]]],
    ) -> None:
        """Go on with other endpoints, or another way to them."""
        self.detector, self.ask, self._checked_at = detector, ask, None

    async def find_blind(self, batch: Sequence[Observation]) -> frozenset[Observation]:
        """The observations of the batch whose failure is our own network's; checks the endpoints first where needed."""
        if self.detector.add_batch(batch, self.clock()):
            await self._check()
        blind = self.detector.find_blind(batch)
        for note in self.detector.messages.take_notes():
            self.notify(note)
        return blind

    async def watch(self) -> None:
        """Check the endpoints whenever it is due, for ever."""
        while True:
            if self.detector.due(self.clock()):
                await self._check()
            await asyncio.sleep(_LOOK_S)

    async def _check(self) -> None:
        async with self._asking:
            now = self.clock()
            if self._checked_at is not None and timedelta() <= now - self._checked_at < timedelta(seconds=FRESH_S):
                return  # whoever held the lock has just checked
            answered = await self.ask()
            self._checked_at = now
            self.keep(self.detector.add_check(answered, now))
