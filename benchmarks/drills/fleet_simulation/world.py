"""What the machines of a fleet meet outside: settings, providers as each region sees them, and Slack."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.drills.fleet_simulation.history import FaultKind, History
from benchmarks.drills.simulation.history import ROUTES
from benchmarks.drills.simulation.world import observed, settings_in
from monitor.config.api_settings import NOWHERE, ApiSettings
from monitor.config.regions import target_in
from monitor.config.route import Route
from monitor.config.settings import Settings
from probes.observation import Observation

URL: Final = "postgresql+psycopg://hotspare@simulated/hotspare"
_WITHOUT_PROVIDERS: Final = frozenset({FaultKind.NETWORK, FaultKind.ISOLATED})


def fleet_settings(history: History, folder: Path) -> Settings:
    """Those of the machine whose files are in this folder."""
    settings = replace(settings_in(folder), database=URL, api=ApiSettings(listen=NOWHERE))
    if not history.regions:
        return settings
    return replace(
        settings,
        regions=history.regions,
        targets=tuple(target_in(region, target) for target in settings.targets for region in history.regions),
        routes=tuple(
            Route(name=f"{name}@{region}", region=region, candidates=tuple(f"{each}@{region}" for each in candidates))
            for name, candidates in ROUTES.items()
            for region in history.regions
        ),
    )


class FleetWorld:
    """Providers, networks and Slack, in one history; `at_s` is true time."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._dice = Random(f"fleet answers {history.seed}")

    def answer(self, target: str, at_s: float, now: datetime, hang_s: float, machine: int) -> Observation:
        """What a probe of this machine observes that begins then; it gives up after `hang_s`."""
        return observed(
            self._dice,
            target,
            now,
            hang_s=hang_s,
            is_cut_off=self.is_cut_off(machine, at_s),
            faults=(each for each in self._history.faults if each.hits(target) and each.at_s <= at_s < each.until_s),
        )

    def is_cut_off(self, machine: int, at_s: float) -> bool:
        """Whether nothing outside can be reached from there."""
        return any(
            fault.kind in _WITHOUT_PROVIDERS and fault.machine == machine and fault.at_s <= at_s < fault.until_s
            for fault in self._history.faults
        )

    def slack_answers(self, at_s: float) -> bool:
        """Whether Slack can be reached."""
        return not self._history.near(at_s, frozenset({FaultKind.SLACK}))

    def slack_replies(self, at_s: float) -> bool:
        """Whether what Slack has taken is confirmed."""
        return not self._history.near(at_s, frozenset({FaultKind.REPLY_LOST}))
