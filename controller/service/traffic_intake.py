"""What applications report, in the running service: handed to the detector, summed up, stored."""

import asyncio
import logging
import math
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite

from controller.service.background import BackgroundRecorder
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError
from monitor.storage.traffic_store import TrafficStore
from monitor.traffic.intake import Intake
from monitor.traffic.receiver import TrafficReceiver
from monitor.traffic.request_counts import RequestCounts
from monitor.traffic.traffic_sums import TrafficSums
from probes.pricing import cost_usd
from probes.target import Check

log = logging.getLogger(__name__)

_EVERY_S, _PRUNED_EVERY = 2.0, 300
_MOST_PRICED = 1_000_000


@dataclass(kw_only=True)
class TrafficIntake:
    """Listens where the settings say so; without `traffic` it does nothing."""

    settings: Settings
    recorder: BackgroundRecorder
    store: TrafficStore

    def __post_init__(self) -> None:
        settings, self._receiver = self.settings.traffic, None
        self._targets = {target.id: target for target in self.settings.targets}
        self._sums = TrafficSums(self._price)
        self._lost = False
        if settings:
            key = settings.key.reveal().encode() if settings.key else None
            intake = Intake(self._targets, key=key)
            self._receiver = TrafficReceiver(settings, intake, self.recorder.clock)

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
            rounds = 0
            while True:
                await asyncio.sleep(_EVERY_S)
                for text in self._receiver.take_news():
                    self.recorder.event("traffic", "reports", text)
                rounds += 1
                await self.recorder.database.run(self._store, prune=rounds % _PRUNED_EVERY == 0)
        finally:
            self._receiver.stop()

    def _store(self, *, prune: bool) -> None:
        try:
            if sums := self._sums.take():
                self.store.add(sums)
            if prune:
                now, hour_s = self.recorder.clock(), self.settings.retention.hour_s
                self.store.prune(now, hours_before=now - timedelta(seconds=hour_s) if isfinite(hour_s) else None)
            self._lost = False
        except DatabaseError as error:
            if not self._lost:
                log.error("traffic_sums_lost: %s", error)
            self._lost = True

    def _price(self, target: str, input_tokens: int, output_tokens: int) -> float | None:
        """Of the tokens of several requests: their price is that of each."""
        parts = math.ceil(max(input_tokens, output_tokens, 1) / _MOST_PRICED)
        usd = cost_usd(self._targets[target], Check.CHAT, input_tokens // parts, output_tokens // parts)
        return None if usd is None else usd * parts
