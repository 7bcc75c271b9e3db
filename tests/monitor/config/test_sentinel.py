"""A provider's sentinel: it is probed often, its siblings seldom, and whoever has an interval of its own keeps that."""

from pathlib import Path

import pytest

from monitor.config.loader import load
from tests.support.configurations import ENVIRON

YAML = """
defaults: {interval: INTERVAL}
providers:
  openai: {dialect: openai-chat, api_key: k, sentinel: nano, models: {nano: {}, big: {}, own: {interval: 20s}}}
  anthropic: {dialect: anthropic, api_key: k, models: {nano: {}}}
routes: {chat: {candidates: [openai/big, anthropic/nano]}}
"""


def intervals_s(folder: Path, interval: str) -> dict[str, float]:
    """The interval of each target, where this is the usual one."""
    path = folder / "hotspare.yaml"
    path.write_text(YAML.replace("INTERVAL", interval))
    return {target.id: target.interval_s for target in load(path, ENVIRON).targets}


@pytest.mark.parametrize(
    ("interval", "sentinel_s", "sibling_s", "usual_s"),
    [("30s", 5.0, 45.0, 30.0), ("500ms", 0.5, 0.75, 0.5), ("1h", 600.0, 5400.0, 3600.0)],
)
def test_a_sentinel_is_probed_often_and_its_siblings_seldom(
    tmp_path: Path, interval: str, sentinel_s: float, sibling_s: float, usual_s: float
) -> None:
    """Only at its own provider, never more often than twice a second, and an interval of a model's own stays."""
    assert intervals_s(tmp_path, interval) == {
        "openai/nano": pytest.approx(sentinel_s),
        "openai/big": sibling_s,
        "openai/own": 20.0,
        "anthropic/nano": usual_s,
    }


def test_the_sentinel_may_have_an_interval_of_its_own(tmp_path: Path) -> None:
    """What is written for a model goes before what follows from being the sentinel."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(YAML.replace("INTERVAL", "30s").replace("{nano: {}, big", "{nano: {interval: 10s}, big"))
    sentinel = load(path, ENVIRON).targets[0]
    assert (sentinel.is_sentinel, sentinel.interval_s) == (True, 10.0)
