"""Where the service began anew in the middle of a test on fresh evidence, as its stored probes tell it."""

from dataclasses import replace
from pathlib import Path

from controller.replay.restarts import RestartFinder
from monitor.detection.background import BackgroundRate
from monitor.detection.detector import Detector
from monitor.detection.detector_state import DetectorState
from monitor.detection.fresh_evidence import FreshTest
from monitor.detection.fresh_model import CONFIRMING_PROBES, MOST_CONFIRMATIONS
from probes.observation import replaced
from tests.support.builders import T0, observation, settings, target

A = "openai/a"


class Watched:
    """One target every half second that fails 5 % of the time, so that five confirmations are needed, and its tests."""

    def __init__(self) -> None:
        frequent = replace(settings(Path("/nowhere"), A), targets=(target(A, interval_s=0.5),))
        self.detector = Detector(frequent, T0)
        state = self.detector.state_of(A)
        noisy = replace(state.down, background=BackgroundRate(failures=60_000, probes=1_000_000))
        self.detector.restore(DetectorState(targets={A: state.replace(down=noisy)}, providers={}))
        self._finder = RestartFinder(self.detector, frequent)
        self._observe(".", 0.0)
        self._observe("x", 0.5)

    @property
    def test(self) -> FreshTest:
        """The one under way."""
        return self.detector.snapshot().fresh[A]

    def asked_s(self) -> float:
        """When its present probes are asked, in seconds after T0."""
        return (self.test.asked_at - T0).total_seconds()

    def ask(self, symbol: str, at_s: float) -> None:
        """One of its probes, which starts then and takes three seconds."""
        self._observe(symbol, at_s, afresh=True)

    def _observe(self, symbol: str, at_s: float, *, afresh: bool = False) -> None:
        seen = replaced(observation(symbol, at_s=at_s, name=A, afresh=afresh), duration_s=3.0 if afresh else 0.1)
        self._finder.begin_again(seen)
        self.detector.observe(seen)
        self._finder.note(seen)


def confirmed() -> tuple[Watched, list[float]]:
    """A test whose rounds have begun, and when the probes began by which each confirmation failed."""
    watched, asked_s = Watched(), list[float]()
    while not watched.test.rounds:
        asked_s.append(watched.asked_s())
        watched.ask("x", asked_s[-1])
    return watched, asked_s


def test_answers_of_every_confirmation_may_come_after_the_first_round_was_asked() -> None:
    """Of five: none of them belongs to a test before a restart, and the test goes on."""
    watched, asked_s = confirmed()
    assert len(asked_s) == MOST_CONFIRMATIONS
    before = watched.test
    for late_s in asked_s:
        for place in range(1, CONFIRMING_PROBES):
            watched.ask(".", late_s + 0.05 * place)
    assert watched.test == before
    watched.ask("x", watched.asked_s())
    assert watched.test.rounds == 1


def test_a_probe_that_nobody_asked_for_begins_the_test_anew() -> None:
    """By the last failure, as the service does when it starts: its probes are of the first confirmation."""
    watched, asked_s = confirmed()
    restarted_s = asked_s[-1] + 6.0
    watched.ask("x", restarted_s)
    assert (watched.test.rounds, watched.test.confirmed) == (0, 1)
    assert watched.asked_s() > restarted_s
