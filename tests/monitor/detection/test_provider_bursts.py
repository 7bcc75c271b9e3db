"""Which targets of a provider are asked afresh, and in which order."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.detection import provider_bursts
from monitor.detection.detector import Detector
from monitor.detection.fresh_model import MOST_TARGETS
from monitor.detection.fresh_tests import FreshTests
from monitor.detection.parameters import parameters_by_provider, parameters_by_target
from tests.support.builders import T0, observation, settings


def chosen(models: int, failed: int, *, instants: int = 1) -> list[list[str]]:
    """The targets in order, at so many instants, where the last of these models have failed once."""
    names = [f"openai/m{number:02}" for number in range(models)]
    configured = settings(Path("/nowhere"), *names)
    detector = Detector(configured, T0)
    for place, name in enumerate(names):
        detector.observe(observation(".", at_s=place / 10, name=name))
    for name in names[models - failed :]:
        detector.observe(observation("x", at_s=30.0, name=name))
    for name in names[: models - failed]:
        detector.observe(observation(".", at_s=31.0, name=name))
    [provider] = parameters_by_provider(configured, parameters_by_target(configured)).values()
    states = detector.snapshot().targets
    times = (T0 + timedelta(seconds=40 + number / 7) for number in range(instants))
    return [provider_bursts.testable_targets(provider, states, FreshTests(), at) for at in times]


@pytest.mark.parametrize("models", [4, MOST_TARGETS, 40])
def test_what_failed_of_late_comes_last(models: int) -> None:
    """A third of them that fails is no sample of all."""
    sick = models // 3
    [order] = chosen(models, sick)
    assert sorted(order) == sorted(f"openai/m{number:02}" for number in range(models))
    assert set(order[-sick:]) == {f"openai/m{number:02}" for number in range(models - sick, models)}


def test_of_few_those_come_first_that_were_not_observed_for_longest() -> None:
    """In the order in which they were."""
    [order] = chosen(MOST_TARGETS, 0)
    assert order == sorted(order)


def test_of_many_each_is_asked_as_often_as_another() -> None:
    """Neighbours are asked together no more often than others are: expected are 100 of 500 for each."""
    samples = [order[:MOST_TARGETS] for order in chosen(40, 0, instants=500)]
    times = Counter(name for sample in samples for name in sample)
    assert len(times) == 40
    assert all(60 <= count <= 140 for count in times.values())
    together = sum("openai/m10" in sample and "openai/m11" in sample for sample in samples)
    assert together <= 40, "18 are expected"
