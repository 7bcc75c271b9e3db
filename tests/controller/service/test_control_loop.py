"""Which observations a control cycle waits for."""

from pathlib import Path

import pytest

from controller.service.control_loop import is_news
from monitor.detection.detector import Detector
from tests.support.builders import T0, observation, settings

UP, OTHER, NEW, FAILING, UNKNOWN = "openai/up", "own/up", "openai/new", "anthropic/failing", "own/unheard-of"


@pytest.fixture
def detector() -> Detector:
    """Two targets are up, one was never seen, one fails."""
    made = Detector(settings(Path("/nowhere"), UP, OTHER, NEW, FAILING), T0)
    for at_s in (0.0, 30.0, 60.0):
        made.observe(observation(".", at_s=at_s, name=UP))
        made.observe(observation(".", at_s=at_s, name=OTHER))
        made.observe(observation("x", at_s=at_s, name=FAILING))
    return made


@pytest.mark.parametrize(
    ("symbol", "name", "expected"),
    [(".", UP, False), ("x", UP, True), (".", NEW, True), (".", FAILING, True), (".", UNKNOWN, True)],
)
def test_only_a_good_answer_of_one_that_is_up_waits(
    detector: Detector, symbol: str, name: str, *, expected: bool
) -> None:
    """A failure, and whatever may prove or disprove one, is judged at once."""
    assert detector.due is None
    assert is_news(observation(symbol, at_s=90.0, name=name), detector) is expected


def test_nothing_waits_while_a_verdict_is_due(detector: Detector) -> None:
    """It may depend on any answer."""
    for tenth in range(10):
        detector.observe(observation("x", at_s=90.0 + tenth / 10, name=UP))
    assert detector.due is not None
    assert is_news(observation(".", at_s=91.0, name=OTHER), detector)
