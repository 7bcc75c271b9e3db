"""What applications report, in the running service: handed to the detector, summed up, stored."""

import asyncio
import logging
from dataclasses import dataclass

from controller.service.background import BackgroundRecorder
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError
from monitor.storage.traffic_store import TrafficStore
from monitor.traffic.intake import Intake, reported_names
from monitor.traffic.receiver import TrafficReceiver
from monitor.traffic.request_counts import RequestCounts
from monitor.traffic.traffic_sums import TrafficSums
from probes.pricing import token_prices_usd

log = logging.getLogger(__name__)

_EVERY_S = 2.0


@dataclass(kw_only=True)
class TrafficIntake:
    """Listens where the settings say so; without `traffic` it does nothing."""

    settings: Settings
    recorder: BackgroundRecorder
    store: TrafficStore
    region: str = ""
    """That of this machine, whose applications report."""

    def __post_init__(self) -> None:
        settings, self._receiver = self.settings.traffic, None
        self._intake: Intake | None = None
        self._targets = {target.id: target for target in self.settings.targets}
        self._prices: dict[str, tuple[float, float] | None] = {}
        self._sums = TrafficSums(self._price)
        self._lost = False
        if settings:
            key = settings.key.reveal().encode() if settings.key else None
            self._intake = Intake(self._names(), key=key, region=self.region)
            self._receiver = TrafficReceiver(settings, self._intake, self.recorder.clock)

    def watch(self, settings: Settings) -> None:
        """Take reports of the targets of other settings with the same `traffic`."""
        self.settings, self._targets = settings, {target.id: target for target in settings.targets}
        self._prices = {}
        if self._intake:
            self._intake.watch(self._names())

    def _names(self) -> dict[str, str]:
        return reported_names(self.settings.targets, self.region)

    def take(self) -> list[RequestCounts]:
        """What has come in since the last call; to be called on the database's thread."""
        counts = self._receiver.take() if self._receiver else []
        self._sums.add(counts)
        return counts

    async def run(self) -> None:
        """Listen, store the sums, and tell what was refused, for ever."""
        if self._receiver is None:
            return
        self._receiver.start()
        try:
            while True:
                await asyncio.sleep(_EVERY_S)
                for text in self._receiver.take_news():
                    self.recorder.event("traffic", "reports", text)
                await self.recorder.database.run(self._store)
        finally:
            self._receiver.stop()

    def _store(self) -> None:
        try:
            if sums := self._sums.take():
                self.store.add(sums)
            self._lost = False
        except DatabaseError as error:
            if not self._lost:
                log.error("traffic_sums_lost: %s", error)
            self._lost = True

    def _price(self, target: str, input_tokens: int, output_tokens: int) -> float | None:
        """Of the tokens of several requests; None without a price, and of a target that was removed since."""
        if target not in self._targets:
            return None
        if target not in self._prices:
            self._prices[target] = token_prices_usd(self._targets[target])
        prices = self._prices[target]
        return None if prices is None else input_tokens * prices[0] + output_tokens * prices[1]
