"""Hostile files: whatever a configuration file holds, it loads or is refused in bounded time."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docs.tools.reference import keys_of
from monitor.config.loader import load
from monitor.config.problems import ConfigError
from monitor.config.settings import Settings
from tests.support.configurations import ENVIRON, FULL, problems_of, write


def test_a_missing_file_says_where_to_begin(tmp_path: Path) -> None:
    """Without a file the message names the example."""
    path = tmp_path / "hotspare.yaml"
    assert problems_of(path) == (f"{path}: there is no such file; copy hotspare.example.yaml to it and edit it",)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    """A folder in place of the file is named as such."""
    assert problems_of(tmp_path) == (f"{tmp_path}: is a folder; expected a YAML file",)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """The system's reason is passed on, without a traceback."""
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "hotspare.yaml"
    assert problems_of(path) == (f"{path}: cannot be read (Not a directory)",)


def test_a_name_that_is_none_is_refused() -> None:
    """Even a name that no file can have ends in a ConfigError."""
    assert problems_of(Path("a\0b")) == ("a\0b: cannot be read (its name is not a file name)",)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"", "is empty; copy hotspare.example.yaml to it and edit it", id="an empty file"),
        pytest.param(b"a: b\n\xff\xfe", "is not UTF-8 (line 2); save it as UTF-8", id="not UTF-8"),
        pytest.param(b"#" * 1024 * 1024 + b"#", "is larger than 1 MiB; expected a YAML file", id="too large"),
    ],
)
def test_a_file_that_is_no_configuration_at_all(tmp_path: Path, data: bytes, text: str) -> None:
    """What cannot be YAML is refused as a whole."""
    path = tmp_path / "hotspare.yaml"
    path.write_bytes(data)
    assert problems_of(path) == (f"{path}: {text}",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("a: b\nc: \0", ":2: the character U+0000 is not allowed", id="a control character"),
        pytest.param("[" + "1," * 60_000 + "]", ":1: more than 50,000 values", id="too many values"),
        pytest.param("? " * 60 + "a", ":1: nested more than 20 levels deep", id="keys within keys"),
        pytest.param("%YAML 3.0\n---\na: b", ":1: not valid YAML: found incompatible", id="another YAML"),
    ],
)
def test_hostile_yaml_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    """What would hurt a lenient reader is refused, with its line."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(text, encoding="utf-8")
    assert any(f"{path}{problem}" in line for line in problems_of(path))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Editors that write a byte order mark are forgiven."""
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path, ENVIRON).routes


def test_past_a_hundred_problems_they_are_counted(tmp_path: Path) -> None:
    """A hopeless file does not fill the screen."""
    problems = problems_of(write(tmp_path, **{f"key{number}": 1 for number in range(250)}))
    assert len(problems) == 101
    assert problems[-1].endswith(": and 150 more")


_words = st.sampled_from(
    sorted(
        {word for key in keys_of(Settings) for word in key.path.split(".")}
        | {"openai", "openai/m", "30s", "5%", "${X}", "on", "4.1", "auto"}
    )
)
_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _words
_trees = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words | st.text(), inner, max_size=5)
)


def _loads_or_is_refused(path: Path) -> bool:
    try:
        return bool(load(path, ENVIRON).targets)
    except ConfigError as error:
        return bool(error.problems)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that is written over and over."""
    return tmp_path_factory.mktemp("fuzz") / "hotspare.yaml"


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary() | st.text().map(str.encode) | _trees.map(lambda tree: json.dumps(tree).encode()))
def test_any_file_loads_or_is_refused(scratch: Path, data: bytes) -> None:
    """Whatever the file holds, the answer is settings or a ConfigError with at least one problem."""
    scratch.write_bytes(data)
    assert _loads_or_is_refused(scratch)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(sorted(FULL)), tree=_trees)
def test_any_section_loads_or_is_refused(scratch: Path, name: str, tree: Any) -> None:
    """The same where everything else is in order, so that the section's own rules are reached."""
    scratch.write_text(json.dumps({**FULL, name: tree}), encoding="utf-8")
    assert _loads_or_is_refused(scratch)
