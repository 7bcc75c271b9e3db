"""Several keys of a provider."""

from pathlib import Path

import pytest

from monitor.config.loader import load
from monitor.config.problems import ConfigError

YAML = """
providers:
  openai: {dialect: openai-chat, KEYS, models: {luna: {}}}
  anthropic: {dialect: anthropic, api_key: "${C}", models: {haiku: {}}}
routes: {chat: {candidates: [openai/luna, anthropic/haiku]}}
"""
ENVIRON = {"A": "sk-a-0123456789", "B": "sk-b-0123456789", "C": "sk-c-0123456789"}


def written(folder: Path, keys: str) -> Path:
    """A configuration with these keys."""
    path = folder / "hotspare.yaml"
    path.write_text(YAML.replace("KEYS", keys))
    return path


def test_they_are_kept_in_their_order_with_where_they_came_from(tmp_path: Path) -> None:
    """A file is as good a place as a variable, but applications cannot be told of it."""
    (tmp_path / "third").write_text("sk-third-0123456789\n")
    settings = load(written(tmp_path, f'api_keys: ["${{A}}", "${{B}}", "${{file:{tmp_path}/third}}"]'), ENVIRON)
    provider = settings.targets[0].provider
    assert [(key.variable, key.secret.reveal()) for key in provider.keys] == [
        ("A", ENVIRON["A"]),
        ("B", ENVIRON["B"]),
        (None, "sk-third-0123456789"),
    ]
    assert provider.keys[2].file == f"{tmp_path}/third"
    assert provider.api_key_env == "A"
    [warning] = settings.warnings
    assert "providers.openai.api_keys[2]: is no variable: applications cannot be told when to use this key" in warning
    other = provider.with_key(provider.keys[1])
    assert (other.api_key.reveal(), other.key_source, other.other_keys) == (ENVIRON["B"], "the variable B", ())


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('api_key: "${A}", api_keys: ["${B}"]', "api_key: stands beside api_keys; keep one of them"),
        ('api_keys: ["${A}", "${A}"]', "api_keys[1]: A is here twice"),
        ("api_keys: []", "api_keys: is empty; expected a list of variables such as"),
        ('api_keys: "${A}"', "api_keys: "),
        ('api_keys: ["${A}", "${GONE}"]', "api_keys[1]: the environment variable GONE is not set"),
        ('api_keys: ["${A}", ["${B}"]]', "api_keys[1]: "),
        ('api_keys: ["${A}", "${file:/nowhere/at/all}"]', "api_keys[1]: "),
        ('api_keys: ["${A}", "two words"]', "api_keys[1]: "),
    ],
)
def test_what_is_wrong_with_them_is_said_at_its_place(tmp_path: Path, keys: str, problem: str) -> None:
    """And no key is shown."""
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, keys), ENVIRON)
    assert f"providers.openai.{problem}" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in ENVIRON.values())


def test_without_keys_nothing_is_read(tmp_path: Path) -> None:
    """As `plan` and `status` load it."""
    settings = load(written(tmp_path, 'api_keys: ["${A}", "${GONE}"]'), {}, keys=False)
    assert [key.variable for key in settings.targets[0].provider.keys] == ["A", "GONE"]
