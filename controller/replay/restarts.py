"""Finds where the service began anew in the middle of a test on fresh evidence, and begins that test anew (pure).

A service that starts asks afresh again, by the last failure of each target that is suspect. In the history that is a
probe asked afresh that belongs to no test: none was asked for at that time.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.config.settings import Settings
from monitor.detection.detector import Detector
from monitor.detection.fresh_model import MOST_CONFIRMATIONS
from monitor.detection.fresh_tests import TESTED_WITHIN
from monitor.health import Health
from probes.observation import Observation, replaced
from probes.outcome import Effect

#: A probe starts so much before and after it was asked for, at the most: those of one round come one after the other.
_EARLIEST, _LATEST = timedelta(seconds=0.5), timedelta(seconds=1.5)
#: The first to end of those that are asked at once may have started so long after another.
_BESIDE = timedelta(seconds=0.1)
#: So many times before the last one: the probes of each confirmation may end after the first round was asked.
_KEPT = MOST_CONFIRMATIONS + 2


class RestartFinder:
    """Watches the tests of one detector. Not thread-safe."""

    def __init__(self, detector: Detector, settings: Settings) -> None:
        self._detector = detector
        self._provider_of = {target.id: target.provider.name for target in settings.targets}
        self._asked_at: dict[str, list[datetime]] = {}
        """When probes were asked afresh, by target or provider, the last few times."""
        self._failures: dict[str, Observation] = {}
        """The last failure of each target."""

    def begin_again(self, observation: Observation) -> None:
        """To be called before the detector observes this: begins the tests anew that a restart has ended."""
        if not observation.afresh or self._is_expected(observation):
            return
        at = observation.started_at - _BESIDE
        self._detector.restore(replace(self._detector.snapshot(), fresh={}))
        for target, failed in self._failures.items():
            suspect = self._detector.state_of(target).health is Health.SUSPECT
            if suspect and timedelta() <= at - failed.started_at < TESTED_WITHIN:
                began_at = at - timedelta(seconds=failed.duration_s)
                self._detector.ask_afresh(replaced(failed, started_at=began_at, afresh=False))
        self._note_tests()

    def note(self, observation: Observation) -> None:
        """To be called when the detector has observed this."""
        failed = observation.outcome.effect is Effect.DOWN
        if (
            failed
            and not (observation.failed_here or observation.under_way)
            and observation.target in self._provider_of
        ):
            self._failures[observation.target] = observation
        if failed or observation.afresh:
            self._note_tests()

    def _note_tests(self) -> None:
        for name, test in self._detector.snapshot().fresh.items():
            known = self._asked_at.setdefault(name, [])
            if test.asked_at not in known:
                self._asked_at[name] = [*known[-_KEPT:], test.asked_at]

    def _is_expected(self, observation: Observation) -> bool:
        """Whether it was asked for, or by a test that is over by now."""
        target = observation.target
        asked_at = self._asked_at.get(target, []) + self._asked_at.get(self._provider_of.get(target, ""), [])
        return any(-_EARLIEST <= observation.started_at - at <= _LATEST for at in asked_at)
