"""What people are told in each scene of the demo, in full: the texts that a reader judges in ten seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.demo.fake_slack import FakeSlack
from controller.demo.scenes import SCENES, Scene
from tests.support.paths import ROOT
from tests.support.scene_transcript import transcript

TRANSCRIPTS = ROOT / "tests/data/transcripts"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_has_its_message_at_each_moment(
    scene: Scene, tmp_path: Path, golden: Callable[[Path, str], None]
) -> None:
    """Page, `status` and Slack; `make golden` writes them anew."""
    with FakeSlack() as slack:
        text = transcript(scene, tmp_path, slack)
    golden(TRANSCRIPTS / f"{scene.name}.txt", text)
