"""What belongs to a health state, and what is known of one target, in words."""

import json

import pytest

from monitor.health import WORST_FIRST, Health, HealthLevel, TargetHealth
from tests.support.builders import T0
from tests.support.paths import DOCS, ROOT


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


def test_every_state_has_a_level() -> None:
    """Only a state that says nothing about the target has the level `none`, and each has its place in the order."""
    assert {health for health in Health if health.level is HealthLevel.NONE} == {Health.UNKNOWN}
    assert sorted(WORST_FIRST) == sorted(Health)


def test_the_page_colours_every_level() -> None:
    """The style sheet has a class for each."""
    css = (ROOT / "ui" / "static" / "page.css").read_text(encoding="utf-8")
    assert [level for level in HealthLevel if f".hs-{level} {{ --tone" not in css] == []


def test_every_state_is_documented() -> None:
    """The schema of alerts and the document of the routing file list them in the order of the code."""
    schema = (ROOT / "controller" / "alerts" / "alert.schema.json").read_text(encoding="utf-8")
    assert f'"health": {{"enum": {json.dumps(list(Health))}}}' in schema
    document = " ".join((DOCS / "routing-file.md").read_text(encoding="utf-8").split())
    assert f"….health`: {', '.join(f'`{health}`' for health in Health)}; new ones" in document
