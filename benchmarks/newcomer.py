"""How long a newcomer waits: from an empty environment to the first route on the page, by pip, `init` and `up`."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

_ROOT: Final = Path(__file__).parents[1]
_CHROMIUM: Final = "/usr/bin/chromium"
_DEADLINE_S: Final = 120.0
#: No provider is asked: their answers are not what is measured, and no key is needed.
_KEYS: Final = {"OPENAI_API_KEY": "sk-made-up", "ANTHROPIC_API_KEY": "sk-ant-made-up"}


def main() -> None:
    """Print the steps with their times; pip takes what it downloads from its cache where that has it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], _ROOT)
        [wheel] = folder.glob("*.whl")
        python, hotspare = folder / "venv/bin/python", folder / "venv/bin/hotspare"
        steps = {
            "`python -m venv`": _timed(lambda: _run([sys.executable, "-m", "venv", "venv"], folder)),
            "`pip install`": _timed(lambda: _run([str(python), "-m", "pip", "install", "-q", str(wheel)], folder)),
            "`hotspare init --offline`": _timed(lambda: _run([str(hotspare), "init", "--offline"], folder)),
            "`hotspare up` until the route is on the page": _timed(lambda: _up(hotspare, folder)),
        }
    print("|step|seconds|\n|---|---|")
    for step, taken in {**steps, "together": sum(steps.values())}.items():
        print(f"|{step}|{taken:.1f}|")


def _timed(step: Callable[[], None]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def _run(command: list[str], folder: Path) -> None:
    environ = {**os.environ, **_KEYS, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, cwd=folder, env=environ, stdout=subprocess.DEVNULL)


def _up(hotspare: Path, folder: Path) -> None:
    """Start it, and wait in Chromium until the page names the route's first candidate."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = {**os.environ, **_KEYS}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([str(hotspare), "up", "--port", str(port)], cwd=folder, env=environ, stderr=log) as up,
        sync_playwright() as playwright,
    ):
        try:
            browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            _open(page.goto, f"http://127.0.0.1:{port}")
            page.get_by_text("gpt-6-luna").first.wait_for(timeout=_DEADLINE_S * 1000)
            browser.close()
        finally:
            up.send_signal(signal.SIGTERM)


def _open(goto: Callable[[str], object], address: str) -> None:
    """Reload until somebody answers, as a person does."""
    until = time.monotonic() + _DEADLINE_S
    while True:
        try:
            goto(address)
        except Exception:  # the browser's own error: nobody answers yet
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
