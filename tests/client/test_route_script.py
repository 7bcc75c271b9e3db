"""`hotspare-route`: what shells get."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hotspare_client import route_script
from hotspare_client.follow import script as follow_script

from tests.support.paths import ROOT
from tests.support.routes import FIRST, write_route


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the script does."""
    command = [sys.executable, "-m", "hotspare_client.route_script", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose target has a hostile model name and address."""
    path = tmp_path / "routing.json"
    fields = {"model": "it's $(rm -rf /) `x`\nsecond line ü", "base_url": "https://a.example/v1", "api_key_env": None}
    write_route(path, targets={FIRST: fields})
    return path


def test_they_are_scripts_of_the_client() -> None:
    """Under their names, in the client's own distribution, which has its version, its licence and no dependency."""
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["hotspare-route"] == f"{route_script.__name__}:{route_script.main.__name__}"
    assert project["scripts"]["hotspare-follow"] == f"{follow_script.__name__}:{follow_script.main.__name__}"
    assert (project["dependencies"], project["requires-python"]) == ([], ">=3.10")


@pytest.mark.slow
def test_the_forms_of_its_output(path: Path) -> None:
    """The id, a field, JSON, and what a shell may evaluate, whatever the file holds."""
    assert run("chat", "--file", str(path)).stdout == f"{FIRST}\n"
    assert run("chat", HOTSPARE_ROUTING_FILE=str(path)).stdout == f"{FIRST}\n"
    assert run("chat", "--file", str(path), "--field", "base_url").stdout == "https://a.example/v1\n"
    assert run("chat", "--file", str(path), "--field", "model", LC_ALL="C").stdout.count("\n") == 1
    assert json.loads(run("chat", "--file", str(path), "--json").stdout)["model"].startswith("it's $(rm")
    script = f"{sys.executable} -m hotspare_client.route_script chat --file {path} --env"
    shell = f'eval "$({script})"; printf %s "$HOTSPARE_MODEL"'
    done = subprocess.run(["/bin/sh", "-ec", shell], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout == "it's $(rm -rf /) `x`\nsecond line ü"


@pytest.mark.slow
def test_without_a_target_it_fails_and_says_why(path: Path) -> None:
    """On standard error, so that a shell's variable stays empty."""
    missing = run("chat", "--file", str(path.with_name("none.json")))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.endswith("none.json is missing\n")
    unknown = run("chta", "--file", str(path))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.endswith("has no such route; it has chat\n")
    assert run("chat", "--field", "key").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
def test_what_cannot_be_printed_is_said(path: Path, output: str) -> None:
    """In one line, as everything else that is wrong."""
    line = f"{sys.executable} -m hotspare_client.route_script chat --file {path} {output}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("hotspare-route: the target of 'chat' cannot be printed: ")
    assert done.stderr.count("\n") == 1
