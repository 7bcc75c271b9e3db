"""The keys under `context_check`: inherited like other keys of probing, and refused where the check cannot be asked."""

from pathlib import Path

import pytest

from monitor.config.loader import load
from monitor.config.problems import ConfigError
from probes.context_check import ContextCheck
from tests.support.configurations import ENVIRON

YAML = """
defaults: {context_check: {tokens: 50k}}
providers:
  own: {dialect: openai-chat, base_url: "http://10.0.0.1/v1", api_key: k, models: {one: MODEL, two: {}}}
routes: {chat: {candidates: [own/one, own/two]}}
"""


def checks(folder: Path, model: str) -> list[ContextCheck | None]:
    """Those of both models, where the first has these keys."""
    path = folder / "hotspare.yaml"
    path.write_text(YAML.replace("MODEL", model))
    return [target.context_check for target in load(path, ENVIRON).targets]


def test_a_model_may_have_its_own(tmp_path: Path) -> None:
    """The others have what stands under `defaults`."""
    usual = ContextCheck(tokens=50_000, every_s=6 * 3600, timeout_s=60)
    assert checks(tmp_path, "{}") == [usual, usual]
    assert checks(tmp_path, "{context_check: {tokens: 8000, every: 1d, timeout: 90s}}") == [
        ContextCheck(tokens=8_000, every_s=86_400, timeout_s=90),
        usual,
    ]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{context: 32k}", "50,000 tokens are more than own/one takes: its context is 32,000"),
        ("{checks: [embedding]}", "own/one takes no chat, which is what this check asks"),
        ("{context_check: {every: 1h}}", "tokens is missing; expected a number of tokens"),
        ("{context_check: {tokens: 3M}}", "is not a number of tokens such as 200k"),
        (f"{{context_check: {{tokens: {'9' * 400}}}}}", "is not a number of tokens such as 200k"),
        (f"{{context: {'9' * 400}M}}", "is not a number of tokens such as 200k"),
        ("{context_check: {tokens: 9, every: 1s}}", "1s is too short; the shortest is 1m"),
        ("{checks: {chat: 1, context: {prompt: a, expect: {contains: a}}}}", "context is a check of Hotspare: see"),
    ],
)
def test_what_cannot_be_asked_is_refused(tmp_path: Path, model: str, said: str) -> None:
    """Each with the place, and what to do."""
    with pytest.raises(ConfigError) as refused:
        checks(tmp_path, model)
    assert said in str(refused.value)
