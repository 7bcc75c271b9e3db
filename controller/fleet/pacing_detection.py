"""What a machine that only probes makes of what it sees: when to probe again, and nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from controller.cycle.detection import stored_state
from controller.routing.decision import Decision
from monitor.config.settings import Settings
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe
from monitor.storage.store import Store
from probes.observation import Observation


class PacingDetection:
    """A detector of one region's targets, in memory. Health is what the leader finds; this only asks for extra probes.

    It is `controller.service.probing.Findings`, and what that calls `detection`, in one.
    """

    resumed_probes: tuple[BurstProbe, ...] = ()
    is_behind = False

    def __init__(self, settings: Settings, region: str, now: datetime) -> None:
        self._region = region
        self.detector = Detector(self._of_region(settings), now)
        self.routes: Mapping[str, Decision] = {}
        """As the leader decided them last, as far as is known."""

    @property
    def detection(self) -> "PacingDetection":
        """Itself."""
        return self

    def resume(self, store: Store) -> None:
        """Go on from what the leader has stored, for how long answers usually take; raises DatabaseError."""
        self.detector.restore(stored_state(store, self.detector.health))

    def update_intervals(self, settings: Settings) -> None:
        """As of `Findings`."""
        self.detector.update_intervals(self._of_region(settings))

    def stop_watching(self, targets: Collection[str], reason: str) -> None:
        """Whoever is not probed needs no extra probe."""

    def observe(
        self, observations: Sequence[Observation], blind: Collection[Observation], now: datetime
    ) -> list[BurstProbe]:
        """The extra probes that these call for; `blind` are those made while the network here was down."""
        self.detector.records.mark(self.detector.fresh.snapshot())
        for observation in observations:
            self.detector.observe(observation, blind=observation in blind)
        self.detector.tick(now)
        observed = {observation.target for observation in observations if self.detector.knows(observation.target)}
        return [burst for target in sorted(observed) for burst in self.detector.burst_probes(target)]

    def _of_region(self, settings: Settings) -> Settings:
        ours = tuple(target for target in settings.targets if target.monitored_from == self._region)
        return replace(settings, targets=ours)
