"""Traffic in the simulated service: counts come in as their seconds end, and are judged at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from controller.routing.decision import Decision
from controller.simulation.scenario import Scenario
from controller.simulation.simulated_traffic import HostStream, SimulatedTraffic
from controller.simulation.world import Timeline
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe
from monitor.detection.traffic_detector import TrafficDetector
from monitor.health import Transition
from probes.observation import Observation


class ReportedTraffic:
    """The streams of counts of one seed, and what follows from them."""

    def __init__(
        self,
        scenario: Scenario,
        timelines: Mapping[str, Timeline],
        seed: int,
        *,
        detector: Detector,
        epoch: datetime,
        push: Callable[[float, HostStream], int],
        prepare: Callable[[str], None],
    ) -> None:
        """`push` plans a stream's next event and returns its number; `prepare`: as of `TrafficDetector`."""
        self._streams = SimulatedTraffic(scenario, timelines, seed)
        self._detector = TrafficDetector(scenario.settings, detector, prepare=prepare)
        self._epoch, self._push = epoch, push

    def redirect(self, decision: Decision, now_s: float) -> None:
        """A route goes elsewhere now, and its requests with it."""
        for stream in self._streams.redirect(decision, now_s):
            self._go_on(stream)

    def take_in(
        self, now_s: float, serial: int, stream: HostStream
    ) -> tuple[Collection[Transition], Sequence[BurstProbe]]:
        """A second of this stream ends; the transitions, and the probes that are wanted."""
        if serial != stream.serial or not self._streams.is_current(stream):
            return (), ()
        target, skipping = stream.target, self._detector.is_uncorroborated(stream.target)
        others = [each for each in self._streams.streams_to(target) if each is not stream and skipping]
        for other in others:  # their answers until now come before this second's failures
            self._detector.observe(other.pass_over(other.resume_s(now_s), self._epoch))
        self._detector.observe(stream.pass_over(now_s, self._epoch))
        changed = self._detector.observe([stream.take(now_s, self._epoch)])
        for other in others:
            self._go_on(other)
        self._go_on(stream)
        return changed, self._detector.take_asked()

    def observe_probe(
        self, observation: Observation, *, blind: bool
    ) -> tuple[Collection[Transition], Sequence[BurstProbe]]:
        """A probe has ended: the same."""
        return self._detector.observe_probe(observation, blind=blind), self._detector.take_asked()

    def _go_on(self, stream: HostStream) -> None:
        target = stream.target
        if not self._detector.is_uncorroborated(target):
            at_s = stream.step()
        elif self._detector.is_quiet(target):
            at_s = stream.skip(partial(self._detector.is_outweighed, target, stream.host))
        else:
            at_s = stream.skip(_never)
        stream.serial = self._push(at_s, stream)


def _never(_failed: int, _answered: int) -> bool:
    return False
