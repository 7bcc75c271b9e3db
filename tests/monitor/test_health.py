"""What is known of one target, in words."""

import pytest

from monitor.health import Health, TargetHealth
from tests.support.builders import T0


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        pytest.param("openai/a is down: 9 of 14 failed", "openai/a is down: 9 of 14 failed", id="names its target"),
        pytest.param("9 of 14 failed", "openai/a is down: 9 of 14 failed", id="does not name it"),
        pytest.param("", "openai/a is down", id="is empty"),
    ],
)
def test_the_sentence_can_stand_alone(reason: str, sentence: str) -> None:
    """It names the target and its health once, whatever the reason is."""
    assert TargetHealth(target="openai/a", health=Health.DOWN, since=T0, reason=reason).sentence == sentence
