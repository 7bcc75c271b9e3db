"""Commands in terminals that cannot show every character, and without any output at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.clock import utc_now
from monitor.config.loader import load
from tests.support import seeded_database as seeded
from tests.support.configurations import write

pytestmark = pytest.mark.slow

LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
}


def ask(*words: str, shell: str = "", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """One command, whose streams a shell may close."""
    command = [sys.executable, "-m", "controller.cli.main", *words]
    script = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.run(script, capture_output=True, check=False, env=os.environ | environ)


@pytest.mark.parametrize("locale", LOCALES)
def test_a_terminal_without_utf_8_gets_plain_characters(tmp_path: Path, locale: str) -> None:
    """An arrow is `->` there; JSON escapes what cannot be shown."""
    config = write(tmp_path, database=f"sqlite:///{tmp_path}/hotspare.db")
    missing = ask("status", "-c", str(config), **LOCALES[locale])
    shown = ask("--help", **LOCALES[locale])
    nothing = ask("check", "-c", str(tmp_path / "→ nowhere.yaml"), **LOCALES[locale])

    for ended in (missing, shown, nothing):
        assert b"Traceback" not in ended.stderr
        assert ended.stderr.isascii() or locale == "latin-1"
    assert (shown.returncode, nothing.returncode) == (0, 2)
    assert b"nowhere.yaml: there is no such file" in nothing.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path: Path, closed: str) -> None:
    """The command does its work, and its exit status says how it ended."""
    assert ask("--help", shell=closed).returncode == 0
    assert ask("check", "-c", str(tmp_path / "nowhere.yaml"), shell=closed).returncode == 2
    version = ask("--version", shell=closed)
    assert b"Traceback" not in version.stderr


def test_a_state_is_shown_in_plain_characters(tmp_path: Path) -> None:
    """The whole of `status` with its arrows and dashes, as text and as JSON."""
    config = write(tmp_path, database=f"sqlite:///{tmp_path}/hotspare.db")
    seeded.seed(load(config, {"OPENAI_API_KEY": "sk-made-up"}), utc_now())
    shown = ask("status", "-c", str(config), **LOCALES["ascii"])
    document = ask("status", "--json", "-c", str(config), **LOCALES["ascii"])

    assert b"Traceback" not in shown.stderr + document.stderr
    assert b"chat -> openai/gpt-6-luna" in shown.stdout
    assert shown.stdout.isascii()
    assert json.loads(document.stdout)["routes"]
