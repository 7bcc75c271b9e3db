"""`hotspare init`: from keys to a file that was tried; it asks nothing and overwrites nothing."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

KEYS = {"OPENAI_API_KEY": "a-key-of-nobody-0123", "ANTHROPIC_API_KEY": "another-key-of-nobody"}


def init(folder: Path, environ: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command in this folder, with nobody at a terminal and these keys alone."""
    return subprocess.run(
        [sys.executable, "-m", "controller.cli.main", "init", *words],
        cwd=folder,
        env={"PYTHONPATH": str(Path.cwd()), "HOME": str(folder), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_the_keys_of_the_environment_become_a_file_with_a_forecast(tmp_path: Path) -> None:
    """The file names variables and holds no key; what it will cost and what to do next is said."""
    done = init(tmp_path, KEYS, "--offline", "--json")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "hotspare.yaml").read_text()
    assert "${OPENAI_API_KEY}" in written
    assert not any(key in written + done.stdout + done.stderr for key in KEYS.values())
    document = json.loads(done.stdout)
    assert document["keys"] == {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    assert document["check"]["valid"]
    assert document["plan"]["keeps_promises"]
    assert document["plan"]["usd_per_month"] < 10
    assert document["next"].startswith("hotspare up")


@pytest.mark.slow
@pytest.mark.parametrize("there", ["file", "dangling link", "folder"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    """Whatever stands in the file's place stays, also a link to nowhere: the exit status is 2."""
    path = tmp_path / "hotspare.yaml"
    if there == "file":
        path.write_text("mine")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere.yaml")
    done = init(tmp_path, KEYS)
    assert done.returncode == 2
    assert "hotspare.yaml is there already: nothing is overwritten" in done.stderr
    assert there != "file" or path.read_text() == "mine"
    assert not (tmp_path / "nowhere.yaml").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "words", "said"),
    [
        ({"OPENAI_API_KEY": " "}, (), "no provider's key is in the environment; export at least one of OPENAI_API_KEY"),
        (KEYS, ("-c", "no/such/folder/hotspare.yaml"), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_2(
    environ: dict[str, str], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """With a sentence that says what to do, and no file."""
    done = init(tmp_path, environ, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
