"""The wheels hold everything that the installed commands need."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both distributions, built as they would be published."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT), str(ROOT / "client")], check=True, capture_output=True)
    return sorted(folder.glob("*.whl"))


@pytest.mark.slow
def test_nothing_that_git_keeps_is_missing(wheels: list[Path]) -> None:
    """Every file of the rooms is in the wheel: code, schema, migrations, style sheet, icon."""
    names = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    for room in ("probes", "monitor", "controller", "ui"):
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.parts):
                assert path.relative_to(ROOT).as_posix() in names
    assert "hotspare_client/py.typed" in names


@pytest.mark.slow
def test_the_installed_command_works(wheels: list[Path], tmp_path: Path) -> None:
    """From a folder of its own, with none of this tree on the path."""
    for wheel in wheels:
        zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import sys; from controller.cli.main import main; sys.exit(main(['status', '-c', 'none.yaml']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    where = subprocess.run(
        [sys.executable, "-c", "import controller.cli; print(controller.cli.__file__)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path))
