"""A target that is at a limit is not pushed further into it by our own probes."""

from collections import deque
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from monitor.detection import limits
from monitor.detection.detector import Detector
from monitor.detection.detector_state import DetectorState
from monitor.detection.target_state import from_json, to_json
from monitor.health import Health
from tests.support.builders import T0, observation, settings, target
from tests.support.closed_loop import ClosedLoop

A, B = "openai/a", "openai/b"
DAY_S = 86_400.0
MOVING = {Health.UNUSABLE, Health.DOWN}


class Limiter:
    """A provider that takes so many requests a minute, refused ones included, and fails now and then."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute, self._dice = per_minute, Random(per_minute)
        self._asked: deque[float] = deque()
        self._blips = [(self._dice.uniform(0, 3 * DAY_S), self._dice.uniform(3, 8)) for _ in range(15)]
        self.refused = 0

    def answer(self, at_s: float, _: str) -> str:
        """As a letter of `builders.OUTCOMES`; five blips a day fail everything."""
        while self._asked and self._asked[0] <= at_s - 60:
            self._asked.popleft()
        self._asked.append(at_s)
        if len(self._asked) > self._per_minute:
            self.refused += 1
            return "r"
        blip = any(0 <= at_s - begin_s < for_s for begin_s, for_s in self._blips)
        return "x" if blip or self._dice.random() < 0.005 else "."


@pytest.mark.parametrize("names", [(A,), (A, B)], ids=["one target", "two that share the limit"])
@pytest.mark.parametrize("per_minute", [10, 20, 40])
def test_a_limiter_that_counts_refused_requests_is_left_alone(per_minute: int, names: tuple[str, ...]) -> None:
    """Bursts run into it, and nothing more comes of it: no endless extra probes, and no verdict."""
    limiter = Limiter(per_minute)
    loop = ClosedLoop(settings(Path("/nowhere"), *names), limiter.answer)
    loop.run(3 * DAY_S)
    assert limiter.refused > 0 or per_minute == 40
    assert loop.probes <= 1.1 * 3 * DAY_S / 30 * len(names)
    assert not MOVING.intersection(moved.after for moved in loop.transitions)


@pytest.mark.parametrize("interval_s", [2.0, 8.0, 30.0])
def test_a_limit_gets_four_extra_probes_a_minute(interval_s: float) -> None:
    """Beside the regular ones, while a tenth of the probes are refused."""
    dice, asked = Random(3), list[float]()

    def answer(at_s: float, _: str) -> str:
        asked.append(at_s)
        return "r" if at_s >= 600 and dice.random() < 0.1 else "."

    quick = replace(settings(Path("/nowhere"), A), targets=(target(A, interval_s=interval_s),))
    ClosedLoop(quick, answer).run(4000)
    extra = [at_s for at_s in asked if at_s % interval_s]
    assert len(extra) > 20
    assert min(later - at_s for at_s, later in zip(extra, extra[4:], strict=False)) > 59.9


def test_nothing_is_asked_of_a_failed_target_that_then_refuses_for_good() -> None:
    """One failure, then refusals without end: four extra probes a minute, and those not for ever."""
    loop = ClosedLoop(
        settings(Path("/nowhere"), A), lambda at_s, _: "." if at_s < 3600 else "x" if at_s < 3601 else "r"
    )
    loop.run(6 * 3600)
    assert loop.probes <= 1.02 * 6 * 120
    assert loop.detector.state_of(A).down.evidence.value == 0


def test_a_quarter_of_a_minute_of_refusals_is_soon_forgotten() -> None:
    """Twenty good answers in a row end the evidence, at an interval at which a verdict needs a lot of it."""
    quick = replace(settings(Path("/nowhere"), A), targets=(target(A, interval_s=2.0),))
    loop = ClosedLoop(quick, lambda at_s, _: "r" if 600 <= at_s < 615 else ".")
    loop.run(700)
    assert [moved.after for moved in loop.transitions] == [Health.UP, Health.SUSPECT, Health.UP]
    suspect, up = loop.transitions[1:]
    assert (up.at - suspect.at).total_seconds() < 60


@pytest.mark.parametrize(("models", "extra", "met"), [(4, 1, True), (2, 1, False), (40, 4, False), (40, 5, True)])
def test_few_extra_probes_meet_no_limit_of_many_targets(models: int, extra: int, met: bool) -> None:
    """Among eighty regular ones a minute four more make no difference; among eight one does."""
    known = Detector(settings(Path("/nowhere"), A), T0).state_of(A)
    asked = tuple(T0 + timedelta(seconds=number) for number in range(extra))
    states = [known.replace(extra_at=asked)]
    last = limits.met_by_bursts(states, [30.0] * models, observation("r", at_s=30))
    assert last == (asked[-1] if met else None)


@pytest.mark.parametrize(("extra", "stands"), [(4, True), (5, False)])
@pytest.mark.parametrize("names", [(A,), (A, B)], ids=["one target", "two that share the limit"])
def test_the_probe_that_is_refused_is_one_of_the_burst(names: tuple[str, ...], extra: int, stands: bool) -> None:
    """The fifth extra one within a minute, refused, is no evidence of a limit that others meet; the fourth is."""
    long = tuple(target(name, interval_s=60.0) for name in names)
    detector = Detector(replace(settings(Path("/nowhere"), *names), targets=long), T0)
    for number in range(extra):
        detector.observe(observation("x" if number == 1 else ".", at_s=60.0 + number, name=A))
    detector.observe(observation("r", at_s=60.0 + extra, name=A))
    assert bool(detector.state_of(A).throttled.value) is stands


def test_an_earlier_burst_does_not_end_what_a_later_one_of_a_sibling_began() -> None:
    """Nor does one that a clock set back has put into the future last."""
    known = Detector(settings(Path("/nowhere"), A), T0).state_of(A)
    later = limits.spared(known, T0 + timedelta(seconds=35))
    assert limits.spared(later, T0).limit_met_at == T0 + timedelta(seconds=35)
    assert limits.spared(later, T0 + timedelta(seconds=40)).limit_met_at == T0 + timedelta(seconds=40)
    assert limits.spared(later, T0 - timedelta(hours=1)).limit_met_at == T0 - timedelta(hours=1)


def test_the_newest_answer_says_what_is_left_of_a_limit(tmp_path: Path) -> None:
    """Whatever it answered, asked afresh or not, and across a restart; a probe under way says nothing."""
    made = settings(tmp_path, A, B)
    detector = Detector(made, T0)
    said = (observation(limit_left="2 of 60 requests", name=A), observation("r", limit_left="0 of 60 requests", name=A))
    for number, answer in enumerate(
        (*said, replace(said[0], afresh=True), replace(observation(name=A), under_way=True))
    ):
        detector.observe(replace(answer, started_at=T0 + timedelta(seconds=30 * number)))
        low = detector.health[A].low_limit
        assert low
        last = said[number % 2] if number < len(said) else said[0]
        assert low.left == last.limit_left
    restarted = Detector(made, T0)
    record = from_json(to_json(detector.state_of(A)))
    assert record
    restarted.restore(DetectorState(targets={A: record}, providers={}))
    assert restarted.health[A].low_limit == detector.health[A].low_limit
    restarted.observe(observation(name=A, at_s=150))
    assert restarted.health[A].low_limit is None
