"""Keys and tokens from files, as containers mount them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.config.loader import load
from monitor.config.problems import ConfigError
from tests.support.configurations import ENVIRON, write


def with_key(folder: Path, written: str) -> Path:
    """A configuration whose only provider has this key."""
    provider = {"dialect": "openai-chat", "api_key": written, "models": {"gpt-6-luna": {}}}
    return write(folder, providers={"openai": provider})


@pytest.mark.parametrize("held", [b"sk-0123456789", b"sk-0123456789\n", b"sk-0123456789\r\n"])
def test_a_key_may_stand_in_a_file(tmp_path: Path, held: bytes) -> None:
    """With the line end that editors add; whoever must mend it reads where it came from."""
    secret = tmp_path / "openai key"
    secret.write_bytes(held)
    loaded = load(with_key(tmp_path, f"${{file:{secret}}}"), ENVIRON)
    provider = loaded.targets[0].provider
    assert provider.api_key.reveal() == "sk-0123456789"
    assert (provider.api_key_env, provider.key_source) == (None, f"the file {secret}")
    assert not any("is in the file itself" in warning for warning in loaded.warnings)


def test_braces_need_no_quotes(tmp_path: Path) -> None:
    """`{token: ${file:…}}` is natural to write."""
    (tmp_path / "token").write_text("xoxb-9876543210\n")
    path = write(tmp_path, alerts={"slack": {"token": "TOKEN", "channel": "#ops"}})
    path.write_text(path.read_text().replace('"TOKEN"', f"${{file:{tmp_path}/token}}"))
    slack = load(path, ENVIRON).alerts.slack
    assert slack is not None
    assert slack.token.reveal() == "xoxb-9876543210"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (Path.exists, "is not there; mount it, or remove this entry"),
        (Path.mkdir, "is a folder; expected a file"),
        (os.mkfifo, "is no file; expected a file"),
        (lambda path: path.write_text(" \n"), "is empty; expected a value"),
        (lambda path: path.write_text("x" * 1_000_000), "is larger than 16 KiB; expected a file that holds one value"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
    ],
)
def test_a_file_without_a_value_is_told(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    """With its name, at the key; a pipe holds nobody up."""
    path = tmp_path / "key"
    make(path)
    with pytest.raises(ConfigError) as refused:
        load(with_key(tmp_path, f"${{file:{path}}}"), ENVIRON)
    assert f"providers.openai.api_key: the file {path} {problem}" in str(refused.value)


def test_what_a_file_holds_is_never_shown(tmp_path: Path) -> None:
    """Not even where it stands in the wrong place."""
    (tmp_path / "key").write_text("sk-0123456789")
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, database=f"nonsense://${{file:{tmp_path}/key}}"), ENVIRON)
    assert "sk-0123456789" not in str(refused.value)
