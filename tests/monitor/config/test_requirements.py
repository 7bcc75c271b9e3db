"""What a route requires of its candidates: a configuration with one that lacks it is refused."""

from pathlib import Path
from typing import Any

import pytest

from monitor.config.loader import load
from tests.support.configurations import ENVIRON, problems_of, write


def configured(folder: Path, model: dict[str, Any], requires: dict[str, Any]) -> Path:
    """One route over one model."""
    provider = {"dialect": "openai-chat", "api_key": "${OPENAI_API_KEY}", "models": {"m": model}}
    route = {"candidates": ["openai/m"], "requires": requires}
    return write(folder, providers={"openai": provider}, routes={"chat": route})


@pytest.mark.parametrize(
    ("model", "requires", "problem"),
    [
        ({"capabilities": ["tools"]}, {"capabilities": ["tools", "vision"]}, "openai/m lacks vision, which the route"),
        ({}, {"region": "eu"}, "openai/m names no region, and the route requires eu"),
        ({"region": "us"}, {"region": "eu"}, "openai/m is in us, and the route requires eu"),
        ({"context": "8k"}, {"context": "100k"}, "openai/m takes 8,000 tokens, and the route requires 100,000"),
        ({}, {"context": "100k"}, "openai/m is not known for a context, and the route requires 100,000"),
        ({"context": "1.0001k"}, {}, "is not a number of tokens such as 200k"),
        ({"capabilities": "tools"}, {}, "a list such as [tools, vision]"),
    ],
)
def test_what_a_candidate_lacks(tmp_path: Path, model: dict[str, Any], requires: dict[str, Any], problem: str) -> None:
    """Said in a sentence, with what to look at."""
    [found] = problems_of(configured(tmp_path, model, requires))
    assert problem in found


def test_a_candidate_that_has_everything(tmp_path: Path) -> None:
    """Loads, and is as it was described."""
    model = {"capabilities": ["tools", "vision"], "region": "eu", "context": "1.5M"}
    requires = {"capabilities": ["tools"], "region": "eu", "context": "200k"}
    [target] = load(configured(tmp_path, model, requires), ENVIRON).targets
    assert (target.capabilities, target.location, target.context) == (frozenset({"tools", "vision"}), "eu", 1_500_000)
