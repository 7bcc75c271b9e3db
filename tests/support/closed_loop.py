"""A detector and the probes that it asks for, played together in virtual time; written apart from the simulator."""

from collections.abc import Callable
from datetime import timedelta

from monitor.config.settings import Settings
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe, phases
from monitor.health import Health, Transition
from tests.support.builders import T0, observation

#: What the probe of this target that starts so many seconds after T0 ends in, as a letter of `builders.OUTCOMES`.
Answers = Callable[[float, str], str]


class ClosedLoop:
    """Regular probes as the pacing spreads them, extra ones as the detector asks for them, ticks when they are due."""

    def __init__(self, settings: Settings, answers: Answers) -> None:
        self.settings = settings
        self.answers = answers
        self._ahead_s, self._set_at = 0.0, T0
        self.transitions: list[Transition] = []
        self.probes = 0
        self._intervals = {target.id: target.interval_s for target in settings.targets}
        self._regular = phases(settings.targets)
        self._extras: dict[str, tuple[float, BurstProbe]] = {}
        self.begin_anew()

    def begin_anew(self, at_s: float = 0.0) -> None:
        """With a detector that knows nothing, and no extra probes planned."""
        self.detector = Detector(self.settings, T0 + timedelta(seconds=at_s))
        self._extras.clear()

    def set_clock(self, at_s: float, *, ahead_s: float) -> None:
        """From now on, the clock that is judged by shows so much more than the time that passes."""
        self._ahead_s, self._set_at = ahead_s, T0 + timedelta(seconds=at_s + ahead_s)

    def run(self, until_s: float) -> None:
        """Every probe that starts before then."""
        while (at_s := self.step(until_s)) is not None:
            del at_s

    def step(self, until_s: float) -> float | None:
        """The next probe, if it starts before then, and when it did."""
        name = min(self._regular, key=self._regular.__getitem__)
        at_s = self._regular[name]
        slot = min(self._extras, key=lambda slot: self._extras[slot][0], default=None)
        afresh = False
        if slot is not None and self._extras[slot][0] < at_s:
            at_s, extra = self._extras[slot]
            name, afresh = extra.targets[0], extra.afresh
        if at_s >= until_s:
            return None
        if slot is not None and self._extras[slot][0] == at_s:
            del self._extras[slot]
        else:
            self._regular[name] += self._intervals[name]
        self._tick(at_s)
        self._observe(at_s, name, afresh=afresh)
        return at_s

    def _tick(self, now_s: float) -> None:
        due = self.detector.due
        if due is not None and due <= T0 + timedelta(seconds=now_s + self._ahead_s):
            self.transitions += self.detector.tick(max(due, self._set_at))

    def _observe(self, at_s: float, name: str, *, afresh: bool) -> None:
        observed = observation(self.answers(at_s, name), at_s=at_s + self._ahead_s, name=name, afresh=afresh)
        self.probes += 1
        self.transitions += self.detector.observe(observed)
        for extra in self.detector.burst_probes(name):
            self._extras[extra.slot] = at_s + observed.duration_s + extra.delay_s, extra

    def moved_to(self, health: Health) -> list[str]:
        """The targets that entered this health, in order."""
        return [moved.target for moved in self.transitions if moved.after is health]
