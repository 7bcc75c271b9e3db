"""Takes what other machines have probed, for the control loop of the one that leads; says which region is silent."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.alerts.service_health import ServiceHealth
from controller.service.background import BackgroundRecorder
from controller.service.region_sight import REGION_KINDS, RegionSight, region_events
from monitor.detection.parameters import patience_s
from monitor.storage.database import DatabaseError
from monitor.storage.probe_report_store import ReportInbox, TakenReports
from probes.observation import Observation
from probes.target import Target

log = logging.getLogger(__name__)

_EVERY_S: Final = 0.25
_LOOK_S: Final = 5.0
_AGAIN_S: Final = 1.0


@dataclass(kw_only=True)
class ReportReader:
    """Reads the reports of these regions, a few times a second. The database's thread does what touches the database.

    What is stored and not judged, because the process was killed between, is judged at the next start.
    """

    regions: Sequence[str]
    from_others: bool = False
    """Whether machines may report that have no region: what one that led could not store."""
    inbox: ReportInbox
    observations: asyncio.Queue[Observation | None]
    """Each new observation is put here, unless it says nothing of the present any more."""
    targets: Callable[[], Iterable[Target]]
    """As they are probed now."""
    health: ServiceHealth
    recorder: BackgroundRecorder
    on_observation: Callable[[Observation], None] = lambda _: None
    """Is told each new one as well; must return at once."""
    monotonic: Callable[[], float] = time.monotonic
    every_s: float = _EVERY_S
    _failed: str = ""
    _answers_since_s: float = field(init=False)
    """Since when the database answers: a region that could not report is not silent."""
    _blind_since: dict[str, datetime | None] = field(default_factory=dict)
    _look_s: float = float("-inf")

    def __post_init__(self) -> None:
        self._answers_since_s = self.monotonic()

    async def run(self) -> None:
        """For ever; while nobody may report, nothing."""
        while True:
            if not self.regions and not self.from_others:
                await asyncio.sleep(_LOOK_S)
                continue
            try:
                taken = await self.recorder.database.run(self.inbox.take, self.recorder.clock())
                self._hand_over(taken)
                if self.regions and self.monotonic() - self._look_s >= _LOOK_S:
                    await self.recorder.database.run(self._look)
                    self._look_s = self.monotonic()
            except DatabaseError as error:
                if not self._failed:
                    log.error("reports_not_taken: %s", error)
                self._failed, self._answers_since_s = str(error), self.monotonic()
                await asyncio.sleep(_AGAIN_S)
                self._answers_since_s = self.monotonic()
                continue
            self._failed = ""
            if not taken.more:
                await asyncio.sleep(self.every_s if self.regions else _LOOK_S)

    def _hand_over(self, taken: TakenReports) -> None:
        self._blind_since |= taken.blind_since
        if not taken.observations:
            return
        self.health.probed()
        patience = {each.id: patience_s(each.interval_s, each.timeouts.total_s) for each in self.targets()}
        now = self.recorder.clock()
        for observation in taken.observations:
            self.on_observation(observation)
            age_s = (now - observation.finished_at).total_seconds()
            if age_s <= patience.get(observation.target, 0.0):
                self.observations.put_nowait(observation)

    def _look(self) -> None:
        """Record which regions have become silent or blind, and which are so no more."""
        answers_s = self.monotonic() - self._answers_since_s
        found = {region.region: region for region in self.inbox.regions()}
        told, now = self.inbox.last_events(REGION_KINDS), self.recorder.clock()
        for region in self.regions:
            seen = RegionSight(
                region=region,
                silent_s=min(found[region].silent_s, answers_s) if region in found else answers_s,
                reporter=found[region].reporter if region in found else "",
                blind_since=self._blind_since.get(region),
            )
            for event in region_events(seen, told.get(region), now):
                log.warning("%s region=%s: %s", event.kind, region, event.text)
                self.recorder.store.add_event(now, event.kind, region, event.text, notify=True)
