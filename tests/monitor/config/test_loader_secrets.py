"""Keys stay secret: whatever is wrong with a configuration, no message repeats one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.config.loader import load
from monitor.config.problems import ConfigError
from tests.support.configurations import ENVIRON, FULL, problems_of, write

SECRET = "hunter2-hunter2-hunter2"


def _variants(value: Any, secret: Any) -> Iterator[Any]:
    """The value with each of its parts, keys included, replaced by the secret in turn."""
    yield secret
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {**value, SECRET: inner}
            for variant in _variants(inner, secret):
                yield {**value, key: variant}
    if isinstance(value, list):
        for index, inner in enumerate(value):
            for variant in _variants(inner, secret):
                yield [*value[:index], variant, *value[index + 1 :]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(SECRET, id="as it is"),
        pytest.param(f"https://{SECRET}@host/{SECRET}", id="inside an address"),
        pytest.param("${MY_API_KEY}", id="from a variable"),
        pytest.param([SECRET], id="in a list"),
        pytest.param({SECRET: SECRET}, id="as a key"),
    ],
)
def test_a_secret_in_the_wrong_place_is_never_shown(tmp_path: Path, secret: Any) -> None:
    """Wherever a key is put by mistake, no problem and no warning repeats it."""
    path = tmp_path / "hotspare.yaml"
    count = 0
    for variant in _variants(FULL, secret):
        path.write_text(json.dumps(variant), encoding="utf-8")
        text = "\n".join(problems_of(path, {"MY_API_KEY": SECRET}))
        assert "hunter2" not in text
        count += 1
    assert count > 50


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-AbCdEf0123456789",
        "xoxb-12345678901-abcdef",
        "AIzaSyA0123456789abcdefg",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_what_looks_like_a_key_is_never_shown(tmp_path: Path, secret: str) -> None:
    """A key of a well-known shape is recognised, even where nothing else says that it is one."""
    text = "\n".join(problems_of(write(tmp_path, defaults={"interval": secret, secret: 1}, database=secret)))
    assert secret[4:] not in text
    assert "***" in text


def test_settings_do_not_show_their_keys(tmp_path: Path) -> None:
    """The settings can be logged."""
    slack = {"token": "${SLACK_BOT_TOKEN}", "channel": "#ops"}
    shown = repr(load(write(tmp_path, alerts={"slack": slack}), ENVIRON))
    assert "0123456789" not in shown


def test_who_only_reads_needs_no_keys(tmp_path: Path) -> None:
    """Without `keys`, variables of keys and tokens may be missing; their names are kept, any other must be there."""
    path = write(tmp_path, alerts={"slack": {"token": "${SLACK_TOKEN}", "channel": "#ops"}})
    loaded = load(path, {}, keys=False)
    assert loaded.alerts.slack is not None
    assert {provider.api_key.reveal() for provider in loaded.providers} == {loaded.alerts.slack.token.reveal()}
    path = write(tmp_path, database="sqlite:///${FOLDER}/x.db")
    with pytest.raises(ConfigError, match="the environment variable FOLDER is not set; export it"):
        load(path, {}, keys=False)
